#include "balance/tournament.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace sluice::balance::testing {
namespace {

TEST(Tournament, without_keys_nobody_wins) {
  Tournament tournament;
  EXPECT_EQ(tournament.winner(), std::nullopt);
  tournament.reset(0);
  EXPECT_EQ(tournament.winner(), std::nullopt);
  tournament.reset(3);
  EXPECT_EQ(tournament.winner(), std::nullopt);
}

TEST(Tournament, equal_keys_are_decided_by_the_second_and_then_by_the_entry) {
  Tournament tournament;
  tournament.reset(3);
  tournament.set(2, {.first = 1, .second = 5});
  tournament.set(1, {.first = 1, .second = 5});
  EXPECT_EQ(tournament.winner(), 1u);
  tournament.set(2, {.first = 1, .second = 4});
  EXPECT_EQ(tournament.winner(), 2u);
  tournament.set(0, {.first = 0, .second = 9});
  EXPECT_EQ(tournament.winner(), 0u);
}

TEST(Tournament, the_least_key_wins_whatever_the_number_of_entries) {
  std::mt19937_64 random(1);
  for (std::size_t n = 1; n <= 33; ++n) {
    Tournament tournament;
    tournament.reset(n);
    std::vector<double> keys(n, 1'000);
    for (int i = 0; i < 500; ++i) {
      const auto entry = static_cast<std::uint32_t>(random() % n);
      const auto key = static_cast<double>(random() % 100);
      const bool removed = random() % 4 == 0;
      keys[entry] = removed ? 1'000 : key;
      removed ? tournament.remove(entry) : tournament.set(entry, {.first = key, .second = 0});
      const auto least = std::ranges::min_element(keys);
      if (*least == 1'000) {
        ASSERT_EQ(tournament.winner(), std::nullopt);
      } else {
        ASSERT_EQ(tournament.winner(), static_cast<std::uint32_t>(least - keys.begin()));
      }
    }
  }
}

}  // namespace
}  // namespace sluice::balance::testing
