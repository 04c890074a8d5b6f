#include <algorithm>
#include <thread>

#include "unit/balance/balance_support.h"

namespace sluice::balance::testing {
namespace {

constexpr std::string_view name = "least_outstanding_requests";

std::int32_t spread(const std::vector<std::int32_t>& counts) {
  const auto [least, most] = std::ranges::minmax(counts);
  return most - least;
}

TEST(LeastOutstandingRequests, the_member_with_the_fewest_requests_is_chosen) {
  Subject subject(name, {1, 1, 1});
  subject.add_active(0, 2);
  subject.add_active(1, 1);
  subject.add_active(2, 3);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(subject.pick(), 1u);
}

TEST(LeastOutstandingRequests, members_of_equal_load_follow_each_other_in_order) {
  Subject subject(name, {4, 4, 4});
  const std::size_t first = subject.pick().value();
  for (std::size_t i = 1; i < 12; ++i) EXPECT_EQ(subject.pick(), (first + i) % 3);
}

TEST(LeastOutstandingRequests, of_equals_the_one_chosen_longest_ago_is_next) {
  Subject subject(name, {1, 1, 1, 1});
  std::vector<std::size_t> last_chosen(4);
  std::mt19937_64 random(3);
  for (std::size_t i = 1; i < 2'000; ++i) {
    const auto active = subject.all_active();
    const std::int32_t least = *std::ranges::min_element(active);
    const std::size_t picked = subject.pick_and_hold().value();
    ASSERT_EQ(active[picked], least) << "pick " << i;
    for (std::size_t m = 0; m < 4 && i > 100; ++m) {
      if (active[m] == least) ASSERT_LE(last_chosen[picked], last_chosen[m]) << "pick " << i;
    }
    last_chosen[picked] = i;
    while (subject.held() > random() % 12) subject.end_any();
  }
}

// One that answers at once takes all while the others are stuck, and gets no more than it must.
TEST(LeastOutstandingRequests, a_member_that_is_stuck_gets_nothing_while_another_is_free) {
  Subject subject(name, std::vector<std::uint32_t>(8, 1));
  for (std::size_t i = 1; i < 8; ++i) subject.add_active(i, 1);
  EXPECT_EQ(subject.count(10'000)[0], 10'000u);
}

TEST(LeastOutstandingRequests, a_few_free_ones_among_a_thousand_share_the_work) {
  Subject subject(name, std::vector<std::uint32_t>(1'000, 1));
  for (std::size_t i = 0; i < 1'000; ++i) subject.add_active(i, i % 100 == 0 ? 0 : 1);
  const auto counts = subject.count(10'000);
  for (std::size_t i = 0; i < 1'000; i += 100) EXPECT_EQ(counts[i], 1'000u) << i;
}

TEST(LeastOutstandingRequests, requests_count_by_weight) {
  Subject subject(name, {1, 10});
  subject.add_active(0, 2);
  subject.add_active(1, 9);
  EXPECT_EQ(subject.count(100)[1], 100u);
  subject.add_active(1, 22);  // 31 for a weight of 10
  EXPECT_EQ(subject.count(100)[0], 100u);
}

TEST(LeastOutstandingRequests, a_light_member_gets_about_its_share_however_little_there_is_to_do) {
  for (const std::size_t most : {0U, 1U, 2U, 5U, 20U, 100U}) {
    Subject subject(name, {1, 3});
    (void)subject.count_under_way(most, most);
    const auto counts = subject.count_under_way(10'000, most);
    EXPECT_GT(counts[0], 1'900u) << most;
    EXPECT_LT(counts[0], 3'600u) << most;
  }
}

TEST(LeastOutstandingRequests, a_request_sent_by_another_worker_is_seen_at_the_next_pick) {
  Subject subject(name, std::vector<std::uint32_t>(100, 1));
  (void)subject.count(1'000);
  for (int i = 0; i < 100; ++i) {
    // All but one get busy behind its back, a few at a time.
    const std::size_t next = subject.pick().value();
    for (std::size_t m = 0; m < 20; ++m) subject.add_active((next + m) % 100, 1);
    const std::size_t picked = subject.pick().value();
    ASSERT_TRUE((picked + 100 - next) % 100 >= 20) << "member " << picked;
    for (std::size_t m = 0; m < 20; ++m) subject.add_active((next + m) % 100, -1);
    (void)subject.count(25);
  }
}

TEST(LeastOutstandingRequests, a_request_that_ended_elsewhere_is_seen_before_long) {
  Subject subject(name, std::vector<std::uint32_t>(100, 1));
  for (std::size_t i = 0; i < 100; ++i) subject.add_active(i, 5);
  (void)subject.count(1'000);
  subject.add_active(42, -5);
  const auto counts = subject.count(25 + 100);
  EXPECT_GE(counts[42], 100u);
}

TEST(LeastOutstandingRequests, what_was_excluded_for_long_is_not_flooded) {
  Subject subject(name, {1, 1, 1});
  (void)subject.count(10'000, {subject.member(1)});
  EXPECT_LE(subject.count(30)[1], 11u);
}

TEST(LeastOutstandingRequests, the_excluded_one_is_next_afterwards_when_it_was_its_turn) {
  Subject subject(name, {1, 1, 1});
  const std::size_t first = subject.pick().value();
  const std::size_t second = (first + 1) % 3;
  EXPECT_EQ(subject.pick({subject.member(second)}), (first + 2) % 3);
  EXPECT_EQ(subject.pick(), second);
}

TEST(LeastOutstandingRequests, counts_stay_balanced_when_two_workers_choose) {
  for (const std::size_t n : {2U, 3U, 10U, 64U}) {
    const target::TargetSet targets = set_of(std::vector<std::uint32_t>(n, 1));
    Subject one(name, targets, 1);
    Subject other(name, targets, 2);
    std::mt19937_64 random(3);
    std::int32_t widest = 0;
    for (int i = 0; i < 20'000; ++i) {
      Subject& worker = random() % 2 == 0 ? one : other;
      (void)worker.pick_and_hold();
      if (worker.held() > 5 * n) worker.end_oldest();
      if (i > 10'000) widest = std::max(widest, spread(one.all_active()));
    }
    EXPECT_LE(widest, n <= 4 ? 2 : 6) << n;
  }
}

// What one worker has under way, the other makes up for.
TEST(LeastOutstandingRequests, a_worker_evens_out_what_another_sent_one_sidedly) {
  const target::TargetSet targets = set_of({1, 1, 1, 1});
  Subject one(name, targets, 1);
  Subject other(name, targets, 2);
  for (int i = 0; i < 12; ++i) {
    (void)one.pick_and_hold({one.member(1), one.member(2), one.member(3)});
  }
  for (int i = 0; i < 36; ++i) (void)other.pick_and_hold();
  EXPECT_EQ(one.all_active(), std::vector<std::int32_t>(4, 12));
}

TEST(LeastOutstandingRequests, workers_on_threads_of_their_own_keep_the_counts) {
  const target::TargetSet targets = set_of(std::vector<std::uint32_t>(8, 1));
  const auto work = [&targets](std::uint64_t seed) {
    Subject worker(name, targets, seed);
    (void)worker.count_under_way(20'000, 40);
    while (worker.held() > 0) worker.end_oldest();
  };
  std::thread one(work, 1);
  std::thread other(work, 2);
  one.join();
  other.join();
  for (const auto& member : targets.members) EXPECT_EQ(member.target->active_requests, 0);
}

TEST(LeastOutstandingRequests, weighted_round_robin_among_the_idle_is_exact) {
  Subject subject(name, {5, 3, 2});
  (void)subject.count(100);
  const auto counts = subject.count(10'000);
  EXPECT_NEAR(static_cast<double>(counts[0]), 5'000, 3);
  EXPECT_NEAR(static_cast<double>(counts[1]), 3'000, 3);
  EXPECT_NEAR(static_cast<double>(counts[2]), 2'000, 3);
}

// Virtual time starts again meanwhile.
TEST(LeastOutstandingRequests, shares_are_the_same_after_millions_of_picks) {
  Subject subject(name, {2, 1});
  (void)subject.count(3'200'000);
  expect_shares(subject.count(30'000), {2, 1}, 0.001);
}

TEST(LeastOutstandingRequests, a_count_below_zero_is_none) {
  Subject subject(name, {1, 1});
  subject.add_active(0, -1);
  expect_shares(subject.count(1'000), {1, 1});
}

}  // namespace
}  // namespace sluice::balance::testing
