#include "sluice/upstream/retry_budget.h"

#include <gtest/gtest.h>

namespace sluice::upstream {
namespace {

int taken(RetryBudget& budget) {
  int count = 0;
  while (budget.take_retry()) ++count;
  return count;
}

TEST(RetryBudget, it_begins_full) {
  RetryBudget budget;
  budget.apply(20, 3);
  EXPECT_EQ(taken(budget), 3);
}

TEST(RetryBudget, requests_pay_for_retries) {
  RetryBudget budget;
  budget.apply(20, 3);
  (void)taken(budget);
  for (int i = 0; i < 9; ++i) budget.add_request();
  EXPECT_EQ(taken(budget), 1);
  budget.add_request();
  EXPECT_EQ(taken(budget), 1) << "what was left of the former request counts";
}

TEST(RetryBudget, no_more_than_the_burst_is_kept) {
  RetryBudget budget;
  budget.apply(100, 2);
  for (int i = 0; i < 100; ++i) budget.add_request();
  EXPECT_EQ(taken(budget), 2);
}

TEST(RetryBudget, what_was_not_used_is_given_back) {
  RetryBudget budget;
  budget.apply(0, 1);
  ASSERT_TRUE(budget.take_retry());
  budget.give_back();
  budget.give_back();
  EXPECT_EQ(taken(budget), 1);
}

TEST(RetryBudget, a_reload_does_not_fill_it) {
  RetryBudget budget;
  budget.apply(20, 10);
  (void)taken(budget);
  budget.apply(20, 10);
  EXPECT_EQ(taken(budget), 0);
  budget.apply(100, 10);
  for (int i = 0; i < 5; ++i) budget.add_request();
  budget.apply(100, 3);
  EXPECT_EQ(taken(budget), 3);
}

TEST(RetryBudget, without_a_burst_there_are_no_retries) {
  RetryBudget budget;
  budget.apply(100, 0);
  budget.add_request();
  EXPECT_EQ(taken(budget), 0);
}

}  // namespace
}  // namespace sluice::upstream
