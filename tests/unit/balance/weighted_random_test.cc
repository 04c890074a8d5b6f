#include "unit/balance/balance_support.h"

namespace sluice::balance::testing {
namespace {

TEST(WeightedRandom, shares_follow_the_weights_and_nothing_else) {
  const std::vector<std::uint32_t> weights{100, 50, 25, 75, 250};
  Subject subject("weighted_random", weights);
  subject.add_active(0, 1'000);
  expect_shares(subject.count(100'000), weights, 0.03);
}

TEST(WeightedRandom, a_pick_says_nothing_about_the_next) {
  Subject subject("weighted_random", {1, 1});
  std::size_t repeated = 0;
  std::size_t former = subject.pick().value();
  for (int i = 0; i < 100'000; ++i) {
    const std::size_t picked = subject.pick().value();
    if (picked == former) ++repeated;
    former = picked;
  }
  EXPECT_NEAR(static_cast<double>(repeated), 50'000, 1'000);
}

// Drawing again until a member may be drawn must not favour anybody, nor may looking it up.
TEST(WeightedRandom, exclusions_do_not_shift_the_odds_of_the_others) {
  for (const std::uint32_t heavy : {1U, 30U, 99'900U}) {
    const std::vector<std::uint32_t> weights{4, heavy, 8, 12};
    Subject subject("weighted_random", weights);
    const auto counts = subject.count(100'000, {subject.member(1)});
    EXPECT_EQ(counts[1], 0u);
    expect_shares({counts[0], counts[2], counts[3]}, {4, 8, 12});
  }
}

TEST(WeightedRandom, every_count_of_members_is_spread_by_weight) {
  for (std::uint32_t n = 2; n <= 9; ++n) {
    std::vector<std::uint32_t> weights(n);
    std::iota(weights.begin(), weights.end(), 3);
    Subject subject("weighted_random", weights, n);
    expect_shares(subject.count(100'000), weights, 0.05);
  }
}

}  // namespace
}  // namespace sluice::balance::testing
