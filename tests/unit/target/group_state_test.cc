// Runs of failures, ejection, probing.
#include "sluice/target/group_state.h"

#include "unit/target/target_support.h"

namespace sluice::target::testing {
namespace {

using Kind = Change::Kind;
using Kinds = std::vector<Kind>;
constexpr auto success = Outcome::success;
constexpr auto server_error = Outcome::server_error;
constexpr auto failure = Outcome::failure;
constexpr auto timeout = Outcome::timeout;
constexpr auto none = Ejection::none;
constexpr auto ejected = Ejection::ejected;
constexpr auto probing = Ejection::probing;

// --- runs -------------------------------------------------------------------------------------

TEST(GroupState, every_try_counts_in_the_totals) {
  Group group(2);
  group.report(0, success, 3);
  group.report(0, server_error, 2);
  group.report(0, failure);
  group.report(0, timeout);
  EXPECT_EQ(group.at(0).total_requests, 7u);
  EXPECT_EQ(group.at(0).total_errors, 4u);
}

TEST(GroupState, a_run_of_failures_of_the_threshold_ejects) {
  Group group(2, {.consecutive_failures = 3});
  group.report(0, failure, 2);
  EXPECT_EQ(group.ejection(0), none);
  group.report(0, failure);
  EXPECT_EQ(group.ejection(0), ejected);
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::ejected_failures);
  EXPECT_EQ(group.state.ejected_count(), 1u);
}

TEST(GroupState, one_request_that_is_too_slow_at_every_target_ejects_nobody) {
  Group group(4);
  for (std::size_t i = 0; i < 4; ++i) group.report(i, timeout, 2);
  EXPECT_EQ(group.ejections(), (std::vector{none, none, none, none}));
}

TEST(GroupState, a_run_of_timeouts_of_its_own_threshold_ejects) {
  Group group(2, {.consecutive_failures = 1, .consecutive_timeouts = 3});
  group.report(0, timeout, 2);
  group.report(0, success);
  group.report(0, timeout, 2);
  EXPECT_EQ(group.ejection(0), none);
  group.report(0, timeout);
  EXPECT_EQ(group.ejection(0), ejected);
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::ejected_failures);
}

TEST(GroupState, failures_and_timeouts_are_runs_apart) {
  Group group(2, {.consecutive_failures = 3, .consecutive_timeouts = 3, .consecutive_5xx = 0});
  for (int i = 0; i < 2; ++i) {
    group.report(0, failure);
    group.report(0, timeout);
  }
  EXPECT_EQ(group.ejection(0), none);
  group.report(0, timeout);
  EXPECT_EQ(group.ejection(0), ejected);
}

TEST(GroupState, a_run_of_5xx_of_the_threshold_ejects) {
  Group group(2, {.consecutive_5xx = 5});
  group.report(0, server_error, 4);
  EXPECT_EQ(group.ejection(0), none);
  group.report(0, server_error);
  EXPECT_EQ(group.ejection(0), ejected);
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::ejected_5xx);
}

TEST(GroupState, one_success_ends_all_runs) {
  Group group(2, {.consecutive_failures = 2, .consecutive_5xx = 3});
  group.report(0, failure);
  group.report(0, timeout);
  group.report(0, success);
  EXPECT_EQ(group.at(0).failures_in_a_row, 0u);
  EXPECT_EQ(group.at(0).timeouts_in_a_row, 0u);
  EXPECT_EQ(group.at(0).server_errors_in_a_row, 0u);
}

TEST(GroupState, a_5xx_shows_that_the_target_can_be_reached) {
  Group group(2, {.consecutive_failures = 2, .consecutive_5xx = 0});
  for (int i = 0; i < 10; ++i) {
    group.report(0, failure);
    group.report(0, timeout);
    group.report(0, server_error);
  }
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupState, a_run_of_mixed_faults_is_a_run) {
  Group group(2, {.consecutive_failures = 3, .consecutive_5xx = 4});
  group.report(0, failure, 2);
  group.report(0, server_error);
  EXPECT_EQ(group.ejection(0), none);
  group.report(0, failure);
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::ejected_5xx);
}

TEST(GroupState, thresholds_of_zero_and_disabled_passive_health_never_eject) {
  Group off(2, {.consecutive_failures = 0, .consecutive_timeouts = 0, .consecutive_5xx = 0});
  off.report(0, failure, 100);
  off.report(0, timeout, 100);
  off.report(0, server_error, 100);
  EXPECT_EQ(off.ejection(0), none);
  Group disabled(2, {.enabled = false});
  disabled.report(0, failure, 100);
  EXPECT_EQ(disabled.ejection(0), none);
}

TEST(GroupState, a_target_that_is_not_healthy_is_not_ejected) {
  Group group(2);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  group.report(0, failure, 10);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupState, a_target_that_is_no_member_only_counts) {
  Group group(2);
  const auto stranger = make_target(99);
  stranger->state = State::healthy;
  group.state.report(*stranger, failure, false, group.now);
  EXPECT_EQ(stranger->ejection, none);
  EXPECT_EQ(stranger->total_errors, 1u);
}

// --- the times --------------------------------------------------------------------------------

TEST(GroupState, an_ejected_target_probes_when_its_time_has_passed) {
  Group group(2);
  group.report(0, failure);
  group.pass(9'999ms);
  EXPECT_EQ(group.ejection(0), ejected);
  group.pass(1ms);
  EXPECT_EQ(group.ejection(0), probing);
}

TEST(GroupState, each_ejection_that_follows_takes_twice_as_long_up_to_the_limit) {
  Group group(2, {.ejection_time = 10s, .max_ejection_time = 70s});
  std::vector<milliseconds> times;
  group.report(0, failure);
  for (int i = 0; i < 5; ++i) {
    times.push_back(group.state.take_changes().back().ejected_for);
    group.pass(times.back() - 1ms);
    ASSERT_EQ(group.ejection(0), ejected);
    group.pass(1ms);
    ASSERT_EQ(group.ejection(0), probing);
    group.probe(0, failure);
    ASSERT_EQ(group.ejection(0), ejected);
  }
  EXPECT_EQ(times, (std::vector<milliseconds>{10s, 20s, 40s, 70s, 70s}));
}

// How long an ejection takes after another one, and this time in health.
milliseconds second_ejection_after(milliseconds health) {
  Group group(2, {.ejection_time = 10s, .max_ejection_time = 60s});
  group.report(0, failure);
  group.pass(10s);
  group.probe(0, success);
  group.pass(health);
  group.report(0, failure);
  return group.state.take_changes().back().ejected_for;
}

TEST(GroupState, former_ejections_are_forgotten_after_long_health) {
  EXPECT_EQ(second_ejection_after(59'999ms), 20s);
  EXPECT_EQ(second_ejection_after(60s), 10s);
}

TEST(GroupState, an_ejection_time_beyond_the_limit_is_the_limit) {
  Group group(2, {.ejection_time = 100s, .max_ejection_time = 30s});
  group.report(0, failure);
  EXPECT_EQ(group.state.take_changes().back().ejected_for, 30s);
}

// --- probing ----------------------------------------------------------------------------------

TEST(GroupState, a_probing_target_gives_its_right_to_one) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  EXPECT_TRUE(GroupState::take_probe(group.at(0)));
  EXPECT_FALSE(GroupState::take_probe(group.at(0)));
  GroupState::give_up_probe(group.at(0));
  EXPECT_TRUE(GroupState::take_probe(group.at(0)));
}

TEST(GroupState, only_a_probing_target_gives_the_right) {
  Group group(2);
  EXPECT_FALSE(GroupState::take_probe(group.at(0)));
  group.report(0, failure);
  EXPECT_FALSE(GroupState::take_probe(group.at(0)));
}

TEST(GroupState, a_good_probe_restores) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  group.probe(0, success);
  EXPECT_EQ(group.ejection(0), none);
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::none);
  EXPECT_EQ(group.state.ejected_count(), 0u);
  EXPECT_EQ(group.kinds(), (Kinds{Kind::ejected, Kind::probing, Kind::restored}));
}

TEST(GroupState, a_bad_probe_ejects_again_and_says_why) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0, server_error, 5));
  group.probe(0, failure);
  EXPECT_EQ(group.ejection(0), ejected);
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::ejected_failures);
  EXPECT_EQ(group.state.ejected_count(), 1u);
}

TEST(GroupState, one_timeout_of_a_probe_ejects_again) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  group.probe(0, timeout);
  EXPECT_EQ(group.ejection(0), ejected);
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::ejected_failures);
}

TEST(GroupState, a_5xx_to_a_probe_is_reachable_but_unwell) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  group.probe(0, server_error);
  EXPECT_EQ(group.ejection(0), ejected);
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::ejected_5xx);
}

TEST(GroupState, a_5xx_to_a_probe_is_no_fault_where_5xx_do_not_count) {
  Group group(2, {.consecutive_5xx = 0});
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  group.probe(0, server_error);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupState, tries_begun_before_the_ejection_change_nothing_but_totals) {
  Group group(2);
  group.report(0, failure);
  group.report(0, success);
  group.report(0, failure, 7);
  EXPECT_EQ(group.ejection(0), ejected);
  group.pass(10s);
  ASSERT_EQ(group.ejection(0), probing);
  group.report(0, success);
  group.report(0, failure, 7);
  EXPECT_EQ(group.ejection(0), probing);
  EXPECT_EQ(group.at(0).total_requests, 17u);
  EXPECT_EQ(group.at(0).total_errors, 15u);
  EXPECT_EQ(group.kinds(), (Kinds{Kind::ejected, Kind::probing}));
}

TEST(GroupState, a_run_begins_anew_after_the_restoration) {
  Group group(2, {.consecutive_failures = 2});
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0, failure, 2));
  group.probe(0, success);
  group.report(0, failure);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupState, a_target_that_nobody_can_probe_is_restored) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  group.pass(9'999ms);
  EXPECT_EQ(group.ejection(0), probing);
  group.pass(1ms);
  EXPECT_EQ(group.ejection(0), none);
  EXPECT_EQ(group.kinds(), (Kinds{Kind::ejected, Kind::probing, Kind::restored}));
}

TEST(GroupState, a_probe_under_way_is_waited_for) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  ASSERT_TRUE(GroupState::take_probe(group.at(0)));
  group.pass(1h);
  EXPECT_EQ(group.ejection(0), probing);
  group.state.report(group.at(0), failure, true, group.now);
  EXPECT_EQ(group.ejection(0), ejected);
}

TEST(GroupState, a_probe_that_outlives_its_probing_is_a_try_like_any_other) {
  Group group(2);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  ASSERT_TRUE(GroupState::take_probe(group.at(0)));
  group.set_state(0, State::unhealthy, StateReason::timeout);
  group.set_state(0, State::healthy);
  group.state.report(group.at(0), failure, true, group.now);
  EXPECT_EQ(group.ejection(0), ejected);
  EXPECT_FALSE(group.at(0).probe_taken);
}

TEST(GroupState, a_passing_check_lets_a_target_probe_that_was_ejected_for_failures) {
  Group group(2);
  group.report(0, failure);
  group.state.check_passed(group.at(0), group.now);
  EXPECT_EQ(group.ejection(0), probing);
  group.pass(10s);  // and nobody probes
  EXPECT_EQ(group.ejection(0), none);
}

TEST(GroupState, a_passing_check_says_nothing_about_5xx) {
  Group group(2);
  group.report(0, server_error, 5);
  group.state.check_passed(group.at(0), group.now);
  EXPECT_EQ(group.ejection(0), ejected);
}

TEST(GroupState, a_passing_check_of_a_target_that_is_in_or_probing_changes_nothing) {
  Group group(2);
  group.state.check_passed(group.at(0), group.now);
  ASSERT_NO_FATAL_FAILURE(group.make_probing(0));
  (void)group.kinds();
  const std::uint64_t generation = group.state.generation();
  group.state.check_passed(group.at(0), group.now);
  EXPECT_TRUE(group.kinds().empty());
  EXPECT_EQ(group.state.generation(), generation);
}

}  // namespace
}  // namespace sluice::target::testing
