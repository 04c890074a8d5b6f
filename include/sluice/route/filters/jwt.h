// jwt: requests pass with a JSON Web Token (RFC 7519) that one of the given keys has signed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/net/verification_key.h"
#include "sluice/route/filters/jwt_keys.h"

namespace sluice::route {

// Where a request has its token.
enum class TokenPlace : std::uint8_t { authorization, header, cookie, query };

struct RequiredClaim {
  // any: a text or number that is one of `values`, or an array with one of them.
  enum class Format : std::uint8_t { any, string, array, space_separated };

  std::string name;
  std::vector<std::string> values;
  Format format = Format::any;
  bool all = false;  // every one of `values` is needed, not any

  bool operator==(const RequiredClaim&) const = default;
};

struct ClaimHeader {
  std::string claim;
  std::string header;

  bool operator==(const ClaimHeader&) const = default;
};

struct Jwt {
  std::shared_ptr<KeySource> keys;  // never null
  TokenPlace place = TokenPlace::authorization;
  std::string place_name;  // of the header, cookie or parameter
  std::size_t token_bytes = 8192;
  std::vector<net::SignatureAlgorithm> algorithms;  // empty: those of the keys
  std::vector<std::string> issuers;
  std::vector<std::string> audiences;  // empty: not looked at
  std::chrono::seconds leeway{5};
  std::vector<RequiredClaim> claims;
  std::vector<ClaimHeader> headers;
  bool forward_token = true;
  std::uint32_t cache = 10'000;  // verified tokens kept per worker; 0: none
  std::uint32_t waiting = 1000;  // requests per worker that wait for a fetch of keys; 0: none

  bool operator==(const Jwt&) const = default;
};

}  // namespace sluice::route
