#include <algorithm>
#include <set>

#include "sluice/base/hash.h"
#include "unit/balance/balance_support.h"

namespace sluice::balance::testing {
namespace {

constexpr std::string_view name = "consistent_hash";
constexpr std::uint64_t keys = 20'000;

std::uint64_t hash_of(std::uint64_t key) { return base::hash("client-" + std::to_string(key)); }

std::size_t member_of(Subject& subject, std::uint64_t key,
                      const std::vector<const target::Target*>& excluded = {}) {
  subject.hash = hash_of(key);
  return subject.pick(excluded).value();
}

// The target of each key.
std::vector<const target::Target*> mapping(
    Subject& subject, const std::vector<const target::Target*>& excluded = {}) {
  std::vector<const target::Target*> result;
  for (std::uint64_t key = 0; key < keys; ++key) {
    result.push_back(subject.member(member_of(subject, key, excluded)));
  }
  return result;
}

std::vector<std::size_t> keys_of_members(Subject& subject) {
  std::vector<std::size_t> counts(subject.set.members.size());
  for (std::uint64_t key = 0; key < keys; ++key) ++counts.at(member_of(subject, key));
  return counts;
}

TEST(ConsistentHash, a_key_stays_with_its_member_in_every_worker) {
  const target::TargetSet targets = set_of({1, 1, 1, 1, 1});
  Subject one(name, targets, 1);
  Subject other(name, targets, 2);
  const auto first = mapping(one);
  EXPECT_EQ(mapping(other), first);
  EXPECT_EQ(mapping(one), first);
}

// A restart or an upgrade must not move sessions: these may not change.
TEST(ConsistentHash, keys_belong_where_they_always_have) {
  Subject subject(name, {1, 1, 1, 1, 1});
  std::vector<std::size_t> members;
  for (std::uint64_t key = 0; key < 12; ++key) members.push_back(member_of(subject, key));
  EXPECT_EQ(members, (std::vector<std::size_t>{4, 3, 2, 4, 3, 3, 4, 4, 3, 1, 0, 4}));
}

TEST(ConsistentHash, the_order_of_the_members_does_not_matter) {
  target::TargetSet targets = set_of({1, 2, 1, 3, 1});
  Subject one(name, targets, 1);
  std::ranges::reverse(targets.members);
  Subject other(name, targets, 1);
  EXPECT_EQ(mapping(one), mapping(other));
}

TEST(ConsistentHash, keys_are_spread_by_weight) {
  Subject even(name, std::vector<std::uint32_t>(10, 7));
  expect_shares(keys_of_members(even), std::vector<std::uint32_t>(10, 1), 0.25);
  Subject uneven(name, {1, 2, 3, 4});
  expect_shares(keys_of_members(uneven), {1, 2, 3, 4}, 0.25);
}

TEST(ConsistentHash, light_members_beside_a_heavy_one_have_keys_too) {
  std::vector<std::uint32_t> weights(21, 1);
  weights[0] = 999;
  Subject subject(name, weights);
  const auto counts = keys_of_members(subject);
  EXPECT_GT(counts[0], keys * 95 / 100);
  EXPECT_LT(counts[0], keys);
}

TEST(ConsistentHash, without_a_key_the_choice_is_random_by_weight) {
  Subject subject(name, {2, 3, 5});
  expect_shares(subject.count(100'000), {2, 3, 5});
}

TEST(ConsistentHash, when_a_member_leaves_only_its_keys_move) {
  target::TargetSet targets = set_of(std::vector<std::uint32_t>(10, 1));
  Subject before(name, targets, 1);
  const target::Target* gone = before.member(3);
  targets.members.erase(targets.members.begin() + 3);
  Subject after(name, targets, 1);
  const auto former = mapping(before);
  const auto latter = mapping(after);
  std::set<const target::Target*> heirs;
  for (std::size_t key = 0; key < keys; ++key) {
    if (former[key] == gone) {
      heirs.insert(latter[key]);
    } else {
      ASSERT_EQ(former[key], latter[key]) << "key " << key;
    }
  }
  EXPECT_EQ(heirs.size(), 9u);  // not all to one neighbour
}

TEST(ConsistentHash, when_a_member_comes_it_gets_about_its_share_and_nothing_else_moves) {
  target::TargetSet targets = set_of(std::vector<std::uint32_t>(10, 1));
  Subject after(name, targets, 1);
  targets.members.pop_back();
  Subject before(name, targets, 1);
  const auto former = mapping(before);
  const auto latter = mapping(after);
  std::size_t moved = 0;
  for (std::size_t key = 0; key < keys; ++key) {
    if (former[key] == latter[key]) continue;
    ASSERT_EQ(latter[key], after.member(9));
    ++moved;
  }
  EXPECT_GT(moved, keys / 10 * 3 / 4);
  EXPECT_LT(moved, keys / 10 * 5 / 4);
}

// Slow start: weights are hundredfold, and one is lower than the others.
TEST(ConsistentHash, lowering_the_weight_of_one_moves_its_keys_only) {
  target::TargetSet targets = set_of({1, 1, 1, 1});
  Subject before(name, targets, 1);
  for (auto& member : targets.members) member.weight = 100;
  targets.members[2].weight = 10;
  Subject after(name, targets, 1);
  const auto former = mapping(before);
  const auto latter = mapping(after);
  std::size_t left = 0;
  for (std::size_t key = 0; key < keys; ++key) {
    if (latter[key] == after.member(2)) ++left;
    if (former[key] != before.member(2)) ASSERT_EQ(former[key], latter[key]);
  }
  EXPECT_GT(left, keys / 100);
  EXPECT_LT(left, keys / 20);
}

TEST(ConsistentHash, keys_of_an_excluded_member_go_where_they_would_if_it_had_left) {
  target::TargetSet targets = set_of(std::vector<std::uint32_t>(6, 1));
  Subject all(name, targets, 1);
  const target::Target* excluded = all.member(2);
  targets.members.erase(targets.members.begin() + 2);
  Subject without(name, targets, 1);
  EXPECT_EQ(mapping(all, {excluded}), mapping(without));
}

TEST(ConsistentHash, when_nearly_the_whole_ring_is_excluded_the_rest_is_found) {
  std::vector<std::uint32_t> weights(21, 1);
  weights[0] = 99'900;
  Subject subject(name, weights);
  std::set<std::size_t> found;
  for (std::uint64_t key = 0; key < 1'000; ++key) {
    const std::size_t member = member_of(subject, key, {subject.member(0)});
    ASSERT_NE(member, 0u);
    ASSERT_EQ(member_of(subject, key, {subject.member(0)}), member);
    found.insert(member);
  }
  EXPECT_GT(found.size(), 15u);
}

TEST(ConsistentHash, a_favourite_key_does_not_get_more_than_a_quarter_over_the_mean) {
  Subject subject(name, {1, 1, 2, 4});
  subject.hash = hash_of(1);
  constexpr std::size_t requests = 4'000;
  for (std::size_t i = 0; i < requests; ++i) ASSERT_TRUE(subject.pick_and_hold().has_value());
  const auto active = subject.all_active();
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_LE(active[i], 1 + 1.25 * requests * subject.set.members[i].weight / 8) << i;
  }
}

TEST(ConsistentHash, loads_of_all_workers_count) {
  const target::TargetSet targets = set_of({1, 1, 1, 1});
  Subject one(name, targets, 1);
  Subject other(name, targets, 2);
  one.hash = hash_of(1);
  other.hash = hash_of(1);
  for (int i = 0; i < 500; ++i) {
    (void)one.pick_and_hold();
    (void)other.pick_and_hold();
  }
  for (const std::int32_t active : one.all_active()) EXPECT_LE(active, 1 + 1'000 * 5 / 16);
}

TEST(ConsistentHash, a_key_comes_back_to_its_member_when_the_load_is_gone) {
  Subject subject(name, {1, 1, 1, 1});
  const std::size_t home = member_of(subject, 1);
  subject.add_active(home, 1'000);
  EXPECT_NE(member_of(subject, 1), home);
  subject.add_active(home, -1'000);
  EXPECT_EQ(member_of(subject, 1), home);
}

// A browser with several connections to a quiet site stays with its target.
TEST(ConsistentHash, a_few_requests_at_a_time_of_one_client_stay_together) {
  Subject subject(name, {1, 1, 1, 1});
  subject.hash = hash_of(1);
  const std::size_t home = subject.pick().value();
  for (int i = 0; i < 8; ++i) ASSERT_EQ(subject.pick_and_hold(), home);
}

TEST(ConsistentHash, with_everybody_full_somebody_is_found) {
  Subject subject(name, std::vector<std::uint32_t>(100, 1));
  for (std::size_t i = 0; i < 100; ++i) subject.add_active(i, 50);
  subject.hash = hash_of(1);
  EXPECT_TRUE(subject.pick().has_value());
  // Of these, nothing is known yet.
  for (std::size_t i = 0; i < 100; ++i) subject.add_active(i, 100'000);
  EXPECT_TRUE(subject.pick().has_value());
}

TEST(ConsistentHash, a_thousand_members_of_any_weight_have_a_ring) {
  std::vector<std::uint32_t> weights(1'000, 999);
  for (std::size_t i = 0; i < 500; ++i) weights[i] = 1 + static_cast<std::uint32_t>(i);
  Subject subject(name, weights);
  const auto counts = keys_of_members(subject);
  EXPECT_GT(std::accumulate(counts.begin() + 500, counts.end(), 0UL), keys * 7 / 10);
}

TEST(ConsistentHash, no_load_moves_a_session) {
  Subject subject("consistent_hash", {1, 1, 1});
  const PickHint session{.hash = 42, .is_session = true};
  const std::optional<std::size_t> home = subject.balancer->pick(subject.set, session);
  ASSERT_TRUE(home.has_value());
  subject.add_active(*home, 1'000);
  EXPECT_EQ(subject.balancer->pick(subject.set, session), home);
  const PickHint request{.hash = 42};
  EXPECT_NE(subject.balancer->pick(subject.set, request), home);
}

}  // namespace
}  // namespace sluice::balance::testing
