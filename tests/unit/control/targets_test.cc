// Targets that come, leave and are ejected, with a clock that the test moves.
#include "sluice/control/targets.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/load.h"
#include "sluice/observe/log.h"
#include "support/peer.h"

namespace sluice::control {
namespace {

using observe::Metric;
using std::chrono::milliseconds;
using target::Outcome;
using target::State;
using target::StateReason;

class TargetsTest : public ::testing::Test {
 protected:
  // The first half of a reload: the workers do not have it yet. `groups` is what stands below
  // `target_groups:`; the group g is in use.
  void apply(const std::string& groups) {
    const std::string yaml =
        "listeners:\n"
        "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: g } }\n"
        "target_groups:\n" +
        groups;
    config::Problems problems;
    auto model = config::load_text(yaml, "f", problems);
    ASSERT_TRUE(model.has_value()) << text_of(problems);
    TargetsPlan plan;
    snapshot_ = proxy::build_snapshot(
        std::move(*model), snapshot_.get(), registry_, keys_, problems,
        [&](const proxy::Snapshot& built) { plan = Targets::prepare(built, problems); });
    ASSERT_NE(snapshot_, nullptr) << text_of(problems);
    testing::internal::CaptureStderr();
    targets_.apply(plan);
    log_ += testing::internal::GetCapturedStderr();
  }
  void load(const std::string& groups) {
    apply(groups);
    testing::internal::CaptureStderr();
    targets_.in_force(snapshot_->revision);
    log_ += testing::internal::GetCapturedStderr();
  }
  void pass_time(milliseconds time) {
    testing::internal::CaptureStderr();
    support::pass_time(loop_, time);
    log_ += testing::internal::GetCapturedStderr();
  }
  static std::string text_of(const config::Problems& problems) {
    std::string out;
    for (const config::Problem& problem : problems.sorted()) out += problem.text() + '\n';
    return out;
  }

  static std::string group(const std::string& targets, const std::string& more = {},
                           const std::string& name = "g") {
    return "  - { name: " + name + ", targets: [" + targets + "]" + more + " }\n";
  }

  // The living one, as the snapshot has it.
  target::Target& at(std::size_t index) {
    return *snapshot_->groups.front()->targets->members.at(index).target;
  }
  target::GroupState& state() { return *snapshot_->groups.front()->state; }
  std::vector<TargetStatus> status(std::string_view name = "g") {
    return targets_.targets(name).value_or(std::vector<TargetStatus>());
  }
  [[nodiscard]] std::vector<std::string> types() const {
    std::vector<std::string> all;
    for (const Event& event : events_.all()) all.emplace_back(event.type);
    return all;
  }
  [[nodiscard]] std::string last_field(std::string_view name) const {
    for (const auto& [key, value] : events_.all().back().fields) {
      const auto* text = std::get_if<std::string>(&value);
      if (key == name && text != nullptr) return *text;
    }
    return {};
  }
  [[nodiscard]] double count(Metric metric, observe::LabelValues labels) const {
    return metrics_.sum(metric, labels);
  }
  [[nodiscard]] bool has_logged(std::string_view line) const {
    return log_.find(line) != std::string::npos;
  }

  net::Loop loop_;
  observe::Registry metrics_;
  observe::Cells& cells_ = metrics_.add_cells();
  Events events_;
  target::Registry registry_;
  net::TicketKeys keys_;
  std::shared_ptr<const proxy::Snapshot> snapshot_;
  Targets targets_{loop_, cells_, events_};
  std::string log_;
};

constexpr const char* two = "\"127.0.0.1:1\", \"127.0.0.1:2\"";
constexpr const char* one = "\"127.0.0.1:1\"";

// --- arriving -----------------------------------------------------------------------------------

TEST_F(TargetsTest, states_are_set_before_the_workers_have_the_snapshot) {
  apply(group(two) + group(one, "", "idle"));
  EXPECT_EQ(at(0).state, State::healthy);
  const std::vector<TargetStatus> all = status();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id, "127.0.0.1:1");
  EXPECT_EQ(all[0].state, State::healthy);
  EXPECT_EQ(all[0].reason, StateReason::health_check_disabled);
  EXPECT_TRUE(all[0].since.has_value());
  EXPECT_FALSE(all[0].last_check.has_value());
  EXPECT_FALSE(all[0].deregistration_remaining.has_value());
  EXPECT_EQ(status("idle").at(0).state, State::unused);
  EXPECT_EQ(count(Metric::targets, {"g", "healthy"}), 2);
  EXPECT_EQ(count(Metric::targets, {"idle", "unused"}), 1);
  EXPECT_EQ(count(Metric::target_state_changes_total, {"g", "healthy"}), 2);
}

TEST_F(TargetsTest, states_without_targets_show_zero) {
  load(group(two));
  const std::string text = metrics_.render();
  for (const char* state : {"initial", "unhealthy", "draining", "unused"}) {
    EXPECT_NE(
        text.find("sluice_targets{target_group=\"g\",state=\"" + std::string(state) + "\"} 0"),
        std::string::npos)
        << text;
  }
  EXPECT_NE(text.find("sluice_targets_ejected{target_group=\"g\"} 0"), std::string::npos);
}

TEST_F(TargetsTest, groups_tell_what_they_are) {
  load(group(one, ", algorithm: least_time, stickiness: { type: lb_cookie }") +
       group("", "", "empty"));
  const std::vector<GroupStatus> all = targets_.groups();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].name, "g");
  EXPECT_EQ(all[0].algorithm, "least_time");
  EXPECT_EQ(all[0].stickiness, config::StickinessType::lb_cookie);
  EXPECT_TRUE(all[0].in_use);
  EXPECT_FALSE(all[0].is_https);
  EXPECT_FALSE(all[0].fails_open);
  EXPECT_EQ(all[0].by_state[static_cast<std::size_t>(State::healthy)], 1u);
  EXPECT_EQ(all[1].name, "empty");
  EXPECT_FALSE(all[1].in_use);
  EXPECT_FALSE(targets_.group("other").has_value());
  EXPECT_FALSE(targets_.targets("other").has_value());
}

TEST_F(TargetsTest, a_group_that_nobody_has_found_healthy_fails_open) {
  load(group(two, ", health_check: { interval: 1h, timeout: 1h }"));
  EXPECT_EQ(at(0).state, State::initial);
  EXPECT_TRUE(targets_.group("g")->fails_open);
  targets_.stop();
}

TEST_F(TargetsTest, a_reload_that_changes_nothing_leaves_the_workers_turns_alone) {
  load(group(two));
  const std::uint64_t generation = state().generation();
  load(group(two));
  EXPECT_EQ(state().generation(), generation);
}

TEST_F(TargetsTest, what_is_wrong_with_health_checks_is_said_with_everything_else) {
  config::Problems problems;
  auto model = config::load_text(
      "listeners:\n"
      "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: nobody } }\n"
      "target_groups:\n"
      "  - { name: g, targets: [\"127.0.0.1:1\"], health_check: { interval: 1ms } }\n",
      "f", problems);
  ASSERT_TRUE(model.has_value()) << text_of(problems);
  const auto snapshot = proxy::build_snapshot(
      std::move(*model), nullptr, registry_, keys_, problems,
      [&](const proxy::Snapshot& built) { (void)Targets::prepare(built, problems); });
  EXPECT_EQ(snapshot, nullptr);
  EXPECT_NE(text_of(problems).find("nobody"), std::string::npos) << text_of(problems);
  EXPECT_NE(text_of(problems).find("interval"), std::string::npos) << text_of(problems);
}

// --- leaving ------------------------------------------------------------------------------------

TEST_F(TargetsTest, a_target_that_left_serves_until_every_worker_knows_and_drains_then) {
  load(group(two));
  const std::shared_ptr<target::Target> left = at(1).shared_from_this();
  left->active_requests = 1;
  apply(group(one));
  EXPECT_EQ(left->state, State::healthy);
  targets_.in_force(snapshot_->revision - 1);
  EXPECT_EQ(left->state, State::healthy);
  targets_.in_force(snapshot_->revision);
  EXPECT_EQ(left->state, State::draining);
  ASSERT_EQ(status().size(), 2u);
  EXPECT_EQ(status()[1].reason, StateReason::deregistration_in_progress);
  EXPECT_EQ(status()[1].active_requests, 1);
  EXPECT_EQ(status()[1].deregistration_remaining, std::chrono::seconds(300));
  EXPECT_EQ(count(Metric::targets, {"g", "draining"}), 1);
  EXPECT_EQ(count(Metric::targets, {"g", "healthy"}), 1);
  EXPECT_EQ(last_field("state"), "draining");
}

TEST_F(TargetsTest, a_target_that_left_goes_when_it_stays_idle) {
  load(group(two));
  at(1).active_requests = 1;
  const std::shared_ptr<target::Target> left = at(1).shared_from_this();
  load(group(one));
  EXPECT_TRUE(
      has_logged("target g 127.0.0.1:2 is draining: Target.DeregistrationInProgress "
                 "(was healthy)"));
  for (int i = 0; i < 20; ++i) pass_time(Targets::interval);
  EXPECT_EQ(status().size(), 2u);
  left->active_requests = 0;
  pass_time(Targets::interval);
  EXPECT_EQ(status().size(), 2u);  // it may be between two tries
  pass_time(Targets::interval);
  EXPECT_EQ(status().size(), 1u);
  EXPECT_EQ(types().back(), "target_gone");
  EXPECT_EQ(last_field("reason"), "idle");
  EXPECT_TRUE(has_logged("target g 127.0.0.1:2 is gone: nothing was under way"));
  EXPECT_EQ(count(Metric::targets, {"g", "draining"}), 0);
}

TEST_F(TargetsTest, a_busy_target_goes_when_the_delay_it_had_is_over) {
  load(group(two, ", deregistration_delay: 5s"));
  at(1).active_requests = 3;
  load(group(one, ", deregistration_delay: 1h"));
  pass_time(milliseconds(4'900));
  EXPECT_EQ(status().size(), 2u);
  EXPECT_EQ(status()[1].deregistration_remaining, std::chrono::seconds(1));
  pass_time(milliseconds(100));
  EXPECT_EQ(status().size(), 1u);
  EXPECT_EQ(last_field("reason"), "deregistration_delay");
  EXPECT_TRUE(has_logged("its deregistration delay is over, and 3 requests are cut"));
}

TEST_F(TargetsTest, a_target_that_comes_back_meanwhile_is_registered_again) {
  load(group(two));
  target::Target* const left = &at(1);
  left->active_requests = 1;
  load(group(one));
  ASSERT_EQ(left->state, State::draining);
  load(group(two));
  EXPECT_EQ(&at(1), left);
  EXPECT_EQ(left->state, State::healthy);
  left->active_requests = 0;
  for (int i = 0; i < 5; ++i) pass_time(Targets::interval);
  EXPECT_EQ(status().size(), 2u);
  EXPECT_EQ(std::ranges::count(types(), "target_gone"), 0);
}

TEST_F(TargetsTest, a_target_that_comes_back_into_a_checked_group_is_asked_first) {
  load(group(two));
  at(1).active_requests = 1;
  load(group(one));
  load(group(two, ", health_check: { interval: 1h, timeout: 1h }"));
  EXPECT_EQ(at(0).state, State::healthy);
  EXPECT_EQ(at(1).state, State::initial);
  targets_.stop();
}

TEST_F(TargetsTest, a_group_that_left_is_there_until_its_last_target_is_gone) {
  load(group(one) + group(two, "", "old"));
  const auto old = snapshot_->groups.at(1)->targets->members.at(0).target;
  old->active_requests = 1;
  load(group(one));
  ASSERT_TRUE(targets_.group("old").has_value());
  EXPECT_FALSE(targets_.group("old")->in_use);
  EXPECT_EQ(count(Metric::targets, {"old", "draining"}), 2);
  pass_time(Targets::interval);
  pass_time(Targets::interval);
  EXPECT_EQ(status("old").size(), 1u);
  ASSERT_EQ(targets_.groups().size(), 2u);
  EXPECT_EQ(targets_.groups()[1].name, "old");
  old->active_requests = 0;
  pass_time(Targets::interval);
  pass_time(Targets::interval);
  EXPECT_FALSE(targets_.group("old").has_value());
  EXPECT_EQ(count(Metric::targets, {"old"}), 0);
  EXPECT_EQ(types().back(), "target_gone");
}

TEST_F(TargetsTest, a_group_that_comes_back_has_its_targets_again) {
  load(group(one) + group(two, "", "old"));
  const auto old = snapshot_->groups.at(1);
  old->targets->members.at(0).target->active_requests = 1;
  load(group(one));
  load(group(one) + group(two, "", "old"));
  EXPECT_EQ(snapshot_->groups.at(1)->state, old->state);
  EXPECT_EQ(status("old").size(), 2u);
  for (const TargetStatus& target : status("old")) EXPECT_EQ(target.state, State::unused);
}

// --- ejection and shares ------------------------------------------------------------------------

TEST_F(TargetsTest, an_ejection_is_told_with_its_end) {
  load(group(two, ", passive_health: { ejection_time: 10s }"));
  state().report(at(0), Outcome::failure, false, loop_.clock.now());
  pass_time(Targets::interval);
  EXPECT_EQ(types().back(), "target_ejected");
  EXPECT_EQ(last_field("reason"), "Target.EjectedConsecutiveFailures");
  EXPECT_TRUE(
      has_logged("warning target g 127.0.0.1:1 is ejected for 10.0 s: "
                 "Target.EjectedConsecutiveFailures"))
      << log_;
  const TargetStatus out = status()[0];
  EXPECT_EQ(out.ejection, target::Ejection::ejected);
  EXPECT_EQ(out.ejection_reason, StateReason::ejected_failures);
  EXPECT_TRUE(out.ejected_until.has_value());
  EXPECT_EQ(count(Metric::targets_ejected, {"g"}), 1);
  EXPECT_EQ(count(Metric::target_ejections_total, {"g", text(StateReason::ejected_failures)}), 1);

  pass_time(milliseconds(10'000));
  EXPECT_EQ(types().back(), "target_probing");
  EXPECT_EQ(status()[0].ejection, target::Ejection::probing);
  EXPECT_FALSE(status()[0].ejected_until.has_value());
  ASSERT_TRUE(target::GroupState::take_probe(at(0)));
  state().report(at(0), Outcome::success, true, loop_.clock.now());
  pass_time(Targets::interval);
  EXPECT_EQ(types().back(), "target_restored");
  EXPECT_EQ(count(Metric::targets_ejected, {"g"}), 0);
}

TEST_F(TargetsTest, anomaly_mitigation_lowers_shares_and_gives_them_back_when_it_is_off) {
  const std::string three = std::string(two) + ", \"127.0.0.1:3\"";
  const std::string on =
      ", algorithm: weighted_random, anomaly_mitigation: true, "
      "passive_health: off";
  load(group(three, on));
  pass_time(Targets::interval);
  for (int i = 0; i < 100; ++i) {
    state().report(at(0), Outcome::server_error, false, loop_.clock.now());
    state().report(at(1), Outcome::success, false, loop_.clock.now());
    state().report(at(2), Outcome::success, false, loop_.clock.now());
  }
  const std::uint64_t before = state().generation();
  pass_time(target::AnomalyMitigation::interval);
  EXPECT_EQ(status()[0].share_percent, 10u);
  EXPECT_EQ(status()[1].share_percent, 100u);
  EXPECT_GT(state().generation(), before);
  load(group(three, ", algorithm: weighted_random, passive_health: off"));
  EXPECT_EQ(status()[0].share_percent, 100u);
}

TEST_F(TargetsTest, many_that_leave_at_once_are_one_line) {
  std::string many = one;
  for (int port = 2; port <= 30; ++port) many += ", \"127.0.0.1:" + std::to_string(port) + '"';
  load(group(many));
  load(group(one));
  EXPECT_TRUE(has_logged("targets of g: 29 are draining")) << log_;
  EXPECT_FALSE(has_logged("127.0.0.1:2 is draining")) << log_;
  pass_time(milliseconds(100));
  pass_time(milliseconds(100));
  EXPECT_TRUE(has_logged("targets of g: 29 are gone")) << log_;
  EXPECT_FALSE(has_logged("127.0.0.1:2 is gone")) << log_;
  EXPECT_EQ(count(Metric::target_state_changes_total, {"g", "draining"}), 29);
}

TEST_F(TargetsTest, members_of_one_group_change_without_the_others) {
  load(group(two) + group(two, "", "h"));
  const auto former = snapshot_->groups.front();
  auto settings = std::make_shared<upstream::GroupSettings>(*former);
  auto set = std::make_shared<target::TargetSet>();
  set->members = {former->targets->members[1]};
  set->members.push_back(
      {registry_.find_or_make("g", "127.0.0.1:9", net::Endpoint::numeric("127.0.0.1", 9).value()),
       1});
  settings->targets = set;
  testing::internal::CaptureStderr();
  const std::uint64_t change = targets_.apply(settings);
  log_ += testing::internal::GetCapturedStderr();
  ASSERT_EQ(status().size(), 3u);
  EXPECT_EQ(status()[0].id, "127.0.0.1:2");
  EXPECT_EQ(status()[1].id, "127.0.0.1:9");
  EXPECT_EQ(status()[1].state, State::healthy);
  EXPECT_EQ(status()[2].state, State::healthy);  // until every worker knows
  targets_.in_force(change - 1);
  EXPECT_EQ(status()[2].state, State::healthy);
  targets_.in_force(change);
  EXPECT_EQ(status()[2].state, State::draining);
  EXPECT_EQ(status("h").size(), 2u);
  EXPECT_EQ(status("h")[0].state, State::unused);
}

// --- the end ------------------------------------------------------------------------------------

TEST_F(TargetsTest, nothing_happens_after_the_stop) {
  load(group(two));
  load(group(one));
  const std::uint64_t last = events_.last_id();
  targets_.stop();
  pass_time(milliseconds(1'000));
  targets_.in_force(snapshot_->revision);
  EXPECT_EQ(events_.last_id(), last);
}

}  // namespace
}  // namespace sluice::control
