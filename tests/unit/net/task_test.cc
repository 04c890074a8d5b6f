#include "sluice/net/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace sluice::net {
namespace {

using Steps = std::vector<std::string>;

std::string text(Wake wake) {
  switch (wake) {
    case Wake::ready: return "ready";
    case Wake::expired: return "expired";
    case Wake::closed: return "closed";
  }
  return "?";
}

Task<> wait_once(WaitSlot& slot, Steps& steps) {
  steps.emplace_back("begun");
  const Wake wake = co_await slot.wait();
  steps.push_back(text(wake));
}

Task<> wait_twice(WaitSlot& slot, Steps& steps) {
  const Wake first = co_await slot.wait();
  steps.push_back(text(first));
  const Wake second = co_await slot.wait();
  steps.push_back(text(second));
}

TEST(WaitSlot, firing_an_empty_slot_does_nothing) {
  WaitSlot slot;
  EXPECT_FALSE(slot.armed());
  slot.fire(Wake::ready);
  slot.disarm();
  EXPECT_FALSE(slot.armed());
}

TEST(WaitSlot, a_waiting_coroutine_goes_on_at_once_and_learns_why) {
  for (const Wake wake : {Wake::ready, Wake::expired, Wake::closed}) {
    WaitSlot slot;
    Steps steps;
    spawn(wait_once(slot, steps));
    EXPECT_TRUE(slot.armed());
    EXPECT_EQ(steps, (Steps{"begun"}));
    slot.fire(wake);
    EXPECT_EQ(steps, (Steps{"begun", text(wake)}));
    EXPECT_FALSE(slot.armed());
  }
}

TEST(WaitSlot, one_firing_wakes_one_wait) {
  WaitSlot slot;
  Steps steps;
  spawn(wait_twice(slot, steps));
  slot.fire(Wake::ready);
  EXPECT_EQ(steps, (Steps{"ready"}));
  EXPECT_TRUE(slot.armed());
  slot.fire(Wake::expired);
  EXPECT_EQ(steps, (Steps{"ready", "expired"}));
  slot.fire(Wake::ready);
  EXPECT_EQ(steps.size(), 2U);
}

TEST(WaitSlot, a_callback_may_arm_the_slot_again) {
  struct Again {
    WaitSlot* slot;
    int* calls;
    void operator()(Wake) const {
      ++*calls;
      slot->arm(*this);
    }
  };
  WaitSlot slot;
  int calls = 0;
  slot.arm(Again{&slot, &calls});
  slot.fire(Wake::ready);
  EXPECT_EQ(calls, 1);
  slot.fire(Wake::ready);
  EXPECT_EQ(calls, 2);
  slot.disarm();
  slot.fire(Wake::ready);
  EXPECT_EQ(calls, 2);
}

TEST(WaitSlot, what_it_wakes_may_destroy_it) {
  auto slot = std::make_unique<WaitSlot>();
  slot->arm([&slot](Wake) { slot.reset(); });
  slot->fire(Wake::closed);
  EXPECT_EQ(slot, nullptr);
}

Task<int> add(int a, int b) { co_return a + b; }

Task<int> add_after(WaitSlot& slot, int a, int b) {
  (void)co_await slot.wait();
  const int sum = co_await add(a, b);
  co_return sum;
}

Task<> keep(Task<int> task, int& result) { result = co_await std::move(task); }

TEST(Task, a_value_comes_back_through_several_frames) {
  WaitSlot slot;
  int result = 0;
  spawn(keep(add_after(slot, 2, 3), result));
  EXPECT_EQ(result, 0);
  slot.fire(Wake::ready);
  EXPECT_EQ(result, 5);
}

Task<std::unique_ptr<int>> make_pointer() { co_return std::make_unique<int>(7); }

Task<> keep_pointer(std::unique_ptr<int>& out) { out = co_await make_pointer(); }

TEST(Task, a_value_that_can_only_be_moved_comes_back) {
  std::unique_ptr<int> result;
  spawn(keep_pointer(result));
  ASSERT_NE(result, nullptr);
  EXPECT_EQ(*result, 7);
}

Task<int> fail() {
  throw std::runtime_error("broken");
  co_return 0;
}

Task<> catch_it(std::string& what) {
  try {
    (void)co_await fail();
  } catch (const std::exception& exception) {
    what = exception.what();
  }
}

TEST(Task, an_exception_reaches_the_caller) {
  std::string what;
  spawn(catch_it(what));
  EXPECT_EQ(what, "broken");
}

Task<> ignore_it() { (void)co_await fail(); }

TEST(Task, an_exception_that_nobody_catches_is_logged_and_ends_only_its_own_coroutine) {
  testing::internal::CaptureStderr();
  spawn(ignore_it());
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("internal_error"), std::string::npos) << log;
  EXPECT_NE(log.find("broken"), std::string::npos) << log;
}

Task<> hold(std::shared_ptr<int> held, WaitSlot& slot) {
  (void)co_await slot.wait();
  (void)held;
}

TEST(Task, a_coroutine_that_never_began_lets_its_parameters_go) {
  WaitSlot slot;
  auto held = std::make_shared<int>(1);
  {
    const Task<> task = hold(held, slot);
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(slot.armed());
}

TEST(Task, a_coroutine_that_ended_lets_its_parameters_go) {
  WaitSlot slot;
  auto held = std::make_shared<int>(1);
  spawn(hold(held, slot));
  EXPECT_EQ(held.use_count(), 2);
  slot.fire(Wake::ready);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace sluice::net
