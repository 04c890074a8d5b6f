#include <algorithm>

#include "unit/balance/balance_support.h"

namespace sluice::balance::testing {
namespace {

TEST(RandomTwo, of_two_members_the_one_with_fewer_requests_is_chosen) {
  Subject subject("random_two", {1, 1});
  subject.add_active(0, 1);
  EXPECT_EQ(subject.count(1'000), (std::vector<std::size_t>{0, 1'000}));
}

TEST(RandomTwo, requests_count_by_weight) {
  Subject subject("random_two", {1, 10});
  subject.add_active(0, 1);
  subject.add_active(1, 9);
  EXPECT_EQ(subject.count(1'000)[0], 0u);
  subject.add_active(1, 11);  // 20 for a weight of 10: two for each
  EXPECT_EQ(subject.count(1'000)[1], 0u);
}

TEST(RandomTwo, the_busiest_of_all_is_chosen_never_and_the_others_are) {
  Subject subject("random_two", std::vector<std::uint32_t>(10, 1));
  for (std::size_t i = 0; i < 10; ++i) subject.add_active(i, static_cast<std::int32_t>(i));
  const auto counts = subject.count(10'000);
  EXPECT_EQ(counts[9], 0u);
  for (std::size_t i = 1; i < 9; ++i) EXPECT_GT(counts[i - 1], counts[i]);
}

// The heavy ones are not preferred twice, in the draw and in the comparison.
TEST(RandomTwo, a_light_member_gets_its_share_when_there_is_little_to_do) {
  Subject subject("random_two", {1, 99});
  const auto counts = subject.count_under_way(100'000, 20);
  EXPECT_GT(counts[0], 500u);
  EXPECT_LT(counts[0], 3'000u);
}

TEST(RandomTwo, loads_stay_closer_together_than_by_chance) {
  const auto spread = [](std::string_view name) {
    Subject subject(name, std::vector<std::uint32_t>(100, 1));
    for (int i = 0; i < 20'000; ++i) {
      (void)subject.pick_and_hold();
      if (subject.held() > 1'000) subject.end_any();
    }
    const auto active = subject.all_active();
    const auto [least, most] = std::ranges::minmax(active);
    return most - least;
  };
  EXPECT_LE(spread("random_two"), 8);
  EXPECT_GE(spread("weighted_random"), 10);
}

TEST(RandomTwo, with_one_member_left_it_is_taken_however_busy) {
  Subject subject("random_two", {99'900, 1, 1});
  subject.add_active(2, 1'000'000);
  EXPECT_EQ(subject.pick({subject.member(0), subject.member(1)}), 2u);
}

}  // namespace
}  // namespace sluice::balance::testing
