// jwt: { jwks: { url: https://idp.example/keys }, issuer: https://idp.example, audience: shop } -
// a token that one of these keys has signed, or 401.
#include "sluice/route/filters/jwt.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "route/conditions/values.h"
#include "route/filters/free_header.h"
#include "route/filters/jwt_key_settings.h"
#include "route/filters/readers.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;
using namespace std::chrono_literals;

constexpr std::size_t text_bytes_max = 256;  // as ALB
constexpr std::size_t values_max = 32;
constexpr std::size_t claims_max = 16;

std::vector<std::string> read_texts(const Node& node, Problems& problems) {
  const auto parse = [&](const Node& item, const std::string& text) -> std::optional<std::string> {
    if (!text.empty() && text.size() <= text_bytes_max) return text;
    item.error("must have 1 to " + std::to_string(text_bytes_max) + " bytes", problems);
    return std::nullopt;
  };
  auto values = read_values<std::string>(node, parse, problems);
  if (values.size() > values_max) {
    node.error("must have at most " + std::to_string(values_max) + " values", problems);
  }
  return values;
}

void read_place(const Node& node, Jwt& jwt, Problems& problems) {
  constexpr const char* wanted =
      "must be authorization, { header: NAME }, { cookie: NAME } or { query: NAME }, not ";
  if (node.kind() == Node::Kind::scalar) {
    if (node.as_string(problems) != "authorization") node.error(wanted + node.quoted(), problems);
    return;
  }
  const std::vector<std::string> keys = node.keys();
  if (node.kind() != Node::Kind::mapping || keys.size() != 1) {
    node.error(wanted + node.quoted(), problems);
    return;
  }
  node.allow_keys({"header", "cookie", "query"}, problems);
  const auto value = node.get(keys.front());
  const auto name = value ? value->as_string(problems) : std::nullopt;
  if (!name) return;
  jwt.place_name = *name;
  if (keys.front() == "header") {
    jwt.place = TokenPlace::header;
    if (!is_free_header(*name)) value->error(header_wanted + value->quoted(), problems);
    return;
  }
  jwt.place = keys.front() == "cookie" ? TokenPlace::cookie : TokenPlace::query;
  if (!is_name(*name, "-_.")) {
    value->error("must be a name of letters, digits, '-', '_' and '.', not " + value->quoted(),
                 problems);
  }
}

void read_algorithms(const Node& node, Jwt& jwt, Problems& problems) {
  const auto parse = [&](const Node& item, const std::string& text) {
    const auto algorithm = net::signature_algorithm(text);
    if (!algorithm) {
      item.error(
          "must be one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and "
          "EdDSA, not " +
              item.quoted(),
          problems);
    }
    return algorithm;
  };
  // `algorithms:` with nothing behind it is a mistake, not every algorithm.
  if (node.kind() == Node::Kind::mapping) {
    node.error("needs at least one algorithm", problems);
    return;
  }
  jwt.algorithms = read_values<net::SignatureAlgorithm>(node, parse, problems);
}

void read_claim(const std::string& name, const Node& node, Jwt& jwt, Problems& problems) {
  RequiredClaim claim{.name = name};
  if (node.kind() != Node::Kind::mapping) {
    claim.values = read_texts(node, problems);
    jwt.claims.push_back(std::move(claim));
    return;
  }
  node.allow_keys({"values", "format", "match"}, problems);
  const auto values = node.get("values");
  if (!values) {
    node.error("needs values, such as { values: [read], format: space_separated }", problems);
    return;
  }
  claim.values = read_texts(*values, problems);
  if (const auto format = node.get("format")) {
    using Format = RequiredClaim::Format;
    constexpr std::array formats{Format::any, Format::string, Format::array,
                                 Format::space_separated};
    const auto index = format->as_choice({"any", "string", "array", "space_separated"}, problems);
    if (index) claim.format = formats[*index];
  }
  if (const auto match = node.get("match")) {
    claim.all = match->as_choice({"any", "all"}, problems) == std::size_t{1};
  }
  jwt.claims.push_back(std::move(claim));
}

void read_claims(const Node& node, Jwt& jwt, Problems& problems) {
  const std::vector<std::string> names = node.keys();
  if (node.kind() != Node::Kind::mapping || names.empty() || names.size() > claims_max) {
    node.error("must be a mapping of at most " + std::to_string(claims_max) +
                   " claims to their values, such as { tenant: [blue, green] }",
               problems);
    return;
  }
  for (const std::string& name : names) {
    if (const auto value = node.get(name)) {
      read_claim(name, *value, jwt, problems);
    } else {
      node.error("needs a value for the claim '" + name + "'", problems);
    }
  }
}

void read_headers(const Node& node, Jwt& jwt, Problems& problems) {
  const std::vector<std::string> names = node.keys();
  if (node.kind() != Node::Kind::mapping || names.size() > claims_max) {
    node.error("must be a mapping of at most " + std::to_string(claims_max) +
                   " claims to headers, such as { sub: X-User }",
               problems);
    return;
  }
  for (const std::string& name : names) {
    const auto value = node.get(name);
    const auto header = value ? value->as_string(problems) : std::nullopt;
    if (!header) continue;
    const bool is_taken = std::ranges::any_of(jwt.headers, [&](const ClaimHeader& one) {
      return base::equals_ignoring_case(one.header, *header);
    });
    if (!is_free_header(*header)) {
      value->error(header_wanted + value->quoted(), problems);
    } else if (is_taken) {
      value->error("is the header of another claim too", problems);
    } else {
      jwt.headers.push_back({name, *header});
    }
  }
}

void read_issuer_and_audience(const Node& node, Jwt& jwt, Problems& problems) {
  if (const auto issuer = node.get("issuer")) {
    jwt.issuers = read_texts(*issuer, problems);
  } else {
    node.error("needs issuer: what the claim iss of its tokens says", problems);
  }
  if (const auto audience = node.get("audience")) {
    jwt.audiences = read_texts(*audience, problems);
  } else {
    node.warning("has no audience: tokens that the issuer made for anybody else pass too",
                 problems);
  }
}

}  // namespace

void read_jwt(const config::Node& value, Filters& filters, const FilterContext& context,
              config::Problems& problems) {
  if (value.kind() != Node::Kind::mapping || value.keys().empty()) {
    value.error("must be a mapping with jwks and issuer, not " + value.quoted(), problems);
    return;
  }
  Problems found;
  value.allow_keys({"jwks", "issuer", "audience", "algorithms", "leeway", "token", "token_bytes",
                    "claims", "claims_to_headers", "forward_token", "cache", "waiting"},
                   found);
  Jwt jwt;
  std::shared_ptr<KeySource> former;
  if (context.former != nullptr && context.former->jwt != nullptr) {
    former = context.former->jwt->keys;
  }
  if (const auto jwks = value.get("jwks")) {
    jwt.keys = read_key_source(*jwks, former, found);
  } else {
    value.error("needs jwks: { file: F } or { url: https://... }", found);
  }
  read_issuer_and_audience(value, jwt, found);
  // Empty ones are seen here, too: nobody writes them to ask for nothing.
  if (const auto given = value.get_section("algorithms")) read_algorithms(*given, jwt, found);
  if (const auto given = value.get("leeway")) {
    const auto leeway = given->as_duration(0ms, 5min, found);
    if (leeway) jwt.leeway = std::chrono::ceil<std::chrono::seconds>(*leeway);
  }
  if (const auto given = value.get("token")) read_place(*given, jwt, found);
  if (const auto given = value.get("token_bytes")) {
    jwt.token_bytes = given->as_size(256, 64 * 1024, found).value_or(jwt.token_bytes);
  }
  if (const auto given = value.get_section("claims")) read_claims(*given, jwt, found);
  if (const auto given = value.get("claims_to_headers")) read_headers(*given, jwt, found);
  if (const auto given = value.get("forward_token")) {
    jwt.forward_token = given->as_bool(found).value_or(true);
  }
  if (const auto given = value.get("cache")) {
    const auto entries = given->as_integer(0, 1'000'000, found);
    if (entries) jwt.cache = static_cast<std::uint32_t>(*entries);
  }
  if (const auto given = value.get("waiting")) {
    const auto requests = given->as_integer(0, 100'000, found);
    if (requests) jwt.waiting = static_cast<std::uint32_t>(*requests);
  }
  problems.add(found, "");
  if (!found.has_errors()) filters.jwt = std::make_shared<const Jwt>(std::move(jwt));
}

}  // namespace sluice::route
