#include "sluice/base/hash.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <string>

namespace sluice::base {
namespace {

// Instances of different versions must choose alike: these values never change.
TEST(Hash, it_is_the_same_in_every_process_and_version) {
  EXPECT_EQ(hash(""), 17280346270528514342U);
  EXPECT_EQ(hash("a"), 9413272369427828315U);
  EXPECT_EQ(hash("10.0.1.11:8080"), 12651803095256246659U);
}

TEST(Hash, bytes_above_ascii_count_as_they_are) {
  EXPECT_NE(hash("\xff"), hash("\x7f"));
  EXPECT_NE(hash(std::string_view("\0", 1)), hash(""));
}

// Flips every bit of texts that differ little, and counts how often each bit of the result follows.
TEST(Hash, every_bit_of_the_text_moves_about_half_of_the_result) {
  constexpr int texts = 256;
  std::array<int, 64> flips{};
  int trials = 0;
  for (int i = 0; i < texts; ++i) {
    const std::string text = "user-" + std::to_string(i);
    for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
      std::string other = text;
      other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
      const std::uint64_t changed = hash(text) ^ hash(other);
      EXPECT_GE(std::popcount(changed), 8) << text << " bit " << bit;
      for (std::size_t out = 0; out < 64; ++out) flips[out] += (changed >> out) & 1 ? 1 : 0;
      ++trials;
    }
  }
  for (const int count : flips) {
    EXPECT_GT(count, trials * 45 / 100);
    EXPECT_LT(count, trials * 55 / 100);
  }
}

TEST(Hash, numbered_keys_spread_evenly_by_their_upper_and_by_their_lower_bits) {
  constexpr int keys = 64'000;
  std::array<int, 64> by_upper{};
  std::array<int, 64> by_lower{};
  for (int i = 0; i < keys; ++i) {
    const std::uint64_t value = hash(std::to_string(i));
    ++by_upper[value >> 58];
    ++by_lower[value & 63];
  }
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_NEAR(by_upper[i], keys / 64, 200);  // more than six standard deviations
    EXPECT_NEAR(by_lower[i], keys / 64, 200);
  }
}

}  // namespace
}  // namespace sluice::base
