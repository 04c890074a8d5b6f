#include <algorithm>
#include <numeric>

#include "unit/balance/balance_support.h"

namespace sluice::balance::testing {
namespace {

const std::vector<std::vector<std::uint32_t>> weight_lists = {
    {1},
    {1, 1},
    {1, 1, 1, 1, 1},
    {5, 1, 1},
    {2, 3},
    {10, 20, 30},
    {999, 1},
    {1, 999, 37},
    {7, 0, 3, 0, 11},
    {4, 4, 4},
    {6, 10, 15},
    {1, 2, 3, 4, 5, 6, 7, 8, 9},
    {998, 999},
    {100, 1, 1, 1, 1, 1, 1, 1, 1, 1},
};

std::uint32_t greatest_common_divisor(const std::vector<std::uint32_t>& weights) {
  return std::accumulate(weights.begin(), weights.end(), 0u,
                         [](std::uint32_t a, std::uint32_t b) { return std::gcd(a, b); });
}

// A round is as many picks as the weights in lowest terms add up to.
TEST(RoundRobin, every_round_is_distributed_exactly_wherever_it_begins) {
  for (const auto& weights : weight_lists) {
    const std::uint32_t divisor = greatest_common_divisor(weights);
    const std::size_t round = std::accumulate(weights.begin(), weights.end(), 0u) / divisor;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Subject subject("round_robin", weights, seed);
      (void)subject.count(seed % round);
      for (int i = 0; i < 3; ++i) {
        const auto counts = subject.count(round);
        for (std::size_t m = 0; m < weights.size(); ++m) {
          ASSERT_EQ(counts[m], weights[m] / divisor) << "member " << m << " of " << weights.size();
        }
      }
    }
  }
}

TEST(RoundRobin, equal_weights_follow_each_other_in_order) {
  Subject subject("round_robin", {4, 4, 4});
  const std::size_t first = subject.pick().value();
  for (std::size_t i = 1; i < 12; ++i) EXPECT_EQ(subject.pick(), (first + i) % 3);
}

// A heavy member's turns are spread over the round, not served in one go.
TEST(RoundRobin, a_heavy_member_never_has_more_turns_in_a_row_than_it_must) {
  for (const auto& [weights, most] : {std::pair{std::vector<std::uint32_t>{5, 1, 1}, 3},
                                      std::pair{std::vector<std::uint32_t>{2, 1, 1, 1}, 1},
                                      std::pair{std::vector<std::uint32_t>{50, 25, 25}, 1}}) {
    Subject subject("round_robin", weights);
    int in_a_row = 0;
    for (int i = 0; i < 1'000; ++i) {
      in_a_row = subject.pick() == 0u ? in_a_row + 1 : 0;
      ASSERT_LE(in_a_row, most) << "weight " << weights[0];
    }
  }
}

TEST(RoundRobin, an_excluded_member_keeps_its_turn) {
  Subject subject("round_robin", {1, 1, 1});
  const std::size_t first = subject.pick().value();
  const std::size_t second = (first + 1) % 3;
  const std::size_t third = (first + 2) % 3;
  EXPECT_EQ(subject.pick({subject.member(second)}), third);
  EXPECT_EQ(subject.pick(), second);
  EXPECT_EQ(subject.pick(), first);
}

TEST(RoundRobin, exclusions_now_and_then_do_not_change_the_shares) {
  Subject subject("round_robin", {3, 2, 1});
  std::vector<std::size_t> counts(3);
  std::mt19937_64 random(7);
  for (int i = 0; i < 6'000; ++i) {
    std::vector<const target::Target*> excluded;
    if (i % 10 == 0) excluded.push_back(subject.member(random() % 3));
    ++counts.at(subject.pick(excluded).value());
  }
  EXPECT_NEAR(static_cast<double>(counts[0]), 3'000, 5);
  EXPECT_NEAR(static_cast<double>(counts[1]), 2'000, 5);
  EXPECT_NEAR(static_cast<double>(counts[2]), 1'000, 5);
}

TEST(RoundRobin, a_member_that_was_excluded_for_long_is_not_flooded) {
  Subject subject("round_robin", {1, 1, 1});
  (void)subject.count(10'000, {subject.member(1)});
  EXPECT_LE(subject.count(30)[1], 11u);
}

TEST(RoundRobin, the_first_pick_follows_the_weights_however_often_the_set_changes) {
  std::vector<std::size_t> firsts(2);
  for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
    Subject subject("round_robin", {99, 1}, seed);
    ++firsts.at(subject.pick().value());
  }
  EXPECT_LT(firsts[1], 50u);
}

TEST(RoundRobin, a_thousand_targets_are_one_round) {
  Subject subject("round_robin", std::vector<std::uint32_t>(1'000, 1));
  for (const std::size_t count : subject.count(1'000)) ASSERT_EQ(count, 1u);
}

}  // namespace
}  // namespace sluice::balance::testing
