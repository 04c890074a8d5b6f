// Health, slow start, members and settings that change, and what is told of it all.
#include "sluice/target/group_state.h"

#include <array>
#include <span>

#include "sluice/target/eligible.h"
#include "unit/target/target_support.h"

namespace sluice::target::testing {
namespace {

using Kind = Change::Kind;
using Kinds = std::vector<Kind>;
constexpr auto success = Outcome::success;
constexpr auto failure = Outcome::failure;
constexpr auto none = Ejection::none;
constexpr auto ejected = Ejection::ejected;
constexpr auto probing = Ejection::probing;

// --- health -----------------------------------------------------------------------------------

TEST(GroupState, a_new_state_is_kept_with_its_reason_and_time_and_told) {
  Group group(2);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  EXPECT_EQ(group.at(0).state, State::unhealthy);
  EXPECT_EQ(group.at(0).reason, StateReason::timeout);
  EXPECT_EQ(group.at(0).state_since, 1'700'000'000);
  const std::vector<Change> changes = group.state.take_changes();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].kind, Kind::state);
  EXPECT_EQ(changes[0].target.get(), &group.at(0));
  EXPECT_EQ(changes[0].former, State::healthy);
  EXPECT_EQ(changes[0].state, State::unhealthy);
  EXPECT_EQ(changes[0].reason, StateReason::timeout);
  EXPECT_EQ(changes[0].at, group.wall);
}

TEST(GroupState, many_states_change_at_once_as_they_do_one_by_one) {
  Group group(4);
  group.report(2, failure);
  ASSERT_EQ(group.ejection(2), ejected);
  const std::array<StateChange, 4> changes{{
      {.target = &group.at(0), .state = State::unhealthy, .reason = StateReason::timeout},
      {.target = &group.at(1), .state = State::healthy},  // as it was
      {.target = &group.at(3), .state = State::unhealthy, .reason = StateReason::timeout},
      {.target = &group.at(0), .state = State::healthy, .reason = StateReason::none},
  }};
  group.state.set_states(std::span(changes).first(3), group.now, group.wall);
  EXPECT_EQ(group.at(0).state, State::unhealthy);
  EXPECT_EQ(group.at(3).state, State::unhealthy);
  // Too many are out now: the one that was ejected is back.
  EXPECT_EQ(group.ejection(2), none);
  EXPECT_EQ(group.kinds(), (Kinds{Kind::ejected, Kind::state, Kind::state, Kind::restored}));
  group.state.set_states(std::span(changes).last(1), group.now, group.wall);
  EXPECT_EQ(group.kinds(), (Kinds{Kind::state}));
}

TEST(GroupState, another_reason_alone_is_kept_silently) {
  Group group(2);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  (void)group.kinds();
  const std::uint64_t generation = group.state.generation();
  group.wall += 60s;
  group.set_state(0, State::unhealthy, StateReason::connection_refused);
  EXPECT_EQ(group.at(0).reason, StateReason::connection_refused);
  EXPECT_EQ(group.at(0).state_since, 1'700'000'000);
  EXPECT_TRUE(group.kinds().empty());
  EXPECT_EQ(group.state.generation(), generation);
}

TEST(GroupState, leaving_healthy_ends_an_ejection_silently) {
  Group group(2);
  group.report(0, failure);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  EXPECT_EQ(group.ejection(0), none);
  EXPECT_EQ(group.state.ejected_count(), 0u);
  EXPECT_EQ(group.kinds(), (Kinds{Kind::ejected, Kind::state}));
}

TEST(GroupState, a_target_that_recovers_begins_without_its_former_run) {
  Group group(2, {.consecutive_failures = 2});
  group.set_state(0, State::unhealthy, StateReason::timeout);
  group.report(0, failure, 5);
  group.set_state(0, State::healthy);
  group.report(0, failure);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupState, the_state_of_a_target_that_has_left_is_kept_and_told_too) {
  Group group(2);
  group.keep({0});
  group.set_state(1, State::draining, StateReason::deregistration_in_progress);
  EXPECT_EQ(group.at(1).state, State::draining);
  EXPECT_EQ(group.kinds(), Kinds{Kind::state});
}

// --- slow start -------------------------------------------------------------------------------

TEST(GroupState, becoming_healthy_begins_slow_start_when_it_is_asked_for) {
  Group group(2, {}, 30s);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  group.set_state(0, State::healthy, StateReason::none, true);
  EXPECT_EQ(group.at(0).ramp_began, nanoseconds_of(group.now));
  group.set_state(1, State::unhealthy, StateReason::timeout);
  group.set_state(1, State::healthy);
  EXPECT_EQ(group.at(1).ramp_began, 0);
}

TEST(GroupState, leaving_healthy_ends_slow_start) {
  Group group(2, {}, 30s);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  group.set_state(0, State::healthy, StateReason::none, true);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  EXPECT_EQ(group.at(0).ramp_began, 0);
}

TEST(GroupState, a_slow_start_that_is_over_is_forgotten) {
  Group group(2, {}, 30s);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  group.set_state(0, State::healthy, StateReason::none, true);
  const std::uint64_t generation = group.state.generation();
  group.pass(29'999ms);
  EXPECT_NE(group.at(0).ramp_began, 0);
  EXPECT_EQ(group.state.generation(), generation);
  group.pass(1ms);
  EXPECT_EQ(group.at(0).ramp_began, 0);
  EXPECT_NE(group.state.generation(), generation);
}

TEST(GroupState, a_restored_target_starts_slowly) {
  Group group(2, {}, 30s);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  group.probe(0, success);
  EXPECT_EQ(group.at(0).ramp_began, nanoseconds_of(group.now));
  // Ejected again it has no share to raise.
  group.report(0, failure);
  EXPECT_EQ(group.at(0).ramp_began, 0);
}

TEST(GroupState, a_restored_target_takes_its_full_share_when_nobody_else_is_well) {
  Group group(2, {}, 30s);
  group.report(0, failure);
  group.set_state(1, State::unhealthy, StateReason::timeout);
  EXPECT_EQ(group.ejection(0), none);
  EXPECT_EQ(group.at(0).ramp_began, 0);
}

// --- members and settings that change ---------------------------------------------------------

TEST(GroupState, an_ejection_outlives_a_reload) {
  Group group(4);
  group.report(0, failure);
  group.keep({3, 2, 0});
  EXPECT_EQ(group.ejection(0), ejected);
  EXPECT_EQ(group.state.ejected_count(), 1u);
  group.pass(10s);
  EXPECT_EQ(group.ejection(0), probing);
}

TEST(GroupState, the_ejection_of_a_target_that_leaves_is_forgotten) {
  Group group(4);
  group.report(0, failure);
  group.keep({1, 2, 3});
  EXPECT_EQ(group.ejection(0), none);
  EXPECT_EQ(group.state.ejected_count(), 0u);
  group.keep({0, 1, 2, 3});
  group.report(0, failure);
  EXPECT_EQ(group.state.take_changes().back().ejected_for, 10s);
}

TEST(GroupState, switching_off_restores_everybody_with_the_next_advance) {
  Group group(4);
  group.report(0, failure);
  group.report(1, failure);
  group.apply({.enabled = false});
  group.pass(1ms);
  EXPECT_EQ(group.state.ejected_count(), 0u);
  EXPECT_EQ(group.kinds(), (Kinds{Kind::ejected, Kind::ejected, Kind::restored, Kind::restored}));
}

TEST(GroupState, of_too_many_ejected_those_are_restored_whose_time_ends_first) {
  Group group(4);
  group.report(1, failure);
  group.pass(1s);
  group.report(0, failure);
  group.keep({0, 1, 2});
  group.pass(1ms);
  EXPECT_EQ(group.ejections(), (std::vector{ejected, none, none, none}));
}

TEST(GroupState, the_last_of_a_group_is_not_left_ejected) {
  Group group(2);
  group.report(0, failure);
  group.set_state(1, State::draining);
  group.pass(1ms);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupState, the_generation_moves_with_everything_that_changes_who_is_eligible) {
  Group group(2);
  std::uint64_t former = group.state.generation();
  const auto moved = [&] {
    const std::uint64_t before = std::exchange(former, group.state.generation());
    return before != former;
  };
  group.report(0, success);
  EXPECT_FALSE(moved());
  group.report(0, failure);
  EXPECT_TRUE(moved());
  group.pass(1s);
  EXPECT_FALSE(moved());
  group.pass(9s);
  EXPECT_TRUE(moved());
  group.probe(0, success);
  EXPECT_TRUE(moved());
  group.set_state(0, State::unhealthy, StateReason::timeout);
  EXPECT_TRUE(moved());
  group.apply({});
  EXPECT_TRUE(moved());
  group.state.shares_changed();
  EXPECT_TRUE(moved());
}

TEST(GroupState, what_happened_is_told_once_and_the_oldest_is_dropped_first) {
  Group group(4);
  const auto flip = [&](int times) {
    for (int i = 0; i < times; ++i) {
      const bool well = group.at(0).state == State::healthy;
      group.set_state(0, well ? State::unhealthy : State::healthy);
    }
  };
  flip(1);
  EXPECT_EQ(group.kinds().size(), 1u);
  EXPECT_TRUE(group.kinds().empty());
  flip(static_cast<int>(GroupState::changes_max));
  group.report(1, failure);
  const Kinds kinds = group.kinds();
  EXPECT_EQ(kinds.size(), GroupState::changes_max);
  EXPECT_EQ(kinds.back(), Kind::ejected);
}

TEST(GroupState, a_change_of_ejection_says_when_and_for_what) {
  Group group(2);
  const base::WallTime before = base::Wall::now();
  group.report(0, failure);
  group.pass(10s);
  group.probe(0, success);
  const std::vector<Change> changes = group.state.take_changes();
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].ejected_for, 10s);
  for (const Change& change : changes) {
    EXPECT_EQ(change.target.get(), &group.at(0));
    EXPECT_EQ(change.reason, StateReason::ejected_failures);
    EXPECT_EQ(change.state, State::healthy);
    EXPECT_GE(change.at, before);
  }
}

TEST(GroupState, a_group_of_one_and_the_eligible_set_agree_that_it_goes_on) {
  Group group(1);
  group.report(0, failure, 10);
  const Eligible chosen = eligible(group.set(), {}, group.now);
  EXPECT_EQ(chosen.set.members.size(), 1u);
  EXPECT_FALSE(chosen.fails_open);
}

}  // namespace
}  // namespace sluice::target::testing
