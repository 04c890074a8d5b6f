// How many of a group may be out, and who comes back when it is too many.
#include "sluice/target/eligible.h"
#include "sluice/target/group_state.h"
#include "unit/target/target_support.h"

namespace sluice::target::testing {
namespace {

using Kind = Change::Kind;
constexpr auto success = Outcome::success;
constexpr auto failure = Outcome::failure;
constexpr auto none = Ejection::none;
constexpr auto ejected = Ejection::ejected;
constexpr auto probing = Ejection::probing;
using Ejections = std::vector<Ejection>;

std::size_t most_ejected(std::size_t size, std::uint32_t percent) {
  Group group(size, {.max_ejected_percent = percent});
  for (std::size_t i = 0; i < size; ++i) group.report(i, failure);
  return group.state.ejected_count();
}

TEST(GroupStateLimits, no_more_than_the_share_are_ejected) {
  EXPECT_EQ(most_ejected(10, 50), 5u);
  EXPECT_EQ(most_ejected(5, 50), 2u);  // rounded down
  EXPECT_EQ(most_ejected(10, 100), 9u);
}

TEST(GroupStateLimits, one_may_always_go_but_never_the_last) {
  EXPECT_EQ(most_ejected(2, 10), 1u);
  EXPECT_EQ(most_ejected(9, 10), 1u);
  EXPECT_EQ(most_ejected(1, 100), 0u);
}

TEST(GroupStateLimits, a_share_of_zero_ejects_nobody) { EXPECT_EQ(most_ejected(10, 0), 0u); }

TEST(GroupStateLimits, probing_targets_count_as_out) {
  Group group(4);
  group.report(0, failure);
  group.report(1, failure);
  group.pass(10s);
  ASSERT_EQ(group.ejections(), (std::vector{probing, probing, none, none}));
  group.report(2, failure);
  EXPECT_EQ(group.ejection(2), none);
}

TEST(GroupStateLimits, targets_that_leave_do_not_count_as_members_of_the_group) {
  Group group(3);
  group.set_state(1, State::draining);
  group.set_state(2, State::unused);
  group.report(0, failure);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupStateLimits, a_run_that_was_too_long_ejects_as_soon_as_there_is_room) {
  Group group(2);
  group.report(0, failure);
  group.report(1, failure);
  ASSERT_EQ(group.ejection(1), none);
  group.pass(10s);
  group.probe(0, success);
  group.report(1, failure);
  EXPECT_EQ(group.ejection(1), ejected);
}

// --- beside those that checks found unwell ------------------------------------------------------

TEST(GroupStateLimits, the_last_healthy_one_stays_however_many_unhealthy_ones_are_registered) {
  Group group(4, {.max_ejected_percent = 100});
  for (const std::size_t i : {1u, 2u, 3u}) {
    group.set_state(i, State::unhealthy, StateReason::connection_refused);
  }
  group.report(0, failure, 10);
  EXPECT_EQ(group.ejection(0), none);
  const Eligible chosen = eligible(group.set(), {}, group.now);
  EXPECT_FALSE(chosen.fails_open);
  EXPECT_EQ(chosen.set.members.size(), 1u);
}

TEST(GroupStateLimits, unhealthy_and_unchecked_members_count_as_out) {
  Group group(6);
  group.set_state(4, State::unhealthy, StateReason::timeout);
  group.set_state(5, State::initial);
  group.report(0, failure);
  group.report(1, failure);
  EXPECT_EQ(group.ejections(), (Ejections{ejected, none, none, none, none, none}));
}

TEST(GroupStateLimits, a_group_is_not_ejected_until_it_fails_open) {
  Group group(6);
  group.apply({}, 0ms, {.minimum_healthy_count = 5});
  for (std::size_t i = 0; i < 6; ++i) group.report(i, failure);
  EXPECT_EQ(group.state.ejected_count(), 1u);
  Group by_percent(6);
  by_percent.apply({}, 0ms, {.minimum_healthy_percent = 67});
  for (std::size_t i = 0; i < 6; ++i) by_percent.report(i, failure);
  EXPECT_EQ(by_percent.state.ejected_count(), 1u);
}

TEST(GroupStateLimits, a_member_without_weight_is_no_reserve_and_is_not_ejected) {
  Group group(3);
  group.set_weight(1, 0);
  group.set_weight(2, 0);
  group.apply({.max_ejected_percent = 100});
  for (std::size_t i = 0; i < 3; ++i) group.report(i, failure);
  EXPECT_EQ(group.ejections(), (Ejections{none, none, none}));
  group.set_weight(1, 1);
  group.apply({.max_ejected_percent = 100});
  group.report(2, failure);
  EXPECT_EQ(group.ejection(2), none);
  group.report(1, failure);
  EXPECT_EQ(group.ejection(1), ejected);
}

TEST(GroupStateLimits, an_ejected_target_that_lost_its_weight_comes_back) {
  Group group(3);
  group.report(0, failure);
  group.set_weight(0, 0);
  group.apply({});
  group.pass(1ms);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupStateLimits, an_ejected_one_comes_back_when_a_check_fails_the_only_other_one) {
  Group group(2);
  group.report(0, failure);
  (void)group.kinds();
  group.set_state(1, State::unhealthy, StateReason::timeout);
  EXPECT_EQ(group.ejection(0), none);
  EXPECT_EQ(group.kinds(), (std::vector{Kind::state, Kind::restored}));
  EXPECT_FALSE(eligible(group.set(), {}, group.now).fails_open);
}

TEST(GroupStateLimits, a_probing_one_comes_back_too_and_its_probe_is_a_try_like_any_other) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  ASSERT_TRUE(GroupState::take_probe(group.at(0)));
  group.set_state(1, State::unhealthy, StateReason::timeout);
  group.state.report(group.at(0), failure, true, group.now);
  EXPECT_EQ(group.ejection(0), none);
  EXPECT_FALSE(group.at(0).probe_taken);
}

TEST(GroupStateLimits, of_too_many_out_the_first_to_end_comes_back_when_a_check_fails) {
  Group group(4);
  group.report(1, failure);
  group.pass(1s);
  group.report(0, failure);
  group.set_state(2, State::unhealthy, StateReason::timeout);
  EXPECT_EQ(group.ejections(), (Ejections{ejected, none, none, none}));
}

TEST(GroupStateLimits, more_asked_for_by_fail_open_brings_back_with_the_next_advance) {
  Group group(4);
  group.report(0, failure);
  group.apply({}, 0ms, {.minimum_healthy_count = 4});
  group.pass(1ms);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupStateLimits, there_is_room_again_when_an_unhealthy_one_recovers) {
  Group group(2);
  group.set_state(1, State::unhealthy, StateReason::timeout);
  group.report(0, failure);
  ASSERT_EQ(group.ejection(0), none);
  group.set_state(1, State::healthy);
  group.report(0, failure);
  EXPECT_EQ(group.ejection(0), ejected);
}

}  // namespace
}  // namespace sluice::target::testing
