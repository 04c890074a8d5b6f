// The schedule, the states and reloads, with a clock that the test moves and checks that it plays.
#include "sluice/control/health_checker.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "unit/control/health_support.h"

namespace sluice::control::testing {
namespace {

using observe::Metric;
using target::State;

// What the played targets say, by the port that is asked.
struct Script {
  std::map<std::uint16_t, StateReason> answers;  // none: passes
  std::map<std::uint16_t, int> asked;
  bool hangs = false;               // until its timeout
  std::uint16_t hanging_below = 0;  // these ports do so in any case
  int most_at_once = 0;
  int at_once = 0;
};

// Waits on the loop's wheel, as a stream does.
struct Wait {
  explicit Wait(net::Loop& loop) : deadline(loop.deadlines, expire, &slot) {}
  static void expire(void* slot) { static_cast<net::WaitSlot*>(slot)->fire(net::Wake::expired); }
  net::WaitSlot slot;
  net::Deadline deadline;
};

struct Presence {
  explicit Presence(Script& of) : script(of) {
    script.most_at_once = std::max(script.most_at_once, ++script.at_once);
  }
  ~Presence() { --script.at_once; }
  Presence(const Presence&) = delete;
  Presence& operator=(const Presence&) = delete;
  Script& script;
};

class Played final : public health::Check {
 public:
  explicit Played(Script& script) : script_(script) {}
  net::Task<Finding> probe(net::Loop& loop, health::Subject subject,
                           config::Milliseconds timeout) const override {
    const Presence presence(script_);
    ++script_.asked[subject.endpoint.port()];
    if (script_.hangs || subject.endpoint.port() < script_.hanging_below) {
      Wait wait(loop);
      wait.deadline.set(timeout);
      (void)co_await wait.slot.wait();
      co_return Finding{StateReason::timeout, "no answer in time"};
    }
    const StateReason reason = script_.answers[subject.endpoint.port()];
    co_return Finding{reason, reason == StateReason::none ? "" : "as played"};
  }

 private:
  Script& script_;
};

class HealthCheckerTest : public ::testing::Test {
 protected:
  HealthCheckerTest() {
    settings.interval = settings.unhealthy_interval = milliseconds(1'000);
    settings.timeout = milliseconds(500);
    settings.jitter_percent = 0;
    settings.thresholds = {.healthy = 3, .unhealthy = 2};
  }

  // The targets of a group, by port; those that were there before are the same.
  std::shared_ptr<target::TargetSet> set_of(const std::vector<std::uint16_t>& ports,
                                            const std::string& name = "g") {
    auto set = std::make_shared<target::TargetSet>();
    for (const std::uint16_t port : ports) {
      auto& known = targets[port];
      if (known == nullptr) {
        const net::Endpoint endpoint = support::loopback(port);
        known = std::make_shared<target::Target>(name, endpoint.text(), endpoint);
      }
      set->members.push_back({known, 1});
    }
    return set;
  }
  void apply(const std::vector<std::uint16_t>& ports, bool checked = true, bool in_use = true) {
    auto group = std::make_shared<upstream::GroupSettings>();
    group->name = "g";
    group->state = state;
    group->targets = set_of(ports);
    group->in_use = in_use;
    group->slow_start = slow_start;
    state->apply(group->targets, {}, slow_start);
    auto plan = std::make_shared<HealthPlan>();
    plan->groups.push_back({group, checked ? std::make_shared<Played>(script) : nullptr, settings});
    checker.apply(std::move(plan));
  }
  // Several groups that are all checked, by name, with the settings of this moment.
  void apply_groups(const std::map<std::string, std::vector<std::uint16_t>>& groups) {
    auto plan = std::make_shared<HealthPlan>();
    for (const auto& [name, ports] : groups) {
      auto group = std::make_shared<upstream::GroupSettings>();
      group->name = name;
      group->state =
          states.try_emplace(name, std::make_shared<target::GroupState>(name)).first->second;
      group->targets = set_of(ports, name);
      group->in_use = true;
      group->state->apply(group->targets, {}, slow_start);
      plan->groups.push_back({group, std::make_shared<Played>(script), settings});
    }
    checker.apply(std::move(plan));
  }
  // Other members of one group, with all else as `apply_groups` had it.
  void change_members(const std::string& name, const std::vector<std::uint16_t>& ports) {
    auto group = std::make_shared<upstream::GroupSettings>();
    group->name = name;
    group->state = states.at(name);
    group->targets = set_of(ports, name);
    group->state->apply(group->targets, {}, slow_start);
    checker.apply(std::shared_ptr<const upstream::GroupSettings>(std::move(group)));
  }
  static std::vector<std::uint16_t> ports_from(std::uint16_t first, std::uint16_t count) {
    std::vector<std::uint16_t> ports(count);
    std::iota(ports.begin(), ports.end(), first);
    return ports;
  }
  void pass(milliseconds time) {
    for (milliseconds done{0}; done < time; done += milliseconds(20)) {
      support::pass_time(loop, milliseconds(20));
    }
  }
  // To just behind the next check of targets that were asked at the last such time.
  void pass_a_check() { pass(settings.interval); }

  [[nodiscard]] State state_of(std::uint16_t port) { return targets.at(port)->state.load(); }
  [[nodiscard]] StateReason reason_of(std::uint16_t port) {
    return targets.at(port)->reason.load();
  }
  [[nodiscard]] double count(const char* result) const {
    return metrics.sum(Metric::health_checks_total, {"g", result});
  }

  net::Loop loop;
  observe::Registry metrics;
  Script script;
  health::Settings settings;
  milliseconds slow_start{0};
  std::map<std::uint16_t, std::shared_ptr<target::Target>> targets;
  std::shared_ptr<target::GroupState> state = std::make_shared<target::GroupState>("g");
  std::map<std::string, std::shared_ptr<target::GroupState>> states;  // of `apply_groups`
  HealthChecker checker{loop, metrics.add_cells()};
};

TEST_F(HealthCheckerTest, a_new_target_is_initial_and_asked_at_once_and_one_pass_makes_it_healthy) {
  apply({1});
  EXPECT_EQ(state_of(1), State::initial);
  EXPECT_EQ(reason_of(1), StateReason::initial_health_checking);
  pass(milliseconds(40));
  EXPECT_EQ(script.asked[1], 1);
  EXPECT_EQ(state_of(1), State::healthy);
  EXPECT_EQ(reason_of(1), StateReason::none);
  EXPECT_EQ(count("success"), 1);
}

TEST_F(HealthCheckerTest, a_target_falls_and_recovers_at_the_thresholds) {
  apply({1});
  pass(milliseconds(40));
  script.answers[1] = StateReason::response_code_mismatch;
  pass_a_check();
  EXPECT_EQ(state_of(1), State::healthy) << "one failure is not two";
  pass_a_check();
  EXPECT_EQ(state_of(1), State::unhealthy);
  EXPECT_EQ(reason_of(1), StateReason::response_code_mismatch);
  EXPECT_EQ(count("failure"), 2);
  script.answers[1] = StateReason::none;
  pass_a_check();
  pass_a_check();
  EXPECT_EQ(state_of(1), State::unhealthy) << "two passes are not three";
  pass_a_check();
  EXPECT_EQ(state_of(1), State::healthy);
}

TEST_F(HealthCheckerTest, the_reason_is_that_of_the_last_failure) {
  script.answers[1] = StateReason::connection_refused;
  apply({1});
  pass(milliseconds(1'040));
  EXPECT_EQ(state_of(1), State::unhealthy);
  EXPECT_EQ(reason_of(1), StateReason::connection_refused);
  script.answers[1] = StateReason::response_malformed;
  pass_a_check();
  EXPECT_EQ(reason_of(1), StateReason::response_malformed);
}

TEST_F(HealthCheckerTest, the_detail_says_what_the_last_check_found) {
  script.answers[1] = StateReason::connection_refused;
  apply({1});
  const target::Target& target = *targets.at(1);
  ASSERT_NE(checker.detail(target), nullptr);
  EXPECT_EQ(checker.detail(target)->last_check, base::WallTime{});
  pass(milliseconds(40));
  EXPECT_EQ(checker.detail(target)->text, "as played");
  EXPECT_NE(checker.detail(target)->last_check, base::WallTime{});
  script.answers[1] = StateReason::none;
  pass_a_check();
  EXPECT_EQ(checker.detail(target)->text, "");
  apply({});
  EXPECT_EQ(checker.detail(target), nullptr);
}

TEST_F(HealthCheckerTest, the_interval_runs_from_start_to_start) {
  script.hangs = true;  // each check takes 500 ms
  apply({1});
  pass(milliseconds(10'040));
  EXPECT_EQ(script.asked[1], 11);
  EXPECT_EQ(script.most_at_once, 1);
}

TEST_F(HealthCheckerTest, a_target_that_is_not_healthy_is_asked_at_its_own_interval) {
  settings.unhealthy_interval = milliseconds(500);
  script.answers[1] = StateReason::connection_refused;
  apply({1});
  pass(milliseconds(2'040));
  EXPECT_EQ(script.asked[1], 5);
  script.answers[1] = StateReason::none;
  pass(milliseconds(1'500));
  EXPECT_EQ(state_of(1), State::healthy);
  script.asked.clear();
  pass(milliseconds(3'000));
  EXPECT_EQ(script.asked[1], 3);
}

TEST_F(HealthCheckerTest, what_we_could_not_ask_is_not_held_against_the_target) {
  apply({1});
  pass(milliseconds(40));
  script.answers[1] = StateReason::internal_error;
  pass(milliseconds(5'000));
  EXPECT_EQ(state_of(1), State::healthy);
  EXPECT_EQ(count("failure"), 0);
}

TEST_F(HealthCheckerTest, one_timeout_while_the_control_thread_stood_still_is_excused_no_more) {
  settings.thresholds.unhealthy = 1;
  apply({1});
  pass(milliseconds(40));
  script.hangs = true;
  pass(milliseconds(1'000));
  ASSERT_EQ(checker.under_way(), 1U);
  support::pass_time(loop, milliseconds(3'000));  // a reload that waits for a name server
  EXPECT_EQ(checker.under_way(), 0U);
  EXPECT_EQ(state_of(1), State::healthy);
  pass(milliseconds(20));
  ASSERT_EQ(checker.under_way(), 1U);
  support::pass_time(loop, milliseconds(3'000));
  EXPECT_EQ(state_of(1), State::unhealthy);
}

TEST_F(HealthCheckerTest, a_reload_keeps_states_counts_and_the_schedule) {
  apply({1});
  pass(milliseconds(40));
  script.answers[1] = StateReason::response_code_mismatch;
  pass_a_check();
  script.asked.clear();
  apply({1, 2});
  EXPECT_EQ(state_of(1), State::healthy);
  EXPECT_EQ(state_of(2), State::initial);
  pass(milliseconds(40));
  EXPECT_EQ(script.asked[1], 0) << "its next check is due in a second";
  EXPECT_EQ(script.asked[2], 1);
  pass_a_check();
  EXPECT_EQ(state_of(1), State::unhealthy) << "the failure before the reload counts";
}

TEST_F(HealthCheckerTest, new_settings_hold_from_the_next_check_on) {
  settings.interval = settings.unhealthy_interval = milliseconds(3'600'000);
  apply({1});
  pass(milliseconds(40));
  settings.interval = milliseconds(1'000);
  apply({1});
  pass(milliseconds(1'040));
  EXPECT_GE(script.asked[1], 2) << "at some time within the new interval";
  EXPECT_LE(script.asked[1], 3);
}

TEST_F(HealthCheckerTest, a_shorter_interval_does_not_ask_all_targets_at_once) {
  settings.interval = settings.unhealthy_interval = milliseconds(3'600'000);
  const auto ports = ports_from(1, 2000);
  apply(ports);
  pass(milliseconds(20'000));  // so the new interval has passed for all
  ASSERT_EQ(script.asked.size(), 2000U);
  settings.interval = milliseconds(10'000);
  apply(ports);
  script.asked.clear();
  pass(milliseconds(1'000));
  EXPECT_LT(script.asked.size(), 400U) << "a tenth of them is due in a tenth of the interval";
  pass(milliseconds(9'040));
  EXPECT_EQ(script.asked.size(), 2000U);
  script.asked.clear();
  pass(milliseconds(1'000));
  EXPECT_LT(script.asked.size(), 400U) << "and they stay apart";
}

TEST_F(HealthCheckerTest, targets_that_were_new_together_do_not_stay_together) {
  settings.interval = settings.unhealthy_interval = milliseconds(10'000);
  settings.jitter_percent = 50;
  apply(ports_from(1, 1000));
  pass(milliseconds(1'040));
  ASSERT_EQ(script.asked.size(), 1000U);
  script.asked.clear();
  pass(milliseconds(7'000));  // of the ten seconds from 5 to 15 over which the next are spread
  EXPECT_GT(script.asked.size(), 50U);
  EXPECT_LT(script.asked.size(), 500U);
}

TEST_F(HealthCheckerTest, a_target_that_left_is_asked_no_more_and_its_check_is_given_up) {
  script.hangs = true;
  apply({1, 2});
  pass(milliseconds(40));
  EXPECT_EQ(checker.under_way(), 2U);
  EXPECT_EQ(script.at_once, 2);
  apply({2});
  EXPECT_EQ(checker.under_way(), 1U);
  EXPECT_EQ(script.at_once, 1) << "its coroutine has ended, with all it held";
  pass(milliseconds(5'000));
  EXPECT_EQ(script.asked[1], 1);
}

TEST_F(HealthCheckerTest, other_members_of_a_group_leave_everybody_else_alone) {
  apply_groups({{"g", {1, 2}}, {"h", {11}}});
  pass(milliseconds(500));
  change_members("g", {2, 3});
  EXPECT_EQ(state_of(2), State::healthy);
  EXPECT_EQ(state_of(3), State::initial);
  pass(milliseconds(40));
  EXPECT_EQ(script.asked[2], 1) << "its schedule goes on";
  EXPECT_EQ(script.asked[3], 1) << "it is asked at once";
  EXPECT_EQ(state_of(3), State::healthy);
  change_members("g", {3, 4});
  pass(milliseconds(1'000));
  EXPECT_EQ(script.asked[1], 1);
  EXPECT_EQ(script.asked[2], 1);
  EXPECT_EQ(script.asked[3], 2);
  EXPECT_EQ(script.asked[4], 1 + 1);
  EXPECT_EQ(script.asked[11], 2);
  // A plan of a reload takes over from there.
  apply_groups({{"g", {4}}, {"h", {11}}});
  pass(milliseconds(1'000));
  EXPECT_EQ(script.asked[3], 2);
  EXPECT_EQ(script.asked[4], 3);
}

TEST_F(HealthCheckerTest, a_member_that_leaves_has_its_check_given_up) {
  script.hangs = true;
  apply_groups({{"g", {1, 2}}});
  pass(milliseconds(40));
  EXPECT_EQ(checker.under_way(), 2u);
  change_members("g", {2});
  EXPECT_EQ(checker.under_way(), 1u);
  change_members("g", {});
  EXPECT_EQ(checker.under_way(), 0u);
}

TEST_F(HealthCheckerTest, without_checks_a_target_is_healthy_and_nobody_asks) {
  script.answers[1] = StateReason::connection_refused;
  apply({1});
  pass(milliseconds(1'040));
  EXPECT_EQ(state_of(1), State::unhealthy);
  apply({1}, false);
  EXPECT_EQ(state_of(1), State::healthy);
  EXPECT_EQ(reason_of(1), StateReason::health_check_disabled);
  script.asked.clear();
  pass(milliseconds(3'000));
  EXPECT_EQ(script.asked[1], 0);
}

TEST_F(HealthCheckerTest, who_served_unchecked_goes_on_until_a_check_says_otherwise) {
  apply({1}, false);
  script.answers[1] = StateReason::connection_refused;
  apply({1});
  EXPECT_EQ(state_of(1), State::healthy);
  EXPECT_EQ(reason_of(1), StateReason::none);
  pass(milliseconds(1'040));
  EXPECT_EQ(state_of(1), State::unhealthy);
}

TEST_F(HealthCheckerTest, a_group_that_no_rule_uses_is_unused_until_one_does) {
  apply({1}, true, false);
  EXPECT_EQ(state_of(1), State::unused);
  EXPECT_EQ(reason_of(1), StateReason::not_in_use);
  pass(milliseconds(2'000));
  EXPECT_EQ(script.asked[1], 0);
  apply({1});
  EXPECT_EQ(state_of(1), State::initial);
  pass(milliseconds(40));
  EXPECT_EQ(state_of(1), State::healthy);
}

TEST_F(HealthCheckerTest, a_draining_target_that_is_registered_again_begins_anew) {
  apply({1});
  pass(milliseconds(40));
  apply({});
  state->set_state(*targets.at(1), State::draining, StateReason::deregistration_in_progress, false,
                   loop.clock.now(), loop.clock.wall());
  apply({1});
  EXPECT_EQ(state_of(1), State::initial);
}

TEST_F(HealthCheckerTest, targets_registered_together_do_not_start_slowly_but_later_ones_do) {
  slow_start = milliseconds(60'000);
  apply({1, 2});
  pass(milliseconds(40));
  EXPECT_EQ(targets.at(1)->ramp_began.load(), 0);
  EXPECT_EQ(targets.at(2)->ramp_began.load(), 0);
  apply({1, 2, 3});
  pass(milliseconds(40));
  EXPECT_EQ(state_of(3), State::healthy);
  EXPECT_NE(targets.at(3)->ramp_began.load(), 0);
}

TEST_F(HealthCheckerTest, the_same_holds_for_targets_without_checks) {
  slow_start = milliseconds(60'000);
  apply({1, 2}, false);
  EXPECT_EQ(targets.at(1)->ramp_began.load(), 0);
  EXPECT_EQ(targets.at(2)->ramp_began.load(), 0);
  apply({1, 2, 3}, false);
  EXPECT_NE(targets.at(3)->ramp_began.load(), 0);
}

TEST_F(HealthCheckerTest, a_target_that_recovers_starts_slowly_beside_a_healthy_one) {
  slow_start = milliseconds(60'000);
  settings.thresholds = {.healthy = 1, .unhealthy = 1};
  apply({1, 2});
  pass(milliseconds(40));
  script.answers[2] = StateReason::timeout;
  pass_a_check();
  ASSERT_EQ(state_of(2), State::unhealthy);
  script.answers[2] = StateReason::none;
  pass_a_check();
  EXPECT_EQ(state_of(2), State::healthy);
  EXPECT_NE(targets.at(2)->ramp_began.load(), 0);
}

TEST_F(HealthCheckerTest, no_more_than_a_thousand_are_under_way_and_the_rest_get_their_turn) {
  std::vector<std::uint16_t> ports;
  for (std::uint16_t port = 1; port <= 1500; ++port) ports.push_back(port);
  settings.interval = settings.unhealthy_interval = settings.timeout = milliseconds(10'000);
  script.hangs = true;
  apply(ports);
  pass(milliseconds(1'200));
  EXPECT_EQ(checker.under_way(), HealthChecker::checks_max);
  EXPECT_EQ(script.asked.size(), 1000U);
  pass(milliseconds(10'000));
  EXPECT_EQ(script.asked.size(), 1500U);
  EXPECT_EQ(script.most_at_once, static_cast<int>(HealthChecker::checks_max));
}

TEST_F(HealthCheckerTest, a_reload_that_gives_checks_up_makes_room_for_those_that_wait) {
  settings.interval = settings.unhealthy_interval = settings.timeout = milliseconds(3'600'000);
  script.hangs = true;
  const auto staying = ports_from(5'000, 1'100);
  apply_groups({{"leaves", ports_from(1, 1'100)}, {"stays", staying}});
  pass(milliseconds(1'200));
  ASSERT_EQ(checker.under_way(), HealthChecker::checks_max);
  apply_groups({{"stays", staying}});
  EXPECT_LT(checker.under_way(), HealthChecker::checks_max);
  pass(milliseconds(100));
  EXPECT_EQ(checker.under_way(), HealthChecker::checks_max);
}

TEST_F(HealthCheckerTest, a_large_group_that_does_not_answer_leaves_the_others_their_checks) {
  script.hanging_below = 5'000;
  settings.timeout = milliseconds(3'600'000);
  apply_groups({{"dead", ports_from(1, 1'500)}, {"well", ports_from(5'000, 3)}});
  pass(milliseconds(5'200));
  EXPECT_EQ(checker.under_way(), 750U) << "half of all, and its share of the other half";
  EXPECT_GE(script.asked[5'000], 5);
  EXPECT_GE(script.asked[5'002], 4);
  EXPECT_EQ(state_of(5'002), State::healthy);
}

TEST_F(HealthCheckerTest, what_a_group_holds_counts_for_it_when_its_share_grows_and_shrinks) {
  settings.interval = settings.unhealthy_interval = settings.timeout = milliseconds(3'600'000);
  script.hangs = true;
  const auto ports = ports_from(1, 1'500);
  apply_groups({{"a", ports}});
  pass(milliseconds(1'200));
  ASSERT_EQ(checker.under_way(), HealthChecker::checks_max);
  const auto others = ports_from(5'000, 10);
  apply_groups({{"a", ports}, {"b", others}});
  pass(milliseconds(100));
  EXPECT_EQ(script.asked.count(5'000), 0U) << "nothing is given up for a group that is new";
  apply_groups({{"b", others}});
  pass(milliseconds(100));
  EXPECT_EQ(checker.under_way(), 10U);
  checker.stop();
  EXPECT_EQ(checker.under_way(), 0U);
}

TEST_F(HealthCheckerTest, more_groups_than_checks_at_a_time_take_turns) {
  settings.interval = settings.unhealthy_interval = settings.timeout = milliseconds(10'000);
  script.hangs = true;
  std::map<std::string, std::vector<std::uint16_t>> groups;
  for (std::uint16_t port = 1; port <= 1'200; ++port) {
    groups["group " + std::to_string(port)] = {port};
  }
  apply_groups(groups);
  pass(milliseconds(1'200));
  EXPECT_EQ(checker.under_way(), HealthChecker::checks_max);
  pass(milliseconds(10'000));
  EXPECT_EQ(script.asked.size(), 1'200U);
  EXPECT_EQ(script.most_at_once, static_cast<int>(HealthChecker::checks_max));
}

TEST_F(HealthCheckerTest, more_than_a_hundred_new_targets_are_spread_over_a_second) {
  std::vector<std::uint16_t> ports;
  for (std::uint16_t port = 1; port <= 200; ++port) ports.push_back(port);
  apply(ports);
  pass(milliseconds(500));
  EXPECT_GT(script.asked.size(), 80U);
  EXPECT_LT(script.asked.size(), 120U);
  pass(milliseconds(540));
  EXPECT_EQ(script.asked.size(), 200U);
}

TEST_F(HealthCheckerTest, stopping_gives_up_what_is_under_way_and_asks_nobody_any_more) {
  script.hangs = true;
  apply({1, 2});
  pass(milliseconds(40));
  EXPECT_EQ(script.at_once, 2);
  checker.stop();
  EXPECT_EQ(script.at_once, 0);
  script.asked.clear();
  pass(milliseconds(3'000));
  apply({1, 2});
  pass(milliseconds(3'000));
  EXPECT_TRUE(script.asked.empty());
}

}  // namespace
}  // namespace sluice::control::testing
