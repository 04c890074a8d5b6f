// What the fuzz targets share: a property that must hold, and cuts that depend on the input alone,
// so that a kept input fails again in the same way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace sluice::fuzz {

inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "property violated: %s\n", property);
  std::abort();
}

// FNV-1a: any function of all bytes will do.
inline std::uint64_t digest(std::string_view text) {
  std::uint64_t value = 14695981039346656037U;
  for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211U;
  return value;
}

// Up to seven positions in [0, size], ascending.
inline std::vector<std::size_t> some_cuts(std::uint64_t seed, std::size_t size) {
  std::vector<std::size_t> cuts;
  for (std::uint64_t count = seed % 8; count > 0; --count) {
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    cuts.push_back(static_cast<std::size_t>((seed >> 33) % (size + 1)));
  }
  std::ranges::sort(cuts);
  return cuts;
}

}  // namespace sluice::fuzz
