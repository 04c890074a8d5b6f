// The rule that all kinds of discovery share, answer by answer.
#include "control/discovery/last_good.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace sluice::control::discovery {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Ids = std::vector<std::string>;

Found found(const std::string& host, bool is_leaving = false) {
  Found one;
  one.endpoint = net::Endpoint::numeric(host, 80).value();
  one.id = one.endpoint.text();
  one.is_leaving = is_leaving;
  return one;
}

Look answer(const Ids& hosts) {
  Look look;
  for (const std::string& host : hosts) look.targets.push_back(found(host));
  return look;
}

Look failure() {
  Look look;
  look.error = "the name server is silent";
  return look;
}

// `10.0.0.1` to `10.0.0.count`.
Ids hosts(std::size_t count, std::size_t first = 1) {
  Ids all;
  for (std::size_t i = 0; i < count; ++i) all.push_back("10.0.0." + std::to_string(first + i));
  return all;
}

class LastGoodTest : public testing::Test {
 protected:
  LastGood::Outcome take(const Look& look) { return last_good_.take(look, now_); }
  [[nodiscard]] Ids ids() const {
    Ids all;
    if (last_good_.members() == nullptr) return all;
    for (const Member& member : *last_good_.members()) {
      all.push_back(member.endpoint.address_text());
    }
    return all;
  }

  base::SteadyTime now_{hours(1)};
  LastGood last_good_{Rule{}};
};

TEST_F(LastGoodTest, the_first_answer_is_the_set) {
  EXPECT_EQ(last_good_.members(), nullptr);
  const auto outcome = take(answer({"10.0.0.2", "10.0.0.1"}));
  EXPECT_EQ(outcome.result, Result::success);
  EXPECT_TRUE(outcome.is_changed);
  EXPECT_EQ(ids(), hosts(2));
}

TEST_F(LastGoodTest, the_same_answer_in_another_order_changes_nothing) {
  (void)take(answer(hosts(3)));
  const SharedMembers before = last_good_.members();
  EXPECT_FALSE(take(answer({"10.0.0.3", "10.0.0.1", "10.0.0.2"})).is_changed);
  EXPECT_EQ(last_good_.members(), before);
}

TEST_F(LastGoodTest, of_two_with_the_same_id_the_first_counts) {
  Look look = answer({"10.0.0.1", "10.0.0.1"});
  look.targets[1].weight = 7;
  (void)take(look);
  ASSERT_EQ(ids(), hosts(1));
  EXPECT_EQ(last_good_.members()->front().weight, 1U);
}

TEST_F(LastGoodTest, another_weight_or_zone_is_a_change) {
  Look look = answer(hosts(1));
  (void)take(look);
  look.targets[0].weight = 7;
  EXPECT_TRUE(take(look).is_changed);
  look.targets[0].zone = "a";
  EXPECT_TRUE(take(look).is_changed);
  EXPECT_FALSE(take(look).is_changed);
}

// --- nothing good -------------------------------------------------------------------------------

TEST_F(LastGoodTest, a_failure_keeps_the_set) {
  (void)take(answer(hosts(2)));
  auto outcome = take(failure());
  EXPECT_EQ(outcome.result, Result::failure);
  EXPECT_TRUE(outcome.begins_hold);
  EXPECT_FALSE(outcome.is_changed);
  EXPECT_TRUE(last_good_.is_held());
  EXPECT_FALSE(take(failure()).begins_hold);
  EXPECT_EQ(ids(), hosts(2));
  outcome = take(answer(hosts(2)));
  EXPECT_TRUE(outcome.ends_hold);
  EXPECT_FALSE(last_good_.is_held());
}

TEST_F(LastGoodTest, an_empty_answer_keeps_the_set_however_often_it_comes) {
  (void)take(answer(hosts(2)));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(take(answer({})).result, Result::empty);
  EXPECT_EQ(ids(), hosts(2));
}

TEST_F(LastGoodTest, an_answer_of_refused_addresses_alone_counts_as_empty) {
  (void)take(answer(hosts(2)));
  const auto outcome = take(answer({"169.254.169.254", "fe80::1"}));
  EXPECT_EQ(outcome.result, Result::empty);
  EXPECT_EQ(outcome.refused, 2U);
  EXPECT_EQ(ids(), hosts(2));
}

TEST_F(LastGoodTest, without_a_set_there_is_nothing_to_hold) {
  EXPECT_FALSE(take(failure()).begins_hold);
  EXPECT_FALSE(last_good_.is_held());
  EXPECT_FALSE(take(answer({})).begins_hold);
}

TEST_F(LastGoodTest, the_set_is_let_go_when_hold_is_over) {
  last_good_.use({.hold = milliseconds(1'000)});
  (void)take(answer(hosts(2)));
  (void)take(failure());
  ASSERT_EQ(last_good_.held_until(), now_ + milliseconds(1'000));
  now_ += milliseconds(999);
  (void)take(answer({}));  // the time goes on
  EXPECT_FALSE(last_good_.expire(now_));
  now_ += milliseconds(1);
  EXPECT_TRUE(last_good_.expire(now_));
  EXPECT_EQ(ids(), Ids());
  EXPECT_FALSE(last_good_.is_held());
  EXPECT_TRUE(take(answer(hosts(1))).is_changed);
  EXPECT_EQ(ids(), hosts(1));
}

TEST_F(LastGoodTest, a_good_answer_ends_the_time_of_hold) {
  last_good_.use({.hold = milliseconds(1'000)});
  (void)take(answer(hosts(2)));
  (void)take(failure());
  now_ += milliseconds(900);
  (void)take(answer(hosts(2)));
  now_ += milliseconds(900);
  EXPECT_FALSE(last_good_.expire(now_));
  (void)take(failure());
  EXPECT_EQ(last_good_.held_until(), now_ + milliseconds(1'000));
}

TEST_F(LastGoodTest, hold_zero_is_for_ever) {
  last_good_.use({.hold = milliseconds(0)});
  (void)take(answer(hosts(2)));
  (void)take(failure());
  EXPECT_FALSE(last_good_.held_until().has_value());
  EXPECT_FALSE(last_good_.expire(now_ + hours(100'000)));
}

// --- shrinking ----------------------------------------------------------------------------------

TEST_F(LastGoodTest, as_much_as_shrink_percent_goes_at_once) {
  (void)take(answer(hosts(10)));
  const auto outcome = take(answer(hosts(5)));
  EXPECT_EQ(outcome.unconfirmed, 0U);
  EXPECT_EQ(ids(), hosts(5));
}

TEST_F(LastGoodTest, more_than_shrink_percent_goes_when_a_second_answer_lacks_it_too) {
  (void)take(answer(hosts(9)));
  auto outcome = take(answer(hosts(4)));
  EXPECT_EQ(outcome.result, Result::success);
  EXPECT_EQ(outcome.unconfirmed, 5U);
  EXPECT_FALSE(outcome.is_changed);
  EXPECT_EQ(ids(), hosts(9));
  outcome = take(answer(hosts(4)));
  EXPECT_EQ(outcome.unconfirmed, 0U);
  EXPECT_TRUE(outcome.is_changed);
  EXPECT_EQ(ids(), hosts(4));
}

TEST_F(LastGoodTest, what_comes_back_in_the_second_answer_stays) {
  (void)take(answer(hosts(9)));
  (void)take(answer(hosts(2)));
  const auto outcome = take(answer(hosts(9)));
  EXPECT_EQ(outcome.unconfirmed, 0U);
  EXPECT_FALSE(outcome.is_changed);
  (void)take(answer(hosts(2)));
  EXPECT_EQ(ids(), hosts(9));  // the first such answer again
}

TEST_F(LastGoodTest, the_second_answer_confirms_only_what_the_first_lacked) {
  (void)take(answer(hosts(8)));
  (void)take(answer(hosts(3)));                    // lacks 4 to 8
  const auto outcome = take(answer(hosts(2, 2)));  // 1 is new among those that are missing
  EXPECT_EQ(outcome.unconfirmed, 1U);
  EXPECT_EQ(ids(), hosts(3));
}

TEST_F(LastGoodTest, new_targets_come_at_once_while_old_ones_wait_for_the_second_answer) {
  (void)take(answer(hosts(3)));
  EXPECT_TRUE(take(answer(hosts(3, 4))).is_changed);
  EXPECT_EQ(ids(), hosts(6));
  (void)take(answer(hosts(3, 4)));
  EXPECT_EQ(ids(), hosts(3, 4));
}

TEST_F(LastGoodTest, a_failure_between_two_answers_changes_nothing_about_the_second) {
  (void)take(answer(hosts(9)));
  EXPECT_EQ(take(answer(hosts(1))).unconfirmed, 8U);
  (void)take(failure());
  EXPECT_EQ(ids(), hosts(9));
  EXPECT_EQ(take(answer(hosts(1))).unconfirmed, 0U);
  EXPECT_EQ(ids(), hosts(1));
}

TEST_F(LastGoodTest, a_share_of_a_hundred_believes_every_answer_that_has_a_target) {
  last_good_.use({.shrink_percent = 100});
  (void)take(answer(hosts(9)));
  (void)take(answer(hosts(1)));
  EXPECT_EQ(ids(), hosts(1));
}

TEST_F(LastGoodTest, with_a_share_of_zero_every_loss_is_confirmed) {
  last_good_.use({.shrink_percent = 0});
  (void)take(answer(hosts(9)));
  (void)take(answer(hosts(8)));
  EXPECT_EQ(ids(), hosts(9));
  (void)take(answer(hosts(8)));
  EXPECT_EQ(ids(), hosts(8));
}

TEST_F(LastGoodTest, who_leaves_is_no_loss_and_is_not_missed_afterwards) {
  (void)take(answer(hosts(4)));
  Look look = answer(hosts(4));
  for (std::size_t i = 1; i < 4; ++i) look.targets[i].is_leaving = true;
  auto outcome = take(look);
  EXPECT_EQ(outcome.unconfirmed, 0U);
  EXPECT_TRUE(outcome.is_changed);
  EXPECT_TRUE(last_good_.members()->back().is_leaving);
  outcome = take(answer(hosts(1)));
  EXPECT_EQ(outcome.unconfirmed, 0U);
  EXPECT_EQ(ids(), hosts(1));
}

TEST_F(LastGoodTest, a_set_of_another_source_is_replaced_by_the_second_good_answer) {
  (void)take(answer(hosts(9)));
  LastGood heir(Rule{}, last_good_.members());
  EXPECT_TRUE(heir.take(failure(), now_).begins_hold);
  EXPECT_EQ(heir.members()->size(), 9U);
  EXPECT_EQ(heir.take(answer({"10.1.0.1"}), now_).unconfirmed, 9U);
  EXPECT_EQ(heir.members()->size(), 10U);
  EXPECT_TRUE(heir.take(answer({"10.1.0.1"}), now_).is_changed);
  EXPECT_EQ(heir.members()->size(), 1U);
}

// --- bounds -------------------------------------------------------------------------------------

TEST_F(LastGoodTest, beyond_max_targets_those_that_are_there_stay_and_new_ones_are_passed_over) {
  last_good_.use({.max_targets = 3});
  (void)take(answer(hosts(3, 5)));
  const auto outcome = take(answer(hosts(9)));
  EXPECT_EQ(outcome.surplus, 6U);
  EXPECT_FALSE(outcome.is_changed);
  EXPECT_EQ(ids(), hosts(3, 5));
}

TEST_F(LastGoodTest, those_that_wait_for_a_second_answer_count_for_max_targets) {
  last_good_.use({.max_targets = 4});
  (void)take(answer(hosts(3)));
  auto outcome = take(answer(hosts(3, 5)));
  EXPECT_EQ(outcome.surplus, 2U);
  EXPECT_EQ(ids(), (Ids{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.5"}));
  outcome = take(answer(hosts(3, 5)));
  EXPECT_EQ(outcome.surplus, 0U);
  EXPECT_EQ(ids(), hosts(3, 5));
}

TEST_F(LastGoodTest, of_two_with_the_same_id_the_one_that_stays_counts) {
  Look look = answer({"10.0.0.1", "10.0.0.1", "10.0.0.1"});
  look.targets[0].is_leaving = true;
  look.targets[1].weight = 7;
  look.targets[2].is_leaving = true;
  (void)take(look);
  ASSERT_EQ(ids(), hosts(1));
  EXPECT_FALSE(last_good_.members()->front().is_leaving);
  EXPECT_EQ(last_good_.members()->front().weight, 7U);
}

TEST_F(LastGoodTest, loopback_is_a_target_where_the_source_may_name_it) {
  const Ids loopback{"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
  last_good_.use({.may_be_loopback = false});
  EXPECT_EQ(take(answer(loopback)).refused, 4U);
  EXPECT_EQ(last_good_.members(), nullptr);
  last_good_.use({.may_be_loopback = true});
  EXPECT_EQ(take(answer(loopback)).refused, 0U);
}

TEST_F(LastGoodTest, some_addresses_are_never_targets) {
  for (const char* host :
       {"169.254.169.254", "169.254.1.2", "::ffff:169.254.169.254", "fe80::1", "febf::1",
        "fd00:ec2::254", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1"}) {
    EXPECT_TRUE(is_refused_address(*net::Endpoint::numeric(host, 80))) << host;
  }
  for (const char* host : {"10.0.0.1", "127.0.0.1", "169.253.1.1", "fd00::1", "2001:db8::1"}) {
    EXPECT_FALSE(is_refused_address(*net::Endpoint::numeric(host, 80))) << host;
  }
  EXPECT_TRUE(is_refused_address(*net::Endpoint::numeric("10.0.0.1", 0)));
  EXPECT_TRUE(is_refused_address(net::Endpoint::unix_path("/run/x.sock")));
  EXPECT_TRUE(is_refused_address(net::Endpoint()));
}

}  // namespace
}  // namespace sluice::control::discovery
