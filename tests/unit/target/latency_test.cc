#include "sluice/target/latency.h"

#include "unit/target/target_support.h"

namespace sluice::target::testing {
namespace {

constexpr base::SteadyTime start{1000s};

TEST(Latency, nothing_is_known_of_a_target_that_never_answered) {
  EXPECT_EQ(latency_of(*make_target(), start), 0ns);
}

TEST(Latency, the_first_answer_is_the_average) {
  const auto target = make_target();
  record_latency(*target, 5ms, start);
  EXPECT_EQ(latency_of(*target, start), 5ms);
}

TEST(Latency, a_slower_answer_replaces_it_at_once) {
  const auto target = make_target();
  record_latency(*target, 5ms, start);
  record_latency(*target, 80ms, start);
  EXPECT_EQ(latency_of(*target, start), 80ms);
}

TEST(Latency, a_faster_answer_pulls_it_down_by_the_part_of_the_decay_that_has_passed) {
  const auto target = make_target();
  record_latency(*target, 100ms, start);
  // A tenth of the decay time: 1 - e^-0.1 of the way from 100 to 20.
  record_latency(*target, 20ms, start + 1s);
  EXPECT_NEAR(static_cast<double>(latency_of(*target, start + 1s).count()), 92.387e6, 0.001e6);
  record_latency(*target, 20ms, start + 1000s);
  EXPECT_NEAR(static_cast<double>(latency_of(*target, start + 1000s).count()), 20e6, 0.001e6);
}

TEST(Latency, fast_answers_in_one_turn_of_the_loop_hardly_move_it) {
  const auto target = make_target();
  record_latency(*target, 100ms, start);
  for (int i = 0; i < 100; ++i) record_latency(*target, 1ms, start);
  EXPECT_GT(latency_of(*target, start), 99ms);
}

TEST(Latency, many_fast_answers_at_once_pull_it_down_although_each_pulls_by_almost_nothing) {
  const auto target = make_target();
  record_latency(*target, 3us, start);
  for (int i = 0; i < 10'000; ++i) record_latency(*target, 1us, start);
  EXPECT_EQ(latency_of(*target, start), 1us);
}

TEST(Latency, it_decays_without_answers_so_that_a_slow_target_is_asked_again) {
  const auto target = make_target();
  record_latency(*target, 100ms, start);
  EXPECT_NEAR(static_cast<double>(latency_of(*target, start + latency_decay).count()), 36.788e6,
              0.001e6);
  EXPECT_LT(latency_of(*target, start + 10 * latency_decay), 1ms);
}

TEST(Latency, what_was_known_stays_known_however_old) {
  const auto target = make_target();
  record_latency(*target, 100ms, start);
  EXPECT_EQ(latency_of(*target, start + 24h), 1ns);
  record_latency(*target, 0ns, start + 24h);
  record_latency(*target, 0ns, start + 48h);
  EXPECT_EQ(latency_of(*target, start + 48h), 1ns);
}

TEST(Latency, the_times_of_all_answers_are_summed_up) {
  const auto target = make_target();
  record_latency(*target, 5ms, start);
  record_latency(*target, 80ms, start);
  record_latency(*target, 1ms, start + 1s);
  EXPECT_EQ(target->total_answers, 3u);
  EXPECT_EQ(target->total_latency, 86'000'000u);
}

TEST(Latency, a_worker_whose_clock_is_behind_does_no_harm) {
  const auto target = make_target();
  record_latency(*target, 100ms, start);
  EXPECT_EQ(latency_of(*target, start - 10ms), 100ms);
  record_latency(*target, 1ms, start - 10ms);
  EXPECT_GT(latency_of(*target, start), 99ms);
}

}  // namespace
}  // namespace sluice::target::testing
