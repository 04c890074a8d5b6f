#include "sluice/net/deadline.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

// A wheel whose time is the test's.
struct Time {
  void pass(milliseconds time) {
    clock.set(clock.now() + time, clock.wall() + time);
    elapsed += time;
    wheel.advance();
  }
  base::Clock clock;
  DeadlineWheel wheel{clock};
  milliseconds elapsed{0};
};

// A deadline that does what the test says, and counts.
struct Alarm {
  explicit Alarm(Time& time, std::function<void()> then = {})
      : action(std::move(then)),
        deadline(
            time.wheel,
            [](void* context) {
              auto& self = *static_cast<Alarm*>(context);
              ++self.fired;
              // A copy: the action may destroy this alarm.
              if (const std::function<void()> act = self.action) act();
            },
            this) {}
  std::function<void()> action;
  int fired = 0;
  Deadline deadline;
};

TEST(DeadlineWheel, a_deadline_fires_between_its_time_and_one_tick_later) {
  for (int offset = 0; offset < DeadlineWheel::tick.count(); ++offset) {
    for (const int after : {1, 19, 20, 21, 39, 40, 500}) {
      Time time;
      time.pass(milliseconds(offset));
      std::optional<milliseconds> fired_at;
      Alarm alarm(time, [&] { fired_at = time.elapsed; });
      alarm.deadline.set(milliseconds(after));
      while (!fired_at && time.elapsed < milliseconds(offset + after + 100)) {
        time.pass(milliseconds(1));
      }
      ASSERT_TRUE(fired_at) << "offset " << offset << ", after " << after;
      const auto waited = *fired_at - milliseconds(offset);
      EXPECT_GE(waited, milliseconds(after)) << "offset " << offset;
      EXPECT_LE(waited, milliseconds(after) + DeadlineWheel::tick) << "offset " << offset;
    }
  }
}

TEST(DeadlineWheel, a_deadline_fires_once) {
  Time time;
  Alarm alarm(time);
  alarm.deadline.set(milliseconds(50));
  EXPECT_TRUE(alarm.deadline.is_set());
  time.pass(milliseconds(100));
  EXPECT_EQ(alarm.fired, 1);
  EXPECT_FALSE(alarm.deadline.is_set());
  EXPECT_TRUE(time.wheel.empty());
  time.pass(milliseconds(60'000));
  EXPECT_EQ(alarm.fired, 1);
}

TEST(DeadlineWheel, a_deadline_that_was_moved_later_fires_at_its_new_time_only) {
  Time time;
  Alarm alarm(time);
  alarm.deadline.set(milliseconds(100));
  time.pass(milliseconds(80));
  alarm.deadline.set(milliseconds(100));
  time.pass(milliseconds(99));
  EXPECT_EQ(alarm.fired, 0);
  time.pass(milliseconds(41));
  EXPECT_EQ(alarm.fired, 1);
}

TEST(DeadlineWheel, a_deadline_that_was_moved_earlier_fires_at_its_new_time) {
  Time time;
  Alarm alarm(time);
  alarm.deadline.set(milliseconds(10'000));
  alarm.deadline.set(milliseconds(100));
  time.pass(milliseconds(140));
  EXPECT_EQ(alarm.fired, 1);
  time.pass(milliseconds(20'000));
  EXPECT_EQ(alarm.fired, 1);
}

TEST(DeadlineWheel, a_deadline_that_was_moved_later_and_back_fires_at_the_last_time) {
  Time time;
  Alarm alarm(time);
  alarm.deadline.set(milliseconds(100));
  alarm.deadline.set(milliseconds(1000));
  alarm.deadline.set(milliseconds(300));
  time.pass(milliseconds(280));
  EXPECT_EQ(alarm.fired, 0);
  time.pass(milliseconds(60));
  EXPECT_EQ(alarm.fired, 1);
}

TEST(DeadlineWheel, a_cleared_deadline_does_not_fire) {
  Time time;
  Alarm cleared(time);
  Alarm zero(time);
  cleared.deadline.set(milliseconds(40));
  zero.deadline.set(milliseconds(40));
  cleared.deadline.clear();
  zero.deadline.set(milliseconds(0));
  EXPECT_FALSE(cleared.deadline.is_set());
  EXPECT_FALSE(zero.deadline.is_set());
  EXPECT_TRUE(time.wheel.empty());
  time.pass(milliseconds(30'000));
  EXPECT_EQ(cleared.fired + zero.fired, 0);
}

TEST(DeadlineWheel, a_callback_may_clear_others_that_are_due) {
  Time time;
  std::vector<std::unique_ptr<Alarm>> alarms;
  for (int i = 0; i < 5; ++i) {
    alarms.push_back(std::make_unique<Alarm>(time, [&alarms] {
      for (const auto& alarm : alarms) alarm->deadline.clear();
    }));
    alarms.back()->deadline.set(milliseconds(40));
  }
  time.pass(milliseconds(100));
  int fired = 0;
  for (const auto& alarm : alarms) fired += alarm->fired;
  EXPECT_EQ(fired, 1);
  EXPECT_TRUE(time.wheel.empty());
}

TEST(DeadlineWheel, a_callback_may_destroy_its_own_deadline_and_others) {
  for (std::size_t owner = 0; owner < 4; ++owner) {
    Time time;
    std::vector<std::unique_ptr<Alarm>> alarms(4);
    int fired = 0;
    for (std::size_t i = 0; i < alarms.size(); ++i) {
      alarms[i] = std::make_unique<Alarm>(time, [&, i] {
        ++fired;
        if (i == owner) alarms.clear();
      });
      alarms[i]->deadline.set(milliseconds(40));
    }
    time.pass(milliseconds(100));
    EXPECT_GE(fired, 1);
    EXPECT_TRUE(alarms.empty());
    EXPECT_TRUE(time.wheel.empty());
  }
}

TEST(DeadlineWheel, a_callback_may_set_its_deadline_again) {
  Time time;
  Alarm alarm(time);
  alarm.action = [&alarm] { alarm.deadline.set(milliseconds(100)); };
  alarm.deadline.set(milliseconds(100));
  for (int i = 0; i < 1000; ++i) time.pass(milliseconds(10));
  // Each round waits its 100 ms and at most a tick more.
  EXPECT_GE(alarm.fired, 83);
  EXPECT_LE(alarm.fired, 100);
}

TEST(DeadlineWheel, a_deadline_beyond_one_turn_of_the_wheel_waits_for_its_turn) {
  Time time;
  Alarm alarm(time);
  alarm.deadline.set(milliseconds(61'000));
  while (time.elapsed < milliseconds(60'990)) {
    time.pass(milliseconds(10));
    ASSERT_EQ(alarm.fired, 0) << time.elapsed.count();
  }
  time.pass(milliseconds(30));
  EXPECT_EQ(alarm.fired, 1);
}

TEST(DeadlineWheel, after_a_long_sleep_everything_due_fires_and_nothing_else) {
  Time time;
  std::vector<std::unique_ptr<Alarm>> due;
  std::vector<std::unique_ptr<Alarm>> later;
  for (int seconds = 1; seconds < 100; ++seconds) {
    due.push_back(std::make_unique<Alarm>(time));
    due.back()->deadline.set(milliseconds(seconds * 1000 + seconds));
    later.push_back(std::make_unique<Alarm>(time));
    later.back()->deadline.set(milliseconds(100'100 + seconds * 1000));
  }
  time.pass(milliseconds(100'000));
  for (const auto& alarm : due) EXPECT_EQ(alarm->fired, 1);
  for (const auto& alarm : later) EXPECT_EQ(alarm->fired, 0);
  time.pass(milliseconds(100'000));
  for (const auto& alarm : later) EXPECT_EQ(alarm->fired, 1);
  EXPECT_TRUE(time.wheel.empty());
}

TEST(DeadlineWheel, a_deadline_set_after_a_time_without_any_is_on_time) {
  Time time;
  // Nobody advances a wheel whose loop sleeps, either.
  time.clock.set(time.clock.now() + std::chrono::hours(5), time.clock.wall());
  Alarm alarm(time);
  alarm.deadline.set(milliseconds(100));
  time.pass(milliseconds(99));
  EXPECT_EQ(alarm.fired, 0);
  time.pass(milliseconds(41));
  EXPECT_EQ(alarm.fired, 1);
}

TEST(DeadlineWheel, a_deadline_may_outlive_its_wheel) {
  base::Clock clock;
  auto wheel = std::make_unique<DeadlineWheel>(clock);
  Deadline deadline(*wheel, [](void*) {}, nullptr);
  deadline.set(milliseconds(100));
  wheel.reset();
  deadline.clear();
  EXPECT_FALSE(deadline.is_set());
}

}  // namespace
}  // namespace sluice::net
