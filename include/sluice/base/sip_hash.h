// A keyed hash of 128 bits: SipHash-2-4 (Aumasson, Bernstein 2012) in its wide form.
//
// Who does not know the key can neither choose texts that collide nor find out a text that is
// hashed (T19): fit to stand for a text in a table that strangers fill. Plain values; any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::base {

struct SipKey {
  std::uint64_t first = 0;
  std::uint64_t second = 0;

  // From the system's source of randomness.
  [[nodiscard]] static SipKey random();
};

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  friend bool operator==(const Hash128&, const Hash128&) = default;
};

[[nodiscard]] Hash128 sip_hash(const SipKey& key, std::string_view text);

}  // namespace sluice::base
