#include "sluice/base/sip_hash.h"

#include <bit>
#include <cstddef>
#include <cstring>
#include <random>

namespace sluice::base {

namespace {

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void take(std::uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
  [[nodiscard]] std::uint64_t give() {
    for (int i = 0; i < 4; ++i) round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

// Up to eight bytes, the first one lowest.
std::uint64_t load(const char* at, std::size_t count) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < count; ++i) {
    word |= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
  }
  return word;
}

}  // namespace

SipKey SipKey::random() {
  std::random_device device;
  const auto word = [&device] {
    return (static_cast<std::uint64_t>(device()) << 32) | static_cast<std::uint64_t>(device());
  };
  SipKey key;
  key.first = word();
  key.second = word();
  return key;
}

Hash128 sip_hash(const SipKey& key, std::string_view text) {
  State state{key.first ^ 0x736f6d6570736575U, key.second ^ 0x646f72616e646f6dU ^ 0xeeU,
              key.first ^ 0x6c7967656e657261U, key.second ^ 0x7465646279746573U};
  const char* at = text.data();
  std::size_t left = text.size();
  for (; left >= 8; at += 8, left -= 8) state.take(load(at, 8));
  state.take(load(at, left) | static_cast<std::uint64_t>(text.size()) << 56);
  state.v2 ^= 0xeeU;
  Hash128 hash;
  hash.low = state.give();
  state.v1 ^= 0xddU;
  hash.high = state.give();
  return hash;
}

}  // namespace sluice::base
