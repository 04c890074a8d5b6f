#include "sluice/net/turn_gate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/peer.h"

namespace sluice::net {
namespace {

struct Step {
  int who;
  std::size_t turn;
};

Task<> work(TurnGate& gate, const std::size_t& turn, int who, std::vector<Step>& steps) {
  co_await gate.pass();
  steps.push_back({who, turn});
}

// Counts turns for as long as there is something to wait for.
Task<> count_turns(Loop& loop, std::size_t& turn, const std::vector<Step>& steps, std::size_t until,
                   bool& has_ended) {
  while (steps.size() < until) {
    co_await loop.next_turn();
    ++turn;
  }
  has_ended = true;
}

TEST(TurnGate, lets_a_few_through_in_each_turn_in_the_order_of_arrival) {
  Loop loop;
  TurnGate gate(loop, 3);
  std::size_t turn = 0;
  std::vector<Step> steps;
  for (int who = 0; who < 20; ++who) spawn(work(gate, turn, who, steps));
  EXPECT_EQ(steps.size(), 3U);
  bool has_ended = false;
  spawn(count_turns(loop, turn, steps, 20, has_ended));
  ASSERT_TRUE(support::run_until(loop, [&] { return steps.size() == 20 && has_ended; }));
  for (int who = 0; who < 20; ++who) EXPECT_EQ(steps[static_cast<std::size_t>(who)].who, who);
  for (std::size_t at = 0; at <= turn; ++at) {
    EXPECT_LE(std::ranges::count(steps, at, &Step::turn), 6) << at;  // counted before or behind it
  }
  EXPECT_GE(turn, 4U);
}

TEST(TurnGate, a_later_turn_begins_anew) {
  Loop loop;
  TurnGate gate(loop, 1);
  std::size_t turn = 0;
  std::vector<Step> steps;
  for (int who = 0; who < 3; ++who) {
    spawn(work(gate, turn, who, steps));
    ASSERT_TRUE(support::run_until(loop, [&] { return std::cmp_equal(steps.size(), who + 1); }));
    support::settle(loop);
  }
}

}  // namespace
}  // namespace sluice::net
