#include "sluice/route/filters/jwt_token.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>

#include "sluice/base/base64url.h"
#include "sluice/base/strict_json.h"
#include "sluice/base/text.h"
#include "sluice/observe/log.h"

namespace sluice::route {
namespace {

namespace json = boost::json;
using net::SignatureAlgorithm;

constexpr std::size_t depth_max = 8;
constexpr std::size_t keys_tried_max = 4;
constexpr double seconds_max = 1e15;  // beyond any date; sums with it do not overflow

std::string_view view(const json::string& text) { return {text.data(), text.size()}; }

struct Parts {
  std::string_view header;
  std::string_view payload;
  std::string_view signature;
};

std::optional<Parts> split(std::string_view text) {
  const std::size_t first = text.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t second = text.find('.', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  if (text.find('.', second + 1) != std::string_view::npos) return std::nullopt;  // a JWE
  return Parts{text.substr(0, first), text.substr(first + 1, second - first - 1),
               text.substr(second + 1)};
}

std::optional<json::object> read_object(std::string_view base64url) {
  const auto text = base::decode_base64url(base64url);
  if (!text) return std::nullopt;
  auto value = base::parse_strict_json(*text, {.bytes = text->size(), .depth = depth_max});
  if (!value || !value->is_object()) return std::nullopt;
  return std::move(value->get_object());
}

struct Header {
  std::string algorithm;
  std::optional<std::string> key_id;
};

// `jwk`, `jku`, `x5c` and their like are not looked at: a token does not bring its own key.
std::optional<Header> read_header(const json::object& object) {
  // RFC 7515 4.1.11: extensions that must be understood; we understand none.
  if (object.contains("crit")) return std::nullopt;
  const json::value* algorithm = object.if_contains("alg");
  if (algorithm == nullptr || !algorithm->is_string()) return std::nullopt;
  Header header{std::string(view(algorithm->get_string())), std::nullopt};
  const json::value* key_id = object.if_contains("kid");
  if (key_id == nullptr) return header;
  if (!key_id->is_string()) return std::nullopt;
  header.key_id = std::string(view(key_id->get_string()));
  return header;
}

// Those with the token's `kid` first, then those that have none.
std::vector<const net::JsonWebKey*> candidates(const net::JsonWebKeySet& set, const Header& header,
                                               SignatureAlgorithm algorithm) {
  std::vector<const net::JsonWebKey*> found;
  const auto add = [&](auto suits) {
    for (const net::JsonWebKey& key : set.keys) {
      if (found.size() == keys_tried_max) return;
      if (key.may_verify(algorithm) && suits(key)) found.push_back(&key);
    }
  };
  if (!header.key_id) {
    add([](const net::JsonWebKey&) { return true; });
    return found;
  }
  add([&](const net::JsonWebKey& key) { return !key.id.empty() && key.id == *header.key_id; });
  add([&](const net::JsonWebKey& key) { return key.id.empty(); });
  return found;
}

// RFC 7519 2: seconds since 1970, perhaps with a fraction. False: something else.
bool read_time(const json::object& claims, json::string_view name,
               std::optional<std::int64_t>& time) {
  const json::value* value = claims.if_contains(name);
  if (value == nullptr) return true;
  if (!value->is_number()) return false;
  double seconds = 0;
  if (value->is_int64()) seconds = static_cast<double>(value->get_int64());
  if (value->is_uint64()) seconds = static_cast<double>(value->get_uint64());
  if (value->is_double()) seconds = value->get_double();
  if (!std::isfinite(seconds)) return false;
  time = static_cast<std::int64_t>(std::floor(std::clamp(seconds, -seconds_max, seconds_max)));
  return true;
}

OpenedToken refused(TokenFault fault, std::string detail, bool may_have_newer_key = false) {
  return {nullptr, fault, may_have_newer_key, std::move(detail)};
}

bool is_among(const std::vector<std::string>& values, std::string_view one) {
  return std::ranges::find(values, one) != values.end();
}

std::optional<std::string> scalar_text(const json::value& value) {
  switch (value.kind()) {
    case json::kind::string: return std::string(view(value.get_string()));
    case json::kind::int64: return std::to_string(value.get_int64());
    case json::kind::uint64: return std::to_string(value.get_uint64());
    case json::kind::double_: {
      std::array<char, 40> digits;
      const auto end =
          std::to_chars(digits.data(), digits.data() + digits.size(), value.get_double());
      return std::string(digits.data(), end.ptr);
    }
    case json::kind::bool_: return value.get_bool() ? "true" : "false";
    default: return std::nullopt;
  }
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// What a claim says, one by one; empty when it is not of the format.
std::vector<std::string> values_of(const json::value& value, RequiredClaim::Format format) {
  using Format = RequiredClaim::Format;
  std::vector<std::string> values;
  if (format == Format::space_separated) {
    return value.is_string() ? words_of(view(value.get_string())) : values;
  }
  if (value.is_array()) {
    if (format == Format::string) return values;
    for (const json::value& item : value.get_array()) {
      if (auto text = scalar_text(item)) values.push_back(*std::move(text));
    }
    return values;
  }
  if (format == Format::array) return values;
  if (format == Format::string && !value.is_string()) return values;
  if (auto text = scalar_text(value)) values.push_back(*std::move(text));
  return values;
}

bool satisfies(const json::object& claims, const RequiredClaim& required) {
  const json::value* value = claims.if_contains(required.name);
  if (value == nullptr) return false;
  const std::vector<std::string> said = values_of(*value, required.format);
  const auto is_said = [&](const std::string& wanted) { return is_among(said, wanted); };
  return required.all ? std::ranges::all_of(required.values, is_said)
                      : std::ranges::any_of(required.values, is_said);
}

bool has_issuer(const json::object& claims, const std::vector<std::string>& issuers) {
  const json::value* issuer = claims.if_contains("iss");
  return issuer != nullptr && issuer->is_string() && is_among(issuers, view(issuer->get_string()));
}

// RFC 7519 4.1.3: one text, or an array of them.
bool has_audience(const json::object& claims, const std::vector<std::string>& audiences) {
  if (audiences.empty()) return true;
  const json::value* audience = claims.if_contains("aud");
  if (audience == nullptr) return false;
  const auto is_ours = [&](const json::value& one) {
    return one.is_string() && is_among(audiences, view(one.get_string()));
  };
  if (audience->is_array()) return std::ranges::any_of(audience->get_array(), is_ours);
  return is_ours(*audience);
}

bool has_control_bytes(std::string_view text) {
  return std::ranges::any_of(text, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
}

}  // namespace

OpenedToken open_token(std::string_view text, const net::JsonWebKeySet& keys,
                       const std::vector<SignatureAlgorithm>& algorithms) {
  const auto parts = split(text);
  if (!parts) return refused(TokenFault::malformed, "not of three parts");
  const auto header_object = read_object(parts->header);
  const auto header = header_object ? read_header(*header_object) : std::nullopt;
  if (!header) return refused(TokenFault::malformed, "its header");
  const auto algorithm = net::signature_algorithm(header->algorithm);
  const bool is_allowed =
      algorithm &&
      (algorithms.empty() || std::ranges::find(algorithms, *algorithm) != algorithms.end());
  if (!is_allowed) {
    return refused(TokenFault::algorithm, "alg '" + observe::escaped(header->algorithm, 32) + "'");
  }
  const auto signature = base::decode_base64url(parts->signature);
  if (!signature || signature->empty()) return refused(TokenFault::malformed, "its signature");

  const std::string key_name =
      header->key_id ? "kid '" + observe::escaped(*header->key_id, 64) + "'" : "no kid";
  const auto tried = candidates(keys, *header, *algorithm);
  if (tried.empty()) return refused(TokenFault::unknown_key, key_name, true);
  const std::string_view signed_text =
      text.substr(0, parts->header.size() + 1 + parts->payload.size());
  const bool is_signed = std::ranges::any_of(tried, [&](const net::JsonWebKey* key) {
    return key->key.verify(*algorithm, signed_text, *signature);
  });
  if (!is_signed) return refused(TokenFault::signature, key_name, !header->key_id);

  // Only now: what nobody signed is not worth parsing.
  auto claims = read_object(parts->payload);
  if (!claims) return refused(TokenFault::malformed, "its claims");
  auto token = std::make_shared<VerifiedToken>();
  token->algorithm = *algorithm;
  token->claims = *std::move(claims);
  if (!read_time(token->claims, "exp", token->expires) ||
      !read_time(token->claims, "nbf", token->not_before) ||
      !read_time(token->claims, "iat", token->issued_at)) {
    return refused(TokenFault::malformed, "exp, nbf or iat is no time");
  }
  return {std::move(token), TokenFault::none, false, {}};
}

TokenFault check_claims(const VerifiedToken& token, const Jwt& settings, base::WallTime now) {
  const std::int64_t seconds =
      std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count();
  const std::int64_t leeway = settings.leeway.count();
  if (!settings.algorithms.empty() &&
      std::ranges::find(settings.algorithms, token.algorithm) == settings.algorithms.end()) {
    return TokenFault::algorithm;
  }
  if (!token.expires) return TokenFault::claims;
  if (seconds >= *token.expires + leeway) return TokenFault::expired;
  if (token.not_before && seconds + leeway < *token.not_before) return TokenFault::not_yet_valid;
  if (token.issued_at && seconds + leeway < *token.issued_at) return TokenFault::not_yet_valid;
  if (!has_issuer(token.claims, settings.issuers)) return TokenFault::issuer;
  if (!has_audience(token.claims, settings.audiences)) return TokenFault::audience;
  const bool all_hold = std::ranges::all_of(
      settings.claims, [&](const RequiredClaim& claim) { return satisfies(token.claims, claim); });
  return all_hold ? TokenFault::none : TokenFault::claims;
}

std::optional<std::string> text_of_claim(const json::value& value) {
  std::optional<std::string> text;
  if (value.is_array()) {
    text.emplace();
    for (const json::value& item : value.get_array()) {
      const auto one = scalar_text(item);
      // One with a comma would look like two, an empty one like none, and who reads a list takes
      // spaces at the ends away (RFC 9110 5.6.1).
      const bool is_whole =
          one && !one->empty() && one->find(',') == std::string::npos && base::trim(*one) == *one;
      if (!is_whole) return std::nullopt;
      if (!text->empty()) *text += ',';
      *text += *one;
    }
  } else {
    text = scalar_text(value);
  }
  if (text && has_control_bytes(*text)) return std::nullopt;
  return text;
}

std::vector<std::pair<std::string, std::string>> texts_of_claims(const VerifiedToken& token) {
  std::vector<std::pair<std::string, std::string>> texts;
  texts.reserve(token.claims.size());
  for (const auto& [name, value] : token.claims) {
    if (auto text = text_of_claim(value)) {
      texts.emplace_back(std::string(name.data(), name.size()), *std::move(text));
    }
  }
  return texts;
}

}  // namespace sluice::route
