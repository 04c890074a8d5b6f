#include "sluice/proxy/random.h"

#include <bit>
#include <random>

namespace sluice::proxy {

Random::Random() {
  std::random_device device;
  for (std::uint64_t& word : state_) {
    word = (static_cast<std::uint64_t>(device()) << 32) | device();
  }
  state_[0] |= 1;  // all zero is the one state that never leaves itself
}

std::uint64_t Random::next() {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

}  // namespace sluice::proxy
