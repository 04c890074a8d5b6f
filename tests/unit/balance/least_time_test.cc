#include "sluice/target/latency.h"
#include "unit/balance/balance_support.h"

namespace sluice::balance::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view name = "least_time";

void answers_after(Subject& subject, std::size_t member, std::chrono::nanoseconds time) {
  target::record_latency(*subject.set.members.at(member).target, time, subject.now);
}

TEST(LeastTime, of_two_idle_members_the_faster_is_chosen) {
  Subject subject(name, {1, 1});
  answers_after(subject, 0, 20ms);
  answers_after(subject, 1, 10ms);
  EXPECT_EQ(subject.count(1'000), (std::vector<std::size_t>{0, 1'000}));
}

TEST(LeastTime, requests_under_way_count_as_much_as_the_time_of_each) {
  Subject subject(name, {1, 1});
  answers_after(subject, 0, 30ms);
  answers_after(subject, 1, 10ms);
  subject.add_active(1, 1);  // 20 ms against 30
  EXPECT_EQ(subject.count(1'000)[0], 0u);
  subject.add_active(1, 2);  // 40 against 30
  EXPECT_EQ(subject.count(1'000)[1], 0u);
}

TEST(LeastTime, work_goes_by_speed_when_there_is_enough_of_it) {
  Subject subject(name, {1, 1, 1, 1});
  for (std::size_t i = 0; i < 4; ++i) answers_after(subject, i, i == 0 ? 40ms : 10ms);
  for (int i = 0; i < 400; ++i) (void)subject.pick_and_hold();
  EXPECT_NEAR(subject.active(0), 400 / 13, 5);
}

TEST(LeastTime, members_of_equal_times_share_by_weight) {
  const std::vector<std::uint32_t> weights{2, 3, 5};
  for (const std::size_t most : {0U, 2'000U}) {
    Subject subject(name, weights);
    for (std::size_t i = 0; i < 3; ++i) answers_after(subject, i, 10ms);
    (void)subject.count_under_way(most, most);
    expect_shares(subject.count_under_way(100'000, most), weights);
  }
}

TEST(LeastTime, a_new_member_is_tried_and_gets_no_second_request_before_it_has_answered) {
  Subject subject(name, {1, 1, 1});
  answers_after(subject, 0, 10ms);
  answers_after(subject, 1, 10ms);
  std::size_t tries = 0;
  for (int i = 0; i < 1'000; ++i) {
    if (subject.pick_and_hold() == 2u) ++tries;
    subject.now += 1ms;
  }
  EXPECT_EQ(tries, 1u);
  answers_after(subject, 2, 10ms);
  EXPECT_GT(subject.count(1'000)[2], 500u);
}

TEST(LeastTime, members_that_nothing_is_known_about_share_by_their_requests) {
  Subject subject(name, {1, 1, 1});
  for (int i = 0; i < 300; ++i) (void)subject.pick_and_hold();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(subject.active(i), 100, 2);
}

// Nobody else would find out that it is well again.
TEST(LeastTime, a_member_that_was_slow_is_asked_again) {
  Subject subject(name, {1, 1, 1});
  for (std::size_t i = 0; i < 3; ++i) answers_after(subject, i, i == 0 ? 5s : 10ms);
  EXPECT_EQ(subject.count(100)[0], 0u);
  int seconds = 0;
  while (subject.count(20)[0] == 0 && seconds < 300) {
    ++seconds;
    subject.now += 1s;
    answers_after(subject, 1, 10ms);
    answers_after(subject, 2, 10ms);
  }
  EXPECT_GE(seconds, 30);
  EXPECT_LE(seconds, 90);  // e^-6.3 of 5 s are 10 ms
  // And when it answers well, it is one of them.
  for (std::size_t i = 0; i < 3; ++i) answers_after(subject, i, 10ms);
  subject.now += 100s;
  for (std::size_t i = 0; i < 3; ++i) answers_after(subject, i, 10ms);
  EXPECT_GT(subject.count_under_way(3'000, 30)[0], 900u);
}

}  // namespace
}  // namespace sluice::balance::testing
