// A 64-bit hash of a text that is the same in every process and on every machine, for choices that
// several of them must make alike. Not for secrets, and not against somebody who seeks collisions.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::base {

// Every bit of the result depends on every bit of `value`: MurmurHash3's finalizer.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t value) {
  value = (value ^ (value >> 33)) * 0xff51afd7ed558ccdU;
  value = (value ^ (value >> 33)) * 0xc4ceb9fe1a85ec53U;
  return value ^ (value >> 33);
}

// FNV-1a, mixed, for by itself it leaves the upper bits of short texts nearly alone.
[[nodiscard]] constexpr std::uint64_t hash(std::string_view text) {
  std::uint64_t value = 0xcbf29ce484222325U;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return mix(value);
}

}  // namespace sluice::base
