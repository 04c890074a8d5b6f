#include "control/health/schedule.h"

#include <gtest/gtest.h>

namespace sluice::control::health {
namespace {

constexpr base::SteadyTime zero{};

TEST(HealthSchedule, without_jitter_the_interval_is_the_interval) {
  for (std::uint64_t random = 0; random < 100; ++random) {
    EXPECT_EQ(jittered(Milliseconds(1000), 0, random), Milliseconds(1000));
  }
}

TEST(HealthSchedule, jitter_stays_within_its_part_and_reaches_both_ends) {
  Milliseconds least{1'000'000};
  Milliseconds most{0};
  for (std::uint64_t random = 0; random < 1000; ++random) {
    const Milliseconds interval = jittered(Milliseconds(1000), 10, random * 7919);
    least = std::min(least, interval);
    most = std::max(most, interval);
  }
  EXPECT_EQ(least, Milliseconds(900));
  EXPECT_EQ(most, Milliseconds(1100));
}

TEST(HealthSchedule, the_largest_random_number_does_not_overflow) {
  const Milliseconds interval = jittered(Milliseconds(3'600'000), 50, ~std::uint64_t{0});
  EXPECT_GE(interval, Milliseconds(1'800'000));
  EXPECT_LE(interval, Milliseconds(5'400'000));
}

TEST(HealthSchedule, any_part_is_from_nothing_to_the_interval) {
  EXPECT_EQ(any_part(Milliseconds(1000), 0), Milliseconds(0));
  EXPECT_EQ(any_part(Milliseconds(1000), 1999), Milliseconds(999));
  EXPECT_LT(any_part(Milliseconds(3'600'000), ~std::uint64_t{0}), Milliseconds(3'600'000));
}

TEST(HealthSchedule, a_hundred_new_targets_are_asked_at_once) {
  EXPECT_EQ(first_delay(99, 100, Milliseconds(30'000)), Milliseconds(0));
}

TEST(HealthSchedule, more_are_spread_over_a_second_or_the_interval_if_that_is_shorter) {
  EXPECT_EQ(first_delay(0, 1000, Milliseconds(30'000)), Milliseconds(0));
  EXPECT_EQ(first_delay(500, 1000, Milliseconds(30'000)), Milliseconds(500));
  EXPECT_EQ(first_delay(999, 1000, Milliseconds(30'000)), Milliseconds(999));
  EXPECT_EQ(first_delay(500, 1000, Milliseconds(200)), Milliseconds(100));
}

TEST(HealthSchedule, the_interval_runs_from_start_to_start) {
  const auto now = zero + Milliseconds(400);  // the answer took that long
  EXPECT_EQ(next_due(zero, Milliseconds(1000), now), zero + Milliseconds(1000));
}

TEST(HealthSchedule, what_was_missed_is_not_made_up_for) {
  const auto now = zero + Milliseconds(5'000);
  EXPECT_EQ(next_due(zero, Milliseconds(1000), now), now);
}

}  // namespace
}  // namespace sluice::control::health
