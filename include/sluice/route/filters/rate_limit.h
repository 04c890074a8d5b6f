// rate_limit: how many requests somebody may make, by whatever tells one from the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/route/rate_limiter.h"

namespace sluice::route {

enum class RateLimitKey : std::uint8_t {
  source_ip,
  header,
  cookie,
  rule,   // one bucket for all requests
  claim,  // of the token that the filter jwt has verified
};

struct RateLimit {
  std::string name;  // unique in its list; a label of metrics, and the policy's name for clients
  RateLimitKey key = RateLimitKey::source_ip;
  std::string key_name;  // of header (lower case), cookie or claim
  Rate rate;
  std::uint32_t burst = 1;
  std::uint32_t ipv6_prefix = 64;    // bits of an IPv6 address that tell clients apart, 1..128
  std::uint32_t max_keys = 100'000;  // 1 with RateLimitKey::rule
  bool fields = false;               // RateLimit fields on answers that are no refusals, too
  std::string policy;                // its item in RateLimit-Policy
  // Shared by all workers, and by this and the former configuration when the limit is the same.
  std::shared_ptr<RateLimiter> limiter;

  // Whether the buckets of one mean the same in the other.
  [[nodiscard]] bool counts_like(const RateLimit& other) const {
    return key == other.key && key_name == other.key_name && rate == other.rate &&
           burst == other.burst && ipv6_prefix == other.ipv6_prefix && max_keys == other.max_keys;
  }
};

struct RateLimits {
  std::vector<RateLimit> limits;  // 1..most, all of which must admit a request

  static constexpr std::size_t most = 8;
};

}  // namespace sluice::route
