// Random bits for choosing and for identifiers: fast, seeded from the system, never for secrets.
//
// xoshiro256** (Blackman, Vigna 2018). One per worker, one thread.
#pragma once

#include <array>
#include <cstdint>

namespace sluice::proxy {

class Random {
 public:
  Random();
  [[nodiscard]] std::uint64_t next();

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace sluice::proxy
