// Ejection by what a window of requests looks like: error rate and latency.
#include "sluice/target/latency.h"
#include "unit/target/target_support.h"

namespace sluice::target::testing {
namespace {

constexpr auto none = Ejection::none;
constexpr auto ejected = Ejection::ejected;
using Ejections = std::vector<Ejection>;

// Only what a window shows counts.
config::PassiveHealth windows_only() {
  config::PassiveHealth settings;
  settings.consecutive_failures = 0;
  settings.consecutive_5xx = 0;
  settings.minimum_requests = 20;
  return settings;
}

config::PassiveHealth error_rate(std::uint32_t percent) {
  config::PassiveHealth settings = windows_only();
  settings.error_rate_percent = percent;
  return settings;
}

config::PassiveHealth latency_factor(std::uint32_t factor) {
  config::PassiveHealth settings = windows_only();
  settings.latency_factor = factor;
  return settings;
}

// The first window begins with the first time that passes.
void requests(Group& group, std::size_t i, int successes, int errors) {
  group.report(i, Outcome::success, successes);
  group.report(i, Outcome::server_error, errors);
}

// --- error rate -------------------------------------------------------------------------------

TEST(ErrorRate, the_rate_of_a_whole_window_ejects) {
  Group group(2, error_rate(50));
  group.pass(0ms);
  requests(group, 0, 10, 10);
  requests(group, 1, 11, 10);
  group.pass(9'999ms);
  EXPECT_EQ(group.ejections(), (Ejections{none, none}));
  group.pass(1ms);
  EXPECT_EQ(group.ejections(), (Ejections{ejected, none}));
  EXPECT_EQ(group.at(0).ejection_reason, StateReason::ejected_error_rate);
}

TEST(ErrorRate, failures_count_like_5xx) {
  Group group(2, error_rate(50));
  group.pass(0ms);
  requests(group, 0, 10, 0);
  group.report(0, Outcome::failure, 10);
  group.pass(10s);
  EXPECT_EQ(group.ejection(0), ejected);
}

TEST(ErrorRate, fewer_requests_than_the_minimum_say_nothing) {
  Group group(2, error_rate(50));
  group.pass(0ms);
  requests(group, 0, 0, 19);
  group.pass(10s);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(ErrorRate, a_target_without_requests_has_no_rate_even_without_a_minimum) {
  config::PassiveHealth settings = error_rate(1);
  settings.minimum_requests = 0;
  Group group(2, settings);
  group.pass(0ms);
  group.pass(10s);
  EXPECT_EQ(group.ejections(), (Ejections{none, none}));
}

TEST(ErrorRate, each_window_counts_for_itself) {
  Group group(2, error_rate(50));
  group.pass(0ms);
  requests(group, 0, 100, 0);
  group.pass(10s);
  requests(group, 0, 10, 15);
  group.pass(10s);
  EXPECT_EQ(group.ejection(0), ejected);
}

TEST(ErrorRate, what_came_before_the_first_window_does_not_count) {
  Group group(2, error_rate(50));
  requests(group, 0, 0, 100);
  group.pass(0ms);
  requests(group, 0, 20, 0);
  group.pass(10s);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(ErrorRate, the_worst_go_first_when_not_all_may_go) {
  Group group(4, error_rate(50));
  group.pass(0ms);
  requests(group, 0, 10, 20);
  requests(group, 1, 0, 30);
  requests(group, 2, 30, 0);
  requests(group, 3, 5, 25);
  group.pass(10s);
  EXPECT_EQ(group.ejections(), (Ejections{none, ejected, none, ejected}));
}

TEST(ErrorRate, the_window_of_a_restored_target_begins_with_its_restoration) {
  config::PassiveHealth settings = error_rate(50);
  settings.window = 60s;
  settings.consecutive_failures = 1;
  Group group(2, settings);
  group.pass(0ms);
  requests(group, 0, 0, 50);
  group.report(0, Outcome::failure);
  group.pass(10s);
  group.probe(0, Outcome::success);
  requests(group, 0, 25, 0);
  group.pass(50s);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(ErrorRate, the_window_of_a_target_that_recovered_begins_with_its_recovery) {
  Group group(2, error_rate(50));
  group.pass(0ms);
  group.set_state(0, State::unhealthy, StateReason::timeout);
  requests(group, 0, 0, 50);
  group.set_state(0, State::healthy);
  requests(group, 0, 25, 0);
  group.pass(10s);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(ErrorRate, zero_is_off) {
  Group group(2, windows_only());
  group.pass(0ms);
  requests(group, 0, 0, 100);
  group.pass(10s);
  EXPECT_EQ(group.ejection(0), none);
}

TEST(ErrorRate, disabled_passive_health_ejects_nobody) {
  config::PassiveHealth settings = error_rate(50);
  settings.enabled = false;
  Group group(2, settings);
  group.pass(0ms);
  requests(group, 0, 0, 100);
  group.pass(10s);
  EXPECT_EQ(group.ejection(0), none);
}

// --- latency ----------------------------------------------------------------------------------

// Answers that all took this long.
void answer(Group& group, std::size_t i, std::chrono::nanoseconds latency, int times = 20) {
  group.report(i, Outcome::success, times);
  for (int n = 0; n < times; ++n) record_latency(group.at(i), latency, group.now);
}

// One window of enough requests in which these were the latencies; 0: no requests.
Ejections after_window(const std::vector<std::chrono::microseconds>& latencies,
                       const config::PassiveHealth& settings) {
  Group group(latencies.size(), settings);
  group.pass(0ms);
  group.pass(settings.window - 1ms);
  for (std::size_t i = 0; i < latencies.size(); ++i) {
    if (latencies[i] != 0us) answer(group, i, latencies[i]);
  }
  group.pass(1ms);
  return group.ejections();
}

TEST(LatencyFactor, a_target_much_slower_than_the_median_of_its_peers_is_ejected) {
  EXPECT_EQ(after_window({10ms, 10ms, 31ms}, latency_factor(3)), (Ejections{none, none, ejected}));
  EXPECT_EQ(after_window({10ms, 10ms, 30ms}, latency_factor(3)), (Ejections{none, none, none}));
}

TEST(LatencyFactor, one_slow_answer_among_a_thousand_ejects_nobody) {
  Group group(3, latency_factor(3));
  group.pass(0ms);
  group.now += 10s;
  for (std::size_t i = 0; i < 3; ++i) answer(group, i, 10ms, 1'000);
  answer(group, 0, 1s, 1);  // the last of all: the average of the balancers is 1 s now
  group.pass(0ms);
  EXPECT_EQ(group.ejections(), (Ejections{none, none, none}));
}

TEST(LatencyFactor, a_window_is_judged_by_its_own_answers_alone) {
  Group group(3, latency_factor(3));
  group.pass(0ms);
  for (std::size_t i = 0; i < 3; ++i) answer(group, i, 10ms, 10'000);
  group.pass(10s);
  for (std::size_t i = 0; i < 3; ++i) answer(group, i, i == 2 ? 31ms : 10ms);
  group.pass(10s);
  EXPECT_EQ(group.ejections(), (Ejections{none, none, ejected}));
}

TEST(LatencyFactor, tries_without_an_answer_are_no_data) {
  Group group(3, latency_factor(3));
  group.pass(0ms);
  group.now += 10s;
  for (std::size_t i = 0; i < 3; ++i) answer(group, i, i == 2 ? 900ms : 10ms, i == 2 ? 1 : 20);
  group.report(2, Outcome::failure, 19);
  group.pass(0ms);
  EXPECT_EQ(group.ejections(), (Ejections{none, none, none}));
}

TEST(LatencyFactor, it_says_so) {
  Group group(3, latency_factor(3));
  group.pass(0ms);
  group.now += 10s;
  for (std::size_t i = 0; i < 3; ++i) {
    answer(group, i, i == 1 ? 90ms : 10ms);
  }
  group.pass(0ms);
  EXPECT_EQ(group.at(1).ejection_reason, StateReason::ejected_latency);
}

TEST(LatencyFactor, the_median_is_that_of_the_others) {
  // Of four: the others' are 10, 20, 30.
  EXPECT_EQ(after_window({41ms, 30ms, 10ms, 20ms}, latency_factor(2)),
            (Ejections{ejected, none, none, none}));
  EXPECT_EQ(after_window({40ms, 30ms, 10ms, 20ms}, latency_factor(2)),
            (Ejections{none, none, none, none}));
  // Of three: the middle of 10 and 20.
  EXPECT_EQ(after_window({31ms, 10ms, 20ms}, latency_factor(2)), (Ejections{ejected, none, none}));
  EXPECT_EQ(after_window({30ms, 10ms, 20ms}, latency_factor(2)), (Ejections{none, none, none}));
}

TEST(LatencyFactor, nobody_is_ejected_for_microseconds) {
  EXPECT_EQ(after_window({100us, 100us, 1'100us}, latency_factor(2)),
            (Ejections{none, none, none}));
  EXPECT_EQ(after_window({100us, 100us, 1'101us}, latency_factor(2)),
            (Ejections{none, none, ejected}));
}

TEST(LatencyFactor, fewer_than_three_with_data_are_not_compared) {
  EXPECT_EQ(after_window({10ms, 500ms}, latency_factor(2)), (Ejections{none, none}));
  EXPECT_EQ(after_window({10ms, 500ms, 0us}, latency_factor(2)), (Ejections{none, none, none}));
}

TEST(LatencyFactor, a_target_with_too_few_requests_is_neither_judged_nor_a_peer) {
  Group group(4, latency_factor(2));
  group.pass(0ms);
  group.now += 10s;
  for (std::size_t i = 0; i < 4; ++i) {
    answer(group, i, i == 3 ? 900ms : 10ms, i == 3 ? 19 : 20);
  }
  group.pass(0ms);
  EXPECT_EQ(group.ejections(), (Ejections{none, none, none, none}));
}

TEST(LatencyFactor, an_ejected_target_is_no_peer) {
  config::PassiveHealth settings = latency_factor(2);
  settings.consecutive_failures = 1;
  settings.max_ejected_percent = 100;
  Group group(3, settings);
  group.pass(0ms);
  group.now += 10s;
  for (std::size_t i = 0; i < 3; ++i) {
    answer(group, i, i == 1 ? 90ms : 10ms);
  }
  group.report(0, Outcome::failure);
  group.pass(0ms);
  EXPECT_EQ(group.ejections(), (Ejections{ejected, none, none}));
}

TEST(LatencyFactor, the_slowest_goes_first_when_not_all_may_go) {
  config::PassiveHealth settings = latency_factor(2);
  settings.max_ejected_percent = 20;
  EXPECT_EQ(after_window({10ms, 100ms, 10ms, 300ms, 10ms}, settings),
            (Ejections{none, none, none, ejected, none}));
}

TEST(LatencyFactor, zero_is_off) {
  EXPECT_EQ(after_window({10ms, 10ms, 10s}, windows_only()), (Ejections{none, none, none}));
}

}  // namespace
}  // namespace sluice::target::testing
