// Changes of who is in a group, on their way to a worker.
#include "sluice/control/member_publisher.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/config/load.h"
#include "sluice/observe/access_log.h"
#include "support/peer.h"

namespace sluice::control {
namespace {

using std::chrono::milliseconds;
using target::State;
using Ids = std::vector<std::string>;

Member member(const std::string& host, std::uint32_t weight = 1) {
  Member one;
  one.endpoint = net::Endpoint::numeric(host, 80).value();
  one.id = one.endpoint.text();
  one.weight = weight;
  return one;
}

class MemberPublisherTest : public testing::Test, private proxy::Members {
 protected:
  // The configuration of group g has these addresses.
  void load(const Ids& configured) {
    std::string yaml =
        "listeners:\n"
        "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: g } }\n"
        "target_groups:\n  - name: g\n    targets: [";
    for (const std::string& host : configured) yaml += '"' + host + ":80\", ";
    yaml += "]\n";
    config::Problems problems;
    auto model = config::load_text(yaml, "f", problems);
    ASSERT_TRUE(model.has_value());
    TargetsPlan plan;
    snapshot_ = proxy::build_snapshot(
        std::move(*model), snapshot_.get(), registry_, keys_, problems,
        [&](const proxy::Snapshot& built) { plan = Targets::prepare(built, problems); }, this);
    ASSERT_NE(snapshot_, nullptr);
    const std::uint64_t change = targets_.apply(plan);
    membership_.take_over({{"g", planned_}});
    publisher_.took_over(*snapshot_);
    sent_.push_back([snapshot = snapshot_](proxy::Worker& on) { on.apply(snapshot, {}, {}); });
    deliver();
    targets_.in_force(change);
  }
  // What was sent arrives.
  void deliver() {
    for (auto& task : std::exchange(sent_, {})) task(worker_);
    support::settle(loop_);
  }
  void pass_time(milliseconds time) {
    testing::internal::CaptureStderr();
    for (milliseconds passed{0}; passed < time; passed += milliseconds(20)) {
      support::pass_time(loop_, milliseconds(20));
      support::settle(loop_);
    }
    log_ += testing::internal::GetCapturedStderr();
  }
  [[nodiscard]] Ids in_force() const {
    Ids all;
    for (const auto& each : publisher_.in_force("g")->targets->members) {
      all.push_back(each.target->endpoint().address_text());
    }
    return all;
  }
  [[nodiscard]] std::optional<State> state_of(const std::string& host) const {
    const auto all = targets_.targets("g");
    for (const TargetStatus& one : *all) {
      if (one.id == host + ":80") return one.state;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::size_t count_of(std::string_view type) const {
    std::size_t count = 0;
    for (const Event& event : events_.all()) count += event.type == type ? 1 : 0;
    return count;
  }

  std::shared_ptr<const target::TargetSet> set_of(
      const std::string& group, std::vector<proxy::ConfiguredTarget> configured) override {
    planned_ = {};
    for (const proxy::ConfiguredTarget& target : configured) {
      planned_.configured.push_back(member(target.endpoint.address_text(), target.weight));
    }
    return membership_.set_of(group, planned_);
  }
  std::shared_ptr<const upstream::GroupSettings> in_force(const std::string& group) const override {
    return publisher_.in_force(group);
  }

  net::Loop loop_;
  observe::Registry metrics_;
  observe::Cells& cells_ = metrics_.add_cells();
  observe::AccessLogWriter writer_{metrics_};
  Events events_;
  Targets targets_{loop_, cells_, events_};
  Membership membership_;
  Membership::GroupPlan planned_;
  target::Registry registry_;
  net::TicketKeys keys_;
  proxy::Worker worker_{metrics_.add_cells(), writer_, 1};
  std::shared_ptr<const proxy::Snapshot> snapshot_;
  std::vector<std::function<void(proxy::Worker&)>> sent_;
  std::string log_;
  MemberPublisher publisher_{
      {.loop = loop_,
       .membership = membership_,
       .targets = targets_,
       .events = events_,
       .worker_count = 1,
       .post = [this](std::size_t, auto task) { sent_.push_back(std::move(task)); }}};
};

TEST_F(MemberPublisherTest, a_new_target_is_registered_before_the_worker_hears_of_it) {
  load({"10.0.0.1"});
  membership_.put_api("g", member("10.0.0.2"));
  EXPECT_FALSE(publisher_.is_idle());
  pass_time(milliseconds(40));
  EXPECT_EQ(in_force(), (Ids{"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(state_of("10.0.0.2"), State::healthy);
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_FALSE(publisher_.is_idle());
  deliver();
  EXPECT_TRUE(publisher_.is_idle());
  EXPECT_EQ(count_of(event_type::target_registered), 1U);
}

TEST_F(MemberPublisherTest, a_target_drains_when_every_worker_has_let_go_of_it) {
  load({"10.0.0.1"});
  membership_.put_api("g", member("10.0.0.2"));
  pass_time(milliseconds(200));
  deliver();
  membership_.remove_api("g", "10.0.0.2:80");
  pass_time(milliseconds(200));
  EXPECT_EQ(in_force(), (Ids{"10.0.0.1"}));
  EXPECT_EQ(state_of("10.0.0.2"), State::healthy);  // the worker may still choose it
  deliver();
  EXPECT_EQ(state_of("10.0.0.2"), State::draining);
  EXPECT_EQ(count_of(event_type::target_deregistered), 1U);
  pass_time(milliseconds(400));
  EXPECT_FALSE(state_of("10.0.0.2").has_value());
}

TEST_F(MemberPublisherTest, changes_that_follow_are_put_together) {
  load({"10.0.0.1"});
  membership_.put_api("g", member("10.0.1.1"));
  pass_time(milliseconds(20));
  ASSERT_EQ(sent_.size(), 1U);
  for (int i = 2; i < 200; ++i) membership_.put_api("g", member("10.0.1." + std::to_string(i)));
  pass_time(milliseconds(60));
  EXPECT_EQ(sent_.size(), 1U);
  pass_time(milliseconds(60));
  EXPECT_EQ(sent_.size(), 2U);
  EXPECT_EQ(in_force().size(), 200U);
  // One line and one event for many.
  EXPECT_EQ(count_of(event_type::target_registered), 1U);
  EXPECT_EQ(count_of(event_type::targets_changed), 1U);
  EXPECT_NE(log_.find("200 targets, 198 new, 0 leave"), std::string::npos) << log_;
}

TEST_F(MemberPublisherTest, what_comes_to_the_same_is_not_sent) {
  load({"10.0.0.1"});
  membership_.put_api("g", member("10.0.0.2"));
  membership_.remove_api("g", "10.0.0.2:80");
  pass_time(milliseconds(200));
  EXPECT_TRUE(sent_.empty());
  EXPECT_TRUE(publisher_.is_idle());
}

TEST_F(MemberPublisherTest, another_weight_is_sent_and_shown) {
  load({"10.0.0.1"});
  membership_.set_override("g", "10.0.0.1:80", MemberOverride{.weight = 7});
  pass_time(milliseconds(40));
  deliver();
  const auto& members = publisher_.in_force("g")->targets->members;
  EXPECT_EQ(members[0].weight, 7U);
  EXPECT_EQ(members[0].target->weight, 7U);
  EXPECT_EQ(count_of(event_type::target_registered), 0U);
}

TEST_F(MemberPublisherTest, a_reload_meanwhile_has_the_change_already) {
  load({"10.0.0.1"});
  membership_.put_api("g", member("10.0.0.2"));
  load({"10.0.0.3"});
  EXPECT_EQ(in_force(), (Ids{"10.0.0.3", "10.0.0.2"}));
  EXPECT_TRUE(publisher_.is_idle());
  pass_time(milliseconds(200));
  EXPECT_TRUE(sent_.empty());
}

TEST_F(MemberPublisherTest, a_reload_behind_a_change_keeps_it_and_its_targets) {
  load({"10.0.0.1"});
  membership_.put_api("g", member("10.0.0.2"));
  pass_time(milliseconds(40));  // sent, but not delivered
  const auto settings = publisher_.in_force("g");
  load({"10.0.0.1"});
  EXPECT_EQ(publisher_.in_force("g"), settings);  // an equal set changes nothing
  EXPECT_EQ(in_force(), (Ids{"10.0.0.1", "10.0.0.2"}));
  EXPECT_TRUE(publisher_.is_idle());
}

TEST_F(MemberPublisherTest, a_target_that_comes_back_before_the_worker_knew_does_not_drain) {
  load({"10.0.0.1", "10.0.0.2"});
  membership_.set_override("g", "10.0.0.2:80", MemberOverride{.is_draining = true});
  pass_time(milliseconds(200));
  membership_.set_override("g", "10.0.0.2:80", std::nullopt);
  pass_time(milliseconds(200));
  ASSERT_EQ(sent_.size(), 2U);
  deliver();
  EXPECT_EQ(state_of("10.0.0.2"), State::healthy);
}

TEST_F(MemberPublisherTest, nothing_is_sent_after_the_stop) {
  load({"10.0.0.1"});
  membership_.put_api("g", member("10.0.0.2"));
  publisher_.stop();
  membership_.put_api("g", member("10.0.0.3"));
  pass_time(milliseconds(2'000));
  EXPECT_TRUE(sent_.empty());
}

}  // namespace
}  // namespace sluice::control
