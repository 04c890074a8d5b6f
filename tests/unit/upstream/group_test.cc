#include "sluice/upstream/group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/streams.h"

namespace sluice::upstream {
namespace {

using observe::Metric;
using Targets = std::vector<std::shared_ptr<target::Target>>;

std::shared_ptr<target::Target> make_target(std::uint16_t port) {
  const net::Endpoint endpoint = support::loopback(port);
  auto target = std::make_shared<target::Target>("group", endpoint.text(), endpoint);
  target->state = target::State::healthy;
  return target;
}

std::shared_ptr<GroupSettings> settings(const Targets& targets, std::uint32_t weight = 1,
                                        std::uint32_t max_idle = 256) {
  auto set = std::make_shared<target::TargetSet>();
  for (const auto& target : targets) set->members.push_back({target, weight});
  static const auto state = std::make_shared<target::GroupState>("group");
  auto made = std::make_shared<GroupSettings>();
  made->name = "group";
  made->state = state;
  made->algorithm = "round_robin";
  made->targets = std::move(set);
  made->pool.max_idle = max_idle;
  return made;
}

struct Fixture {
  net::Loop loop;
  observe::Registry metrics;
  observe::Cells& cells = metrics.add_cells();
};

net::Task<> connect_and_give_back(Pool& pool, bool& done) {
  net::Dialing dialing;
  Leased leased = co_await pool.connect(net::test::long_time, net::test::long_time, dialing);
  EXPECT_NE(leased.connection, nullptr);
  pool.give_back(std::move(leased.connection));
  done = true;
}

void keep_one_idle(net::Loop& loop, Pool& pool) {
  bool done = false;
  net::spawn(connect_and_give_back(pool, done));
  ASSERT_TRUE(support::run_until(loop, [&] { return done; }));
}

std::shared_ptr<Group> make_group(Fixture& fixture, std::shared_ptr<const GroupSettings> with) {
  return std::make_shared<Group>(fixture.loop, fixture.cells, std::move(with));
}

// What a pick for a request like any other chooses; it is over at once.
std::shared_ptr<Pool> pick(Group& group, std::span<const target::Target* const> excluded = {}) {
  const Picked picked = group.pick({.excluded = excluded});
  return picked.reservation.pool();
}

TEST(Group, a_pick_takes_the_targets_in_turn) {
  Fixture fixture;
  const Targets targets{make_target(1), make_target(2), make_target(3)};
  const std::shared_ptr<Group> group = make_group(fixture, settings(targets));
  std::vector<int> picked(3);
  for (int i = 0; i < 9; ++i) {
    const std::shared_ptr<Pool> pool = pick(*group);
    ASSERT_NE(pool, nullptr);
    for (std::size_t j = 0; j < 3; ++j) {
      if (&pool->target() == targets[j].get()) ++picked[j];
    }
  }
  EXPECT_EQ(picked, (std::vector<int>{3, 3, 3}));
}

TEST(Group, an_excluded_target_is_not_picked) {
  Fixture fixture;
  const Targets targets{make_target(1), make_target(2)};
  const std::shared_ptr<Group> group = make_group(fixture, settings(targets));
  const std::vector<const target::Target*> tried{targets[0].get()};
  for (int i = 0; i < 4; ++i) {
    const std::shared_ptr<Pool> pool = pick(*group, tried);
    ASSERT_NE(pool, nullptr);
    EXPECT_EQ(&pool->target(), targets[1].get());
  }
  const std::vector<const target::Target*> all{targets[0].get(), targets[1].get()};
  EXPECT_EQ(pick(*group, all), nullptr);
}

TEST(Group, without_a_target_that_takes_work_there_is_no_pick) {
  Fixture fixture;
  const std::shared_ptr<Group> empty = make_group(fixture, settings({}));
  EXPECT_EQ(pick(*empty), nullptr);
  const std::shared_ptr<Group> weightless = make_group(fixture, settings({make_target(1)}, 0));
  EXPECT_EQ(pick(*weightless), nullptr);
}

TEST(Group, targets_that_stay_keep_their_pools_with_the_connections_in_them) {
  Fixture fixture;
  support::Server server;
  const auto stays = make_target(server.port());
  const auto leaves = make_target(2);
  const auto joins = make_target(3);
  const std::shared_ptr<Group> group = make_group(fixture, settings({leaves, stays}));
  const std::vector<const target::Target*> other{leaves.get()};
  const std::shared_ptr<Pool> before = pick(*group, other);
  keep_one_idle(fixture.loop, *before);
  (void)group->apply(settings({joins, stays}));
  const std::vector<const target::Target*> another{joins.get()};
  EXPECT_EQ(pick(*group, another), before);
  EXPECT_NE(before->take_idle(), nullptr);
  EXPECT_EQ(group->settings().targets->members.size(), 2U);
}

TEST(Group, a_target_that_left_keeps_no_connection) {
  Fixture fixture;
  support::Server server;
  const auto leaves = make_target(server.port());
  const std::shared_ptr<Group> group = make_group(fixture, settings({leaves}));
  const std::shared_ptr<Pool> held = pick(*group);  // as an exchange holds it
  keep_one_idle(fixture.loop, *held);
  EXPECT_EQ(fixture.metrics.sum(Metric::target_connections_idle, {"group"}), 1);
  (void)group->apply(settings({}));
  EXPECT_EQ(fixture.metrics.sum(Metric::target_connections_idle, {"group"}), 0);
  keep_one_idle(fixture.loop, *held);
  EXPECT_EQ(fixture.metrics.sum(Metric::target_connections, {"group"}), 0);
}

TEST(Group, another_target_at_the_same_address_is_another_pool) {
  Fixture fixture;
  const std::shared_ptr<Group> group = make_group(fixture, settings({make_target(1)}));
  const std::shared_ptr<Pool> before = pick(*group);
  (void)group->apply(settings({make_target(1)}));  // its name resolved anew
  EXPECT_NE(pick(*group), before);
}

TEST(Group, new_limits_hold_for_pools_that_stay) {
  Fixture fixture;
  support::Server server;
  const auto target = make_target(server.port());
  const std::shared_ptr<Group> group = make_group(fixture, settings({target}));
  (void)group->apply(settings({target}, 1, 0));
  keep_one_idle(fixture.loop, *pick(*group));
  EXPECT_EQ(fixture.metrics.sum(Metric::target_connections_idle, {"group"}), 0);
}

TEST(Group, closing_what_is_idle_closes_it_in_every_pool) {
  Fixture fixture;
  support::Server one;
  support::Server two;
  const std::shared_ptr<Group> group =
      make_group(fixture, settings({make_target(one.port()), make_target(two.port())}));
  keep_one_idle(fixture.loop, *pick(*group));
  keep_one_idle(fixture.loop, *pick(*group));
  EXPECT_EQ(fixture.metrics.sum(Metric::target_connections_idle, {"group"}), 2);
  group->close_idle();
  EXPECT_EQ(fixture.metrics.sum(Metric::target_connections_idle, {"group"}), 0);
}

TEST(Group, errors_are_counted_by_their_reason) {
  Fixture fixture;
  const std::shared_ptr<Group> group = make_group(fixture, settings({}));
  group->count_connection_error("target_connect_refused");
  EXPECT_EQ(fixture.metrics.sum(Metric::target_connection_errors_total,
                                {"group", "target_connect_refused"}),
            1);
}

// ---------------------------------------------------------------- limits

std::shared_ptr<GroupSettings> limited(const Targets& targets, const config::TargetLimits& limits) {
  std::shared_ptr<GroupSettings> made = settings(targets);
  made->state = std::make_shared<target::GroupState>("group");
  made->limits = limits;
  return made;
}

TEST(Group, a_target_has_no_more_requests_than_it_may) {
  Fixture fixture;
  const Targets targets{make_target(1), make_target(2)};
  const auto group = make_group(fixture, limited(targets, {.max_requests = 1}));
  Picked first = group->pick({});
  const Picked second = group->pick({});
  ASSERT_EQ(first.end, Picked::End::chosen);
  ASSERT_EQ(second.end, Picked::End::chosen);
  EXPECT_NE(first.reservation.pool(), second.reservation.pool());
  EXPECT_EQ(group->pick({}).end, Picked::End::at_limit);
  const Pool* const freed = first.reservation.pool().get();
  first.reservation.release();
  const Picked third = group->pick({});
  ASSERT_EQ(third.end, Picked::End::chosen);
  EXPECT_EQ(third.reservation.pool().get(), freed);
}

TEST(Group, a_limit_holds_over_all_workers_to_the_last_place) {
  constexpr int workers = 4;
  constexpr int rounds = 2000;
  const auto target = make_target(1);
  const std::shared_ptr<const GroupSettings> shared = limited({target}, {.max_requests = 2});
  std::atomic<int> most{0};
  std::atomic<int> now{0};
  std::atomic<int> chosen{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < workers; ++i) {
    threads.emplace_back([&] {
      Fixture fixture;
      const auto group = make_group(fixture, shared);
      for (int round = 0; round < rounds; ++round) {
        const Picked picked = group->pick({});
        if (picked.end != Picked::End::chosen) continue;
        ++chosen;
        const int active = ++now;
        int seen = most.load();
        while (seen < active && !most.compare_exchange_weak(seen, active)) {
        }
        --now;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most.load(), 2);
  EXPECT_GE(chosen.load(), rounds);  // somebody always has it
  EXPECT_EQ(target->active_requests.load(), 0);
}

TEST(Group, targets_at_their_limit_are_not_missing) {
  Fixture fixture;
  const Targets targets{make_target(1), make_target(2)};
  const auto group = make_group(fixture, limited(targets, {.max_requests = 1}));
  const Picked first = group->pick({});
  const std::vector<const target::Target*> other{&first.reservation.pool()->target()};
  const Picked second = group->pick({.excluded = other});
  EXPECT_EQ(second.end, Picked::End::chosen);
  EXPECT_EQ(group->pick({.excluded = other}).end, Picked::End::at_limit);
  const std::vector<const target::Target*> all{targets[0].get(), targets[1].get()};
  EXPECT_EQ(group->pick({.excluded = all}).end, Picked::End::no_target);
}

TEST(Group, a_session_stays_with_its_target_and_waits_for_it) {
  Fixture fixture;
  const Targets targets{make_target(1), make_target(2)};
  const auto group = make_group(fixture, limited(targets, {.max_requests = 1}));
  const std::string& own = targets[1]->id();
  const Picked first = group->pick({.session_target = own});
  ASSERT_EQ(first.end, Picked::End::chosen);
  EXPECT_TRUE(first.kept_session);
  EXPECT_EQ(&first.reservation.pool()->target(), targets[1].get());
  EXPECT_EQ(group->pick({.session_target = own}).end, Picked::End::at_limit);
  EXPECT_EQ(group->pick({}).end, Picked::End::chosen);
}

TEST(Group, a_session_whose_target_is_unwell_goes_elsewhere) {
  Fixture fixture;
  const Targets targets{make_target(1), make_target(2)};
  const auto group = make_group(fixture, limited(targets, {}));
  targets[1]->state = target::State::unhealthy;
  const Picked picked = group->pick({.session_target = targets[1]->id()});
  ASSERT_EQ(picked.end, Picked::End::chosen);
  EXPECT_EQ(&picked.reservation.pool()->target(), targets[0].get());
}

// ---------------------------------------------------------------- ejection

struct Ejecting : Fixture {
  explicit Ejecting(std::uint32_t max_requests = 0)
      : settings(limited(targets, {.max_requests = max_requests})) {
    settings->state->apply(settings->targets, {.ejection_time = config::Milliseconds(200)},
                           config::Milliseconds(0));
    group = make_group(*this, settings);
  }
  void fail(const std::shared_ptr<target::Target>& target) {
    settings->state->report(*target, target::Outcome::failure, false, loop.clock.now());
  }
  void pass(std::chrono::milliseconds time) {
    support::pass_time(loop, time);
    settings->state->advance(loop.clock.now());
  }

  Targets targets{make_target(1), make_target(2), make_target(3)};
  std::shared_ptr<GroupSettings> settings;
  std::shared_ptr<Group> group;
};

TEST(Group, an_ejected_target_is_not_picked_and_comes_back_through_one_probe) {
  Ejecting fixture;
  fixture.fail(fixture.targets[0]);
  for (int i = 0; i < 6; ++i) {
    EXPECT_NE(&pick(*fixture.group)->target(), fixture.targets[0].get());
  }
  fixture.pass(std::chrono::milliseconds(200));
  ASSERT_EQ(fixture.targets[0]->ejection.load(), target::Ejection::probing);
  EXPECT_NE(&pick(*fixture.group)->target(), fixture.targets[0].get()) << "may not be a probe";
  const Picked probe = fixture.group->pick({.may_probe = true});
  ASSERT_TRUE(probe.is_probe);
  EXPECT_EQ(&probe.reservation.pool()->target(), fixture.targets[0].get());
  EXPECT_FALSE(fixture.group->pick({.may_probe = true}).is_probe) << "one at a time";
  fixture.settings->state->report(*fixture.targets[0], target::Outcome::success, true,
                                  fixture.loop.clock.now());
  std::set<const target::Target*> picked;
  for (int i = 0; i < 6; ++i) picked.insert(&pick(*fixture.group)->target());
  EXPECT_EQ(picked.size(), 3U);
}

TEST(Group, a_probe_that_finds_no_room_is_given_back) {
  Ejecting fixture(1);
  const Picked held = fixture.group->pick({.session_target = fixture.targets[0]->id()});
  ASSERT_EQ(held.end, Picked::End::chosen);
  fixture.fail(fixture.targets[0]);
  fixture.pass(std::chrono::milliseconds(200));
  const Picked picked = fixture.group->pick({.may_probe = true});
  EXPECT_FALSE(picked.is_probe);
  EXPECT_FALSE(fixture.targets[0]->probe_taken.load());
}

}  // namespace
}  // namespace sluice::upstream
