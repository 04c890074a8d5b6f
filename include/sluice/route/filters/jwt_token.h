// Reading and verifying a token: compact JWS only (RFC 7515 7.1), with claims (RFC 7519 4.1).
//
// Plain functions on bytes, any thread. `open_token` does what stays true of a token under one set
// of keys: its form and its signature. `check_claims` does what depends on the time and on the
// filter's settings. A token has passed when both say `none`.
#pragma once

#include <boost/json/object.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/net/json_web_key.h"
#include "sluice/route/filters/jwt.h"

namespace sluice::route {

enum class TokenFault : std::uint8_t {
  none,
  malformed,    // not three parts of base64url with JSON objects, too deep, doubled names, `crit`
  algorithm,    // `none`, HS256, unknown, or not among the filter's
  unknown_key,  // no key of the set has that `kid` and suits the algorithm
  signature,    // wrong
  expired,
  not_yet_valid,  // `nbf` or `iat` are in the future
  issuer,
  audience,
  claims,  // a required one is missing or has another value, or `exp` is missing
};

struct VerifiedToken {
  net::SignatureAlgorithm algorithm{};
  boost::json::object claims;
  std::optional<std::int64_t> expires;  // `exp`, `nbf`, `iat` in seconds since 1970
  std::optional<std::int64_t> not_before;
  std::optional<std::int64_t> issued_at;
};

struct OpenedToken {
  std::shared_ptr<const VerifiedToken> token;  // null unless `fault` is none
  TokenFault fault = TokenFault::none;
  // More of a newer set might verify it: `unknown_key`, or a wrong signature without a `kid`.
  bool may_have_newer_key = false;
  std::string detail;  // for the log, printable; never a part of the token that could be used
};

// `text` is at most Jwt::token_bytes long. Tries at most four keys.
[[nodiscard]] OpenedToken open_token(std::string_view text, const net::JsonWebKeySet& keys,
                                     const std::vector<net::SignatureAlgorithm>& algorithms);

[[nodiscard]] TokenFault check_claims(const VerifiedToken& token, const Jwt& settings,
                                      base::WallTime now);

// A text, number or truth value as text; an array of them with commas between. Nothing for objects,
// null, arrays with any of those or with a text that has a comma, and texts that no field could
// carry (control bytes).
[[nodiscard]] std::optional<std::string> text_of_claim(const boost::json::value& value);

// All claims of which text_of_claim makes something.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> texts_of_claims(
    const VerifiedToken& token);

}  // namespace sluice::route
