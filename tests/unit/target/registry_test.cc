#include "sluice/target/registry.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::target {
namespace {

net::Endpoint endpoint(std::uint16_t port) { return *net::Endpoint::numeric("127.0.0.1", port); }

TEST(Registry, a_target_is_found_again_with_its_live_state) {
  Registry registry;
  const auto first = registry.find_or_make("api", "a:1", endpoint(1));
  first->active_requests = 7;
  const auto again = registry.find_or_make("api", "a:1", endpoint(1));
  EXPECT_EQ(again, first);
  EXPECT_EQ(again->active_requests, 7);
  EXPECT_EQ(again->group(), "api");
  EXPECT_EQ(again->id(), "a:1");
  EXPECT_EQ(again->endpoint(), endpoint(1));
}

TEST(Registry, the_same_address_in_two_groups_is_two_targets) {
  Registry registry;
  const auto api = registry.find_or_make("api", "a:1", endpoint(1));
  const auto web = registry.find_or_make("web", "a:1", endpoint(1));
  EXPECT_NE(api, web);
}

TEST(Registry, names_do_not_run_into_each_other) {
  Registry registry;
  const auto one = registry.find_or_make("a", "bc", endpoint(1));
  const auto other = registry.find_or_make("ab", "c", endpoint(1));
  EXPECT_NE(one, other);
}

TEST(Registry, a_name_that_resolves_anew_is_another_target) {
  Registry registry;
  const auto before = registry.find_or_make("api", "app.internal:1", endpoint(1));
  const auto after = registry.find_or_make("api", "app.internal:1", endpoint(2));
  EXPECT_NE(after, before);
  EXPECT_EQ(before->endpoint(), endpoint(1));
  EXPECT_EQ(registry.find_or_make("api", "app.internal:1", endpoint(2)), after);
}

// A configuration that is refused after its names were resolved: the next one that is good must not
// make the target of the one in force a second time.
TEST(Registry, the_former_target_of_a_name_is_found_again_while_it_lives) {
  Registry registry;
  const auto in_force = registry.find_or_make("api", "app.internal:1", endpoint(1));
  std::weak_ptr<Target> refused = registry.find_or_make("api", "app.internal:1", endpoint(2));
  EXPECT_TRUE(refused.expired());
  EXPECT_EQ(registry.find_or_make("api", "app.internal:1", endpoint(1)), in_force);
}

TEST(Registry, it_keeps_no_target_alive) {
  Registry registry;
  std::weak_ptr<Target> watch = registry.find_or_make("api", "a:1", endpoint(1));
  EXPECT_TRUE(watch.expired());
}

TEST(Registry, the_dead_are_forgotten) {
  Registry registry;
  const auto living = registry.find_or_make("api", "living", endpoint(1));
  for (int i = 0; i < 10'000; ++i) {
    (void)registry.find_or_make("api", std::to_string(i), endpoint(1));
    ASSERT_LE(registry.size(), 65u);
  }
  EXPECT_EQ(registry.find_or_make("api", "living", endpoint(1)), living);
}

TEST(Registry, the_state_of_a_group_is_found_again_while_somebody_holds_it) {
  Registry registry;
  std::shared_ptr<GroupState> api = registry.group("api");
  EXPECT_EQ(api->name(), "api");
  EXPECT_EQ(registry.group("api"), api);
  EXPECT_NE(registry.group("web"), api);
  EXPECT_EQ(registry.group("api"), api);
  const std::weak_ptr<GroupState> watch = api;
  api.reset();
  EXPECT_TRUE(watch.expired());
  EXPECT_EQ(registry.group("api")->generation(), 1u);
}

TEST(Target, its_live_cells_have_a_cache_line_of_their_own) {
  const auto target = std::make_shared<Target>("api", "a:1", endpoint(1));
  const auto identity = reinterpret_cast<std::uintptr_t>(&target->endpoint());
  const auto cells = reinterpret_cast<std::uintptr_t>(&target->weight);
  EXPECT_EQ(cells % Target::cache_line, 0u);
  EXPECT_LE(identity + sizeof(net::Endpoint), cells);
  EXPECT_EQ(sizeof(Target) % Target::cache_line, 0u);
  const auto counters = reinterpret_cast<std::uintptr_t>(&target->active_requests);
  EXPECT_EQ(counters % Target::cache_line, 0u);
  EXPECT_LT(reinterpret_cast<std::uintptr_t>(&target->probe_taken), counters);
}

}  // namespace
}  // namespace sluice::target
