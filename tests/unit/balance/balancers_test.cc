// What holds for every algorithm of the table.
#include <algorithm>
#include <filesystem>

#include "unit/balance/balance_support.h"

namespace sluice::balance::testing {
namespace {

class EveryBalancer : public ::testing::TestWithParam<std::string_view> {};

INSTANTIATE_TEST_SUITE_P(Balancers, EveryBalancer, ::testing::ValuesIn(balancer_names()),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(EveryBalancer, it_has_the_test_named_after_it) {
  EXPECT_TRUE(
      std::filesystem::exists(std::filesystem::path(SLUICE_SOURCE_ROOT) / "tests/unit/balance" /
                              (std::string(GetParam()) + "_test.cc")));
}

TEST_P(EveryBalancer, members_of_equal_weight_share_the_work) {
  constexpr std::size_t rounds = 10'000;
  Subject subject(GetParam(), {1, 1, 1, 1});
  for (const std::size_t count : subject.count(4 * rounds)) {
    EXPECT_GT(count, rounds * 9 / 10);
    EXPECT_LT(count, rounds * 11 / 10);
  }
}

TEST_P(EveryBalancer, an_empty_set_gives_nothing) {
  Subject subject(GetParam(), {});
  EXPECT_EQ(subject.pick(), std::nullopt);
}

TEST_P(EveryBalancer, a_single_member_takes_all) {
  Subject subject(GetParam(), {3});
  EXPECT_EQ(subject.count(100), std::vector<std::size_t>{100});
}

TEST_P(EveryBalancer, a_weight_of_zero_is_never_picked) {
  Subject subject(GetParam(), {1, 0, 1, 0});
  const auto counts = subject.count(1'000);
  EXPECT_EQ(counts[1] + counts[3], 0u);
  EXPECT_EQ(counts[0] + counts[2], 1'000u);
}

TEST_P(EveryBalancer, weights_of_zero_alone_give_nothing) {
  Subject subject(GetParam(), {0, 0});
  EXPECT_EQ(subject.pick(), std::nullopt);
}

TEST_P(EveryBalancer, requests_that_take_no_time_are_spread_by_the_weights) {
  Subject subject(GetParam(), {2, 3, 5});
  expect_shares(subject.count(100'000), {2, 3, 5});
}

TEST_P(EveryBalancer, many_requests_at_a_time_are_spread_by_the_weights) {
  Subject subject(GetParam(), {2, 3, 5});
  (void)subject.count_under_way(2'000, 2'000);
  expect_shares(subject.count_under_way(100'000, 2'000), {2, 3, 5});
}

// As in slow start, where weights are hundredfold.
TEST_P(EveryBalancer, the_greatest_weights_are_kept_too) {
  Subject subject(GetParam(), {99'900, 49'950, 49'950, 1});
  const auto counts = subject.count(100'000);
  EXPECT_LT(counts[3], 10u);
  expect_shares({counts[0], counts[1], counts[2]}, {2, 1, 1});
}

TEST_P(EveryBalancer, what_an_excluded_member_would_get_goes_to_the_others_by_weight) {
  Subject subject(GetParam(), {2, 40, 3, 5});
  const auto counts = subject.count(100'000, {subject.member(1)});
  expect_shares({counts[0], counts[2], counts[3]}, {2, 3, 5});
}

TEST_P(EveryBalancer, a_thousand_members_all_get_work) {
  Subject subject(GetParam(), std::vector<std::uint32_t>(1'000, 999));
  for (const std::size_t count : subject.count_under_way(100'000, 5'000)) {
    ASSERT_GT(count, 50u);
    ASSERT_LT(count, 150u);
  }
}

TEST_P(EveryBalancer, any_number_of_members_may_be_excluded) {
  Subject subject(GetParam(), {7, 1, 1, 3, 900, 1, 2});
  std::vector<const target::Target*> excluded;
  for (std::size_t left = 7; left > 0; --left) {
    const auto picked = subject.pick(excluded);
    ASSERT_TRUE(picked.has_value());
    ASSERT_EQ(std::ranges::find(excluded, subject.member(*picked)), excluded.end());
    excluded.push_back(subject.member(*picked));
  }
  EXPECT_EQ(subject.pick(excluded), std::nullopt);
  EXPECT_TRUE(subject.pick().has_value());
}

TEST_P(EveryBalancer, excluded_members_are_not_picked) {
  Subject subject(GetParam(), {1, 5, 1});
  const auto counts = subject.count(1'000, {subject.member(1)});
  EXPECT_EQ(counts[1], 0u);
  EXPECT_GT(counts[0], 0u);
  EXPECT_GT(counts[2], 0u);
}

TEST_P(EveryBalancer, when_all_are_excluded_there_is_nothing_to_pick_and_nothing_lost) {
  Subject subject(GetParam(), {1, 2});
  EXPECT_EQ(subject.pick({subject.member(1), subject.member(0)}), std::nullopt);
  EXPECT_TRUE(subject.pick().has_value());
}

TEST_P(EveryBalancer, a_change_of_the_set_is_followed) {
  Subject subject(GetParam(), {1, 1, 1});
  (void)subject.count(10);
  subject.set.members.erase(subject.set.members.begin());
  subject.balancer->reset(subject.set);
  const auto counts = subject.count(1'000);
  EXPECT_GT(counts[0], 0u);
  EXPECT_GT(counts[1], 0u);
  EXPECT_EQ(counts[0] + counts[1], 1'000u);
}

// Otherwise all workers send their first request after a reload to the same target.
TEST_P(EveryBalancer, workers_do_not_begin_with_the_same_member) {
  std::vector<std::size_t> firsts(4);
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Subject subject(GetParam(), {1, 1, 1, 1}, seed);
    ++firsts.at(subject.pick().value());
  }
  for (const std::size_t count : firsts) EXPECT_GT(count, 50u);
}

TEST(Balancers, an_unknown_name_gives_none) {
  EXPECT_EQ(make_balancer("roundrobin"), nullptr);
  EXPECT_EQ(make_balancer(""), nullptr);
}

TEST(Balancers, the_default_of_the_configuration_is_known) {
  EXPECT_NE(make_balancer(config::TargetGroup{}.algorithm), nullptr);
}

}  // namespace
}  // namespace sluice::balance::testing
