#include "sluice/target/eligible.h"

#include "unit/target/target_support.h"

namespace sluice::target::testing {
namespace {

constexpr base::SteadyTime now{1000s};

// Which members of `all` are in `chosen`.
std::vector<std::size_t> indices(const TargetSet& all, const TargetSet& chosen) {
  std::vector<std::size_t> found;
  for (const TargetSet::Member& member : chosen.members) {
    for (std::size_t i = 0; i < all.members.size(); ++i) {
      if (all.members[i].target == member.target) found.push_back(i);
    }
  }
  return found;
}

std::vector<std::uint32_t> weights(const Eligible& chosen) {
  std::vector<std::uint32_t> found;
  for (const TargetSet::Member& member : chosen.set.members) found.push_back(member.weight);
  return found;
}

Target& at(const TargetSet& set, std::size_t i) { return *set.members[i].target; }

Eligible with_fail_open(const TargetSet& set, std::uint32_t count, std::uint32_t percent = 0) {
  return eligible(set, {.fail_open = {count, percent}}, now);
}

void ramp(Target& target, base::SteadyTime since) { target.ramp_began = nanoseconds_of(since); }

using Indices = std::vector<std::size_t>;
using Weights = std::vector<std::uint32_t>;

// --- who --------------------------------------------------------------------------------------

TEST(Eligible, the_healthy_ones_take_work_in_the_order_of_the_set_by_their_weights) {
  const TargetSet set = healthy_set({4, 2, 6});
  const Eligible chosen = eligible(set, {}, now);
  EXPECT_EQ(indices(set, chosen.set), (Indices{0, 1, 2}));
  EXPECT_EQ(weights(chosen), (Weights{4, 2, 6}));
  EXPECT_FALSE(chosen.fails_open);
  EXPECT_EQ(chosen.changes_at, std::nullopt);
}

TEST(Eligible, every_other_state_takes_no_work) {
  const TargetSet set = healthy_set({1, 1, 1, 1, 1});
  at(set, 0).state = State::initial;
  at(set, 1).state = State::unhealthy;
  at(set, 2).state = State::draining;
  at(set, 3).state = State::unused;
  const Eligible chosen = eligible(set, {}, now);
  EXPECT_EQ(indices(set, chosen.set), Indices{4});
  EXPECT_FALSE(chosen.fails_open);
}

TEST(Eligible, ejected_targets_take_no_work_and_probing_ones_are_named_apart) {
  const TargetSet set = healthy_set({1, 1, 1});
  at(set, 0).ejection = Ejection::ejected;
  at(set, 1).ejection = Ejection::probing;
  const Eligible chosen = eligible(set, {}, now);
  EXPECT_EQ(indices(set, chosen.set), Indices{2});
  EXPECT_EQ(chosen.probes, std::vector{set.members[1].target});
}

TEST(Eligible, only_healthy_targets_probe) {
  const TargetSet set = healthy_set({1, 1});
  at(set, 1).ejection = Ejection::probing;
  at(set, 1).state = State::unhealthy;
  EXPECT_TRUE(eligible(set, {}, now).probes.empty());
}

TEST(Eligible, a_weight_of_zero_takes_no_work_whatever_happens) {
  const TargetSet set = healthy_set({1, 0, 0});
  at(set, 2).ejection = Ejection::probing;
  Eligible chosen = eligible(set, {}, now);
  EXPECT_EQ(indices(set, chosen.set), Indices{0});
  EXPECT_TRUE(chosen.probes.empty());
  at(set, 0).state = State::unhealthy;
  chosen = eligible(set, {}, now);
  EXPECT_TRUE(chosen.fails_open);
  EXPECT_EQ(indices(set, chosen.set), Indices{0});
}

// --- failing open -----------------------------------------------------------------------------

TEST(Eligible, it_fails_open_to_all_registered_targets_when_nobody_is_well) {
  const TargetSet set = healthy_set({1, 1, 1, 1, 1, 1});
  at(set, 0).state = State::initial;
  at(set, 1).state = State::unhealthy;
  at(set, 2).state = State::draining;
  at(set, 3).state = State::unused;
  at(set, 4).ejection = Ejection::ejected;
  at(set, 5).ejection = Ejection::probing;
  const Eligible chosen = eligible(set, {}, now);
  EXPECT_TRUE(chosen.fails_open);
  EXPECT_EQ(indices(set, chosen.set), (Indices{0, 1, 3, 4, 5}));
  EXPECT_EQ(chosen.probes, std::vector{set.members[5].target});
}

TEST(Eligible, it_fails_open_below_the_minimum_count) {
  const TargetSet set = healthy_set({1, 1, 1});
  at(set, 0).state = State::unhealthy;
  EXPECT_FALSE(with_fail_open(set, 2).fails_open);
  EXPECT_TRUE(with_fail_open(set, 3).fails_open);
  EXPECT_EQ(with_fail_open(set, 3).set.members.size(), 3u);
}

TEST(Eligible, it_fails_open_below_the_minimum_percentage) {
  const TargetSet set = healthy_set({1, 1, 1, 1});
  at(set, 0).state = State::unhealthy;
  at(set, 1).ejection = Ejection::ejected;
  EXPECT_FALSE(with_fail_open(set, 1, 50).fails_open);
  EXPECT_TRUE(with_fail_open(set, 1, 51).fails_open);
}

TEST(Eligible, a_minimum_beyond_the_size_of_the_group_means_all_of_it) {
  const TargetSet set = healthy_set({1, 1});
  EXPECT_FALSE(with_fail_open(set, 1000).fails_open);
  at(set, 0).state = State::unhealthy;
  EXPECT_TRUE(with_fail_open(set, 1000).fails_open);
}

TEST(Eligible, who_leaves_or_takes_no_work_does_not_count_for_the_percentage) {
  const TargetSet set = healthy_set({1, 0, 1});
  at(set, 2).state = State::draining;
  EXPECT_FALSE(with_fail_open(set, 1, 100).fails_open);
}

TEST(Eligible, an_empty_group_has_nobody_and_does_not_fail_open) {
  const TargetSet nobody;
  EXPECT_FALSE(eligible(nobody, {}, now).fails_open);
  const TargetSet leaving = healthy_set({1});
  at(leaving, 0).state = State::draining;
  const Eligible chosen = with_fail_open(leaving, 1, 100);
  EXPECT_FALSE(chosen.fails_open);
  EXPECT_TRUE(chosen.set.members.empty());
}

TEST(Eligible, failing_open_nobody_has_a_reduced_share) {
  const TargetSet set = healthy_set({3, 1});
  at(set, 0).state = State::unhealthy;
  ramp(at(set, 1), now);
  at(set, 1).share = 100;
  const Eligible chosen = eligible(set, {.fail_open = {2, 0}, .slow_start = 30s}, now);
  ASSERT_TRUE(chosen.fails_open);
  EXPECT_EQ(weights(chosen), (Weights{3, 1}));
  EXPECT_EQ(chosen.changes_at, std::nullopt);
}

// --- slow start -------------------------------------------------------------------------------

TEST(SlowStart, the_share_rises_in_a_straight_line_from_a_tenth) {
  const auto target = make_target();
  EXPECT_EQ(ramp_percent(*target, 90s, now), 100u);
  ramp(*target, now);
  EXPECT_EQ(ramp_percent(*target, 90s, now - 1s), 10u);
  EXPECT_EQ(ramp_percent(*target, 90s, now), 10u);
  EXPECT_EQ(ramp_percent(*target, 90s, now + 1s), 11u);
  EXPECT_EQ(ramp_percent(*target, 90s, now + 45s), 55u);
  EXPECT_EQ(ramp_percent(*target, 90s, now + 89'999ms), 99u);
  EXPECT_EQ(ramp_percent(*target, 90s, now + 90s), 100u);
  EXPECT_EQ(ramp_percent(*target, 90s, now + 1h), 100u);
}

TEST(SlowStart, a_group_without_it_has_no_ramp) {
  const auto target = make_target();
  ramp(*target, now);
  EXPECT_EQ(ramp_percent(*target, 0ms, now), 100u);
}

TEST(SlowStart, weights_of_all_members_are_scaled_alike_and_reduced) {
  const TargetSet set = healthy_set({1, 1, 2});
  ramp(at(set, 0), now);
  EXPECT_EQ(weights(eligible(set, {.slow_start = 90s}, now)), (Weights{1, 10, 20}));
  // 55 : 100 : 200
  EXPECT_EQ(weights(eligible(set, {.slow_start = 90s}, now + 45s)), (Weights{11, 20, 40}));
  EXPECT_EQ(weights(eligible(set, {.slow_start = 90s}, now + 90s)), (Weights{1, 1, 2}));
}

TEST(SlowStart, the_largest_weights_stay_in_range_and_the_smallest_above_zero) {
  const TargetSet set = healthy_set({1, 999});
  ramp(at(set, 0), now);
  at(set, 0).share = 1;
  EXPECT_EQ(weights(eligible(set, {.slow_start = 90s}, now)), (Weights{1, 99'900}));
}

TEST(SlowStart, shares_change_at_the_next_step_of_five_percent) {
  const TargetSet set = healthy_set({1, 1});
  const EligibleSettings settings{.slow_start = 90s};
  ramp(at(set, 0), now);
  EXPECT_EQ(eligible(set, settings, now).changes_at, now + 5s);
  EXPECT_EQ(eligible(set, settings, now + 5s).changes_at, now + 10s);
  EXPECT_EQ(eligible(set, settings, now + 7s).changes_at, now + 10s);
  EXPECT_EQ(eligible(set, settings, now + 86s).changes_at, now + 90s);
  EXPECT_EQ(eligible(set, settings, now + 90s).changes_at, std::nullopt);
}

TEST(SlowStart, following_the_times_of_change_meets_every_step_once) {
  const TargetSet set = healthy_set({1, 1});
  const EligibleSettings settings{.slow_start = 7'003ms};  // no step falls on a round figure
  ramp(at(set, 0), now);
  base::SteadyTime time = now;
  std::vector<std::uint32_t> steps;
  while (const auto next = eligible(set, settings, time).changes_at) {
    ASSERT_GT(*next, time);
    time = *next;
    steps.push_back(ramp_percent(at(set, 0), settings.slow_start, time));
  }
  EXPECT_EQ(steps, (std::vector<std::uint32_t>{15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75,
                                               80, 85, 90, 95, 100}));
}

TEST(SlowStart, the_change_is_that_of_whoever_comes_first_and_a_tenth_of_a_second_away) {
  const TargetSet set = healthy_set({1, 1, 1});
  const EligibleSettings settings{.slow_start = 90s};
  ramp(at(set, 0), now);
  ramp(at(set, 1), now - 2s);
  EXPECT_EQ(eligible(set, settings, now).changes_at, now + 3s);
  EXPECT_EQ(eligible(set, settings, now + 2'950ms).changes_at, now + 3'050ms);
  EXPECT_EQ(eligible(set, {.slow_start = 1s}, now).changes_at, now + 100ms);
}

TEST(SlowStart, a_target_ramps_only_beside_one_that_is_well_and_does_not_ramp) {
  const TargetSet set = healthy_set({1, 1});
  EXPECT_TRUE(begins_ramp(set, at(set, 0), 90s, now));
  EXPECT_FALSE(begins_ramp(set, at(set, 0), 0ms, now));
  ramp(at(set, 1), now);
  EXPECT_FALSE(begins_ramp(set, at(set, 0), 90s, now + 89s));
  EXPECT_TRUE(begins_ramp(set, at(set, 0), 90s, now + 90s));
  at(set, 1).ramp_began = 0;
  at(set, 1).ejection = Ejection::ejected;
  EXPECT_FALSE(begins_ramp(set, at(set, 0), 90s, now));
  at(set, 1).ejection = Ejection::none;
  at(set, 1).state = State::unhealthy;
  EXPECT_FALSE(begins_ramp(set, at(set, 0), 90s, now));
}

TEST(SlowStart, a_target_alone_does_not_ramp_nor_beside_one_that_takes_no_work) {
  const TargetSet alone = healthy_set({1});
  EXPECT_FALSE(begins_ramp(alone, at(alone, 0), 90s, now));
  const TargetSet parked = healthy_set({1, 0});
  EXPECT_FALSE(begins_ramp(parked, at(parked, 0), 90s, now));
}

// --- anomaly mitigation -------------------------------------------------------------------------

TEST(Eligible, a_target_with_a_reduced_share_gets_that_part_of_its_weight) {
  const TargetSet set = healthy_set({2, 2, 1});
  at(set, 0).share = 100;
  // 20 : 200 : 100
  EXPECT_EQ(weights(eligible(set, {}, now)), (Weights{1, 10, 5}));
  EXPECT_EQ(eligible(set, {}, now).changes_at, std::nullopt);
  at(set, 0).share = 250;
  EXPECT_EQ(weights(eligible(set, {}, now)), (Weights{1, 4, 2}));
}

}  // namespace
}  // namespace sluice::target::testing
