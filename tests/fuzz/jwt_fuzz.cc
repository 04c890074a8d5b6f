// Tokens and key sets out of the network: every text is read in bounds, nothing that the one good
// key did not sign is taken for signed, and what claims say cannot end a field line.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "property.h"
#include "sluice/base/base64url.h"
#include "sluice/base/strict_json.h"
#include "sluice/net/json_web_key.h"
#include "sluice/route/filters/jwt_token.h"

namespace {

using namespace sluice;
using fuzz::require;

// Made for this test. Nobody has the private key any more.
constexpr std::string_view good_key =
    R"({"kty":"EC","crv":"P-256","x":"ZwDLQclPv5Cgk5luQ0sNMKDwEBirfnzb4Aw-c787VTc",)"
    R"("y":"73njkDHiwm3hlTbJnDy5tRAul4pz8a0ENDNkpEU8Qy0","kid":"first","use":"sig",)"
    R"("alg":"ES256"})";
constexpr std::string_view good_token =
    R"(eyJhbGciOiJFUzI1NiIsImtpZCI6ImZpcnN0IiwidHlwIjoiSldUIn0.eyJpc3MiOiJodHRwczov)"
    R"(L2lkcC50ZXN0IiwiYXVkIjoic2hvcCIsInN1YiI6ImFsaWNlIiwiZXhwIjo0MTAyNDQ0ODAwLCJz)"
    R"(Y29wZSI6InJlYWQgd3JpdGUiLCJyb2xlcyI6WyJhIiwiYiJdfQ.bVOauJ3KRoVIcTOBTMLQ9Y9X5)"
    R"(fxHbAPbZLb-JL1DbCgkGsFtAyaExG9nrcG5xQkW5KdIrnl1dmczuFLAb6brEQ)";

std::string_view signed_part(std::string_view token) { return token.substr(0, token.rfind('.')); }

const net::JsonWebKeySet& good_keys() {
  static const net::JsonWebKeySet set = [] {
    std::string error;
    auto parsed = net::parse_json_web_keys(R"({"keys":[)" + std::string(good_key) + "]}", error);
    require(parsed.has_value(), "the good key is read");
    require(route::open_token(good_token, *parsed, {}).token != nullptr, "the good token is good");
    return *std::move(parsed);
  }();
  return set;
}

const route::Jwt& settings() {
  static const route::Jwt made = [] {
    route::Jwt jwt;
    jwt.issuers = {"https://idp.test"};
    jwt.audiences = {"shop"};
    jwt.claims = {{"scope", {"read"}, route::RequiredClaim::Format::space_separated},
                  {"roles", {"a", "b"}, route::RequiredClaim::Format::any, true}};
    return jwt;
  }();
  return made;
}

void check_token(std::string_view text) {
  const route::OpenedToken opened = route::open_token(text, good_keys(), {});
  require((opened.token != nullptr) == (opened.fault == route::TokenFault::none),
          "a token or a fault");
  if (opened.token == nullptr) return;
  require(signed_part(text) == signed_part(good_token), "only what was signed is verified");
}

void check_claims(std::string_view text) {
  auto value = base::parse_strict_json(text, {.bytes = 4096, .depth = 8});
  if (!value || !value->is_object()) return;
  route::VerifiedToken token;
  token.claims = value->get_object();
  (void)route::check_claims(token, settings(), {});
  for (const auto& [name, claim] : route::texts_of_claims(token)) {
    const bool is_clean = std::ranges::all_of(claim, [](char c) {
      return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) != 0x7f;
    });
    require(is_clean, "a claim's text ends no line");
  }
}

void check_key_set(std::string_view text) {
  std::string error;
  const auto set = net::parse_json_web_keys(text, error);
  require(set.has_value() == error.empty(), "keys or an error");
  if (!set) return;
  require(!set->keys.empty() && set->keys.size() <= net::key_set_keys_max, "some keys, not many");
  // Whatever key it is: it has not signed that.
  for (const net::JsonWebKey& key : set->keys) {
    for (int one = 0; one <= static_cast<int>(net::SignatureAlgorithm::eddsa); ++one) {
      const auto algorithm = static_cast<net::SignatureAlgorithm>(one);
      require(!key.key.verify(algorithm, text, text.substr(0, 64)), "not its signature");
    }
  }
}

void check_base64url(std::string_view text) {
  const std::optional<std::string> octets = base::decode_base64url(text);
  if (octets) require(base::encode_base64url(*octets) == text, "one spelling");
  require(base::decode_base64url(base::encode_base64url(text)) == text, "a round trip");
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // An allocation that ends with the text: the sanitizer sees any read beyond.
  const std::vector<char> copy(data, data + size);
  const std::string_view text(copy.data(), copy.size());
  check_token(text);
  // Behind the good token's header, so that what follows is reached.
  check_token(std::string(good_token.substr(0, good_token.find('.') + 1)).append(text));
  check_token(base::encode_base64url(text).append(good_token.substr(good_token.find('.'))));
  check_claims(text);
  check_key_set(text);
  check_base64url(text);
  return 0;
}
