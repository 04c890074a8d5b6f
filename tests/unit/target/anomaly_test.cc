#include "sluice/target/anomaly.h"

#include "unit/target/target_support.h"

namespace sluice::target::testing {
namespace {

// Targets whose requests and errors of an interval the test names.
struct Mitigated {
  explicit Mitigated(std::size_t size) : set(healthy_set(std::vector<std::uint32_t>(size, 1))) {
    EXPECT_FALSE(mitigation.advance(set, now));
  }

  void count(std::size_t i, std::uint64_t requests, std::uint64_t errors) {
    set.members[i].target->total_requests += requests;
    set.members[i].target->total_errors += errors;
  }
  // An interval in which each target had 100 requests and these errors.
  bool interval(const std::vector<std::uint64_t>& errors) {
    for (std::size_t i = 0; i < errors.size(); ++i) count(i, 100, errors[i]);
    return judge();
  }
  bool judge() {
    now += AnomalyMitigation::interval;
    return mitigation.advance(set, now);
  }
  [[nodiscard]] std::vector<std::uint32_t> shares() const {
    std::vector<std::uint32_t> found;
    for (const TargetSet::Member& member : set.members) found.push_back(member.target->share);
    return found;
  }

  TargetSet set;
  AnomalyMitigation mitigation;
  base::SteadyTime now{1000s};
};

using Shares = std::vector<std::uint32_t>;
const Shares nobody = {1000, 1000, 1000};

TEST(AnomalyMitigation, a_target_whose_errors_stand_out_gets_the_least_share_at_once) {
  Mitigated group(3);
  EXPECT_TRUE(group.interval({0, 50, 0}));
  EXPECT_EQ(group.shares(), (Shares{1000, 100, 1000}));
}

TEST(AnomalyMitigation, the_limit_is_twice_the_mean_of_the_peers_and_five_points) {
  Mitigated group(3);
  // Peers have 10 % in the mean.
  EXPECT_FALSE(group.interval({25, 5, 15}));
  EXPECT_EQ(group.shares(), nobody);
  EXPECT_TRUE(group.interval({26, 5, 15}));
  EXPECT_EQ(group.shares(), (Shares{100, 1000, 1000}));
}

TEST(AnomalyMitigation, a_few_errors_among_targets_without_any_are_chance) {
  Mitigated group(3);
  EXPECT_FALSE(group.interval({5, 0, 0}));
  EXPECT_EQ(group.shares(), nobody);
}

TEST(AnomalyMitigation, errors_that_all_have_are_nobodys_anomaly) {
  Mitigated group(3);
  EXPECT_FALSE(group.interval({90, 100, 95}));
  EXPECT_EQ(group.shares(), nobody);
}

TEST(AnomalyMitigation, the_share_comes_back_step_by_step) {
  Mitigated group(3);
  ASSERT_TRUE(group.interval({50, 0, 0}));
  for (const std::uint32_t share : {250u, 400u, 550u, 700u, 850u, 1000u}) {
    EXPECT_TRUE(group.interval({0, 0, 0}));
    EXPECT_EQ(group.shares(), (Shares{share, 1000, 1000}));
  }
  EXPECT_FALSE(group.interval({0, 0, 0}));
}

TEST(AnomalyMitigation, a_relapse_is_cut_to_the_least_share_again) {
  Mitigated group(3);
  ASSERT_TRUE(group.interval({50, 0, 0}));
  ASSERT_TRUE(group.interval({0, 0, 0}));
  ASSERT_TRUE(group.interval({50, 0, 0}));
  EXPECT_EQ(group.shares(), (Shares{100, 1000, 1000}));
  EXPECT_FALSE(group.interval({50, 0, 0}));
}

TEST(AnomalyMitigation, too_few_requests_say_nothing_about_a_target) {
  Mitigated group(3);
  group.count(0, 19, 19);
  EXPECT_FALSE(group.interval({}));
  for (std::size_t i = 0; i < 3; ++i) group.count(i, 20, i == 0 ? 20 : 0);
  EXPECT_TRUE(group.judge());
  EXPECT_EQ(group.shares(), (Shares{100, 1000, 1000}));
}

TEST(AnomalyMitigation, a_target_without_peers_to_compare_with_is_not_judged) {
  Mitigated group(3);
  group.count(0, 100, 100);
  EXPECT_FALSE(group.judge());
}

TEST(AnomalyMitigation, fewer_than_three_healthy_targets_are_not_compared) {
  Mitigated two(2);
  EXPECT_FALSE(two.interval({100, 0}));
  Mitigated three(3);
  three.set.members[2].target->state = State::unhealthy;
  EXPECT_FALSE(three.interval({100, 0, 0}));
  EXPECT_EQ(three.shares(), nobody);
}

TEST(AnomalyMitigation, nothing_is_judged_before_the_interval_has_passed) {
  Mitigated group(3);
  for (std::size_t i = 0; i < 3; ++i) group.count(i, 100, i == 0 ? 50 : 0);
  EXPECT_FALSE(group.mitigation.advance(group.set, group.now + 4999ms));
  EXPECT_EQ(group.shares(), nobody);
  EXPECT_TRUE(group.mitigation.advance(group.set, group.now + 5000ms));
}

TEST(AnomalyMitigation, what_was_counted_before_it_was_switched_on_does_not_matter) {
  TargetSet set = healthy_set({1, 1, 1});
  for (const TargetSet::Member& member : set.members) member.target->total_requests = 1000;
  set.members[0].target->total_errors = 1000;
  AnomalyMitigation mitigation;
  EXPECT_FALSE(mitigation.advance(set, base::SteadyTime{1000s}));
  for (const TargetSet::Member& member : set.members) member.target->total_requests += 100;
  EXPECT_FALSE(mitigation.advance(set, base::SteadyTime{1005s}));
}

TEST(AnomalyMitigation, a_target_that_left_and_comes_back_begins_anew) {
  Mitigated group(4);
  const TargetSet all = group.set;
  group.set.members.pop_back();
  ASSERT_FALSE(group.interval({0, 0, 0}));
  all.members[3].target->total_requests += 100;
  all.members[3].target->total_errors += 100;
  group.set = all;
  EXPECT_FALSE(group.interval({0, 0, 0, 0}));
  EXPECT_TRUE(group.interval({0, 0, 0, 50}));
}

TEST(AnomalyMitigation, a_new_target_at_the_address_of_one_that_has_gone_begins_anew) {
  Mitigated group(3);
  ASSERT_FALSE(group.interval({0, 0, 0}));
  // What a new object in the old one's memory looks like; it is no peer yet.
  group.set.members[1].target->total_requests = 40;
  group.count(0, 100, 100);
  EXPECT_FALSE(group.judge());
}

TEST(AnomalyMitigation, switched_off_everybody_has_the_full_share_again) {
  Mitigated group(3);
  EXPECT_FALSE(AnomalyMitigation::release(group.set));
  ASSERT_TRUE(group.interval({50, 0, 0}));
  EXPECT_TRUE(AnomalyMitigation::release(group.set));
  EXPECT_EQ(group.shares(), nobody);
}

}  // namespace
}  // namespace sluice::target::testing
