#include "sluice/target/health.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace sluice::target {
namespace {

constexpr auto pass = StateReason::none;
constexpr auto fault = StateReason::timeout;
constexpr HealthCount::Thresholds three_and_two{.healthy = 3, .unhealthy = 2};

// Where a target that begins as `state` is after these results.
State after(State state, const std::vector<StateReason>& results,
            HealthCount::Thresholds thresholds = three_and_two) {
  HealthCount count;
  for (const StateReason result : results) {
    state = count.after(state, result, thresholds).value_or(state);
  }
  return state;
}

TEST(Health, states_and_reasons_have_the_names_that_alb_gives_them) {
  EXPECT_EQ(text(State::initial), "initial");
  EXPECT_EQ(text(State::healthy), "healthy");
  EXPECT_EQ(text(State::unhealthy), "unhealthy");
  EXPECT_EQ(text(State::draining), "draining");
  EXPECT_EQ(text(State::unused), "unused");
  EXPECT_EQ(text(StateReason::none), "");
  EXPECT_EQ(text(StateReason::registration_in_progress), "Elb.RegistrationInProgress");
  EXPECT_EQ(text(StateReason::response_code_mismatch), "Target.ResponseCodeMismatch");
  EXPECT_EQ(text(StateReason::internal_error), "Elb.InternalError");
  EXPECT_EQ(text(StateReason::ejected_failures), "Target.EjectedConsecutiveFailures");
  EXPECT_EQ(text(StateReason::ejected_latency), "Target.EjectedLatency");
}

TEST(Health, no_two_reasons_have_the_same_name) {
  std::set<std::string> names;
  const auto count = static_cast<std::size_t>(StateReason::last_) + 1;
  for (std::size_t i = 0; i < count; ++i) names.emplace(text(static_cast<StateReason>(i)));
  EXPECT_EQ(names.size(), count);
}

TEST(HealthCount, a_new_target_needs_one_pass_only) {
  EXPECT_EQ(after(State::initial, {pass}), State::healthy);
  EXPECT_EQ(after(State::initial, {fault, pass}), State::healthy);
}

TEST(HealthCount, a_new_target_falls_ill_at_the_threshold_of_failures) {
  EXPECT_EQ(after(State::initial, {fault}), State::initial);
  EXPECT_EQ(after(State::initial, {fault, fault}), State::unhealthy);
}

TEST(HealthCount, a_healthy_target_falls_ill_at_the_threshold_of_failures) {
  EXPECT_EQ(after(State::healthy, {fault}), State::healthy);
  EXPECT_EQ(after(State::healthy, {fault, fault}), State::unhealthy);
  EXPECT_EQ(after(State::healthy, {fault}, {.healthy = 3, .unhealthy = 1}), State::unhealthy);
}

TEST(HealthCount, an_ill_target_needs_the_whole_threshold_of_passes) {
  EXPECT_EQ(after(State::unhealthy, {pass, pass}), State::unhealthy);
  EXPECT_EQ(after(State::unhealthy, {pass, pass, pass}), State::healthy);
}

TEST(HealthCount, only_results_in_a_row_count) {
  EXPECT_EQ(after(State::healthy, {fault, pass, fault, pass, fault}), State::healthy);
  EXPECT_EQ(after(State::unhealthy, {pass, pass, fault, pass, pass}), State::unhealthy);
}

TEST(HealthCount, a_transition_begins_the_count_anew) {
  // The failures that made it ill are not carried over to the next time.
  EXPECT_EQ(after(State::healthy, {fault, fault, pass, pass, pass, fault}), State::healthy);
  EXPECT_EQ(after(State::initial, {pass, fault}), State::healthy);
}

TEST(HealthCount, it_speaks_only_of_transitions) {
  HealthCount count;
  EXPECT_EQ(count.after(State::healthy, pass, three_and_two), std::nullopt);
  EXPECT_EQ(count.after(State::healthy, fault, three_and_two), std::nullopt);
  EXPECT_EQ(count.after(State::healthy, fault, three_and_two), State::unhealthy);
  EXPECT_EQ(count.after(State::unhealthy, fault, three_and_two), std::nullopt);
}

TEST(HealthCount, the_long_health_of_a_target_does_not_help_it_out_of_an_illness) {
  std::vector<StateReason> results(100, pass);
  results.insert(results.end(), {fault, fault, pass, pass});
  EXPECT_EQ(after(State::healthy, results), State::unhealthy);
}

TEST(HealthCount, reset_forgets_the_run) {
  HealthCount count;
  EXPECT_EQ(count.after(State::healthy, fault, three_and_two), std::nullopt);
  count.reset();
  EXPECT_EQ(count.after(State::healthy, fault, three_and_two), std::nullopt);
}

TEST(HealthCount, thresholds_of_a_reload_hold_for_the_run_under_way) {
  HealthCount count;
  EXPECT_EQ(count.after(State::unhealthy, pass, {.healthy = 5, .unhealthy = 2}), std::nullopt);
  EXPECT_EQ(count.after(State::unhealthy, pass, {.healthy = 2, .unhealthy = 2}), State::healthy);
}

TEST(HealthCount, results_about_targets_that_leave_or_are_not_used_do_not_count) {
  EXPECT_EQ(after(State::draining, {pass, fault, fault, fault}), State::draining);
  EXPECT_EQ(after(State::unused, {pass, pass, pass, fault, fault}), State::unused);
}

}  // namespace
}  // namespace sluice::target
