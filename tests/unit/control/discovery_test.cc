// The poller, with sources that answer what the test says and a clock that it moves.
#include "sluice/control/discovery.h"

#include <gtest/gtest.h>

#include <chrono>
#include <coroutine>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "control/discovery/kinds.h"
#include "control/discovery/settings.h"
#include "support/peer.h"

namespace sluice::control {
namespace {

using discovery::Found;
using discovery::Look;
using observe::Metric;
using std::chrono::milliseconds;
using Ids = std::vector<std::string>;

Look answer(const Ids& ids) {
  Look look;
  for (const std::string& id : ids) {
    Found found;
    found.endpoint = net::Endpoint::numeric(id, 80).value();
    found.id = found.endpoint.text();
    look.targets.push_back(std::move(found));
  }
  return look;
}

Look failure(const std::string& error = "out of order") {
  Look look;
  look.error = error;
  return look;
}

// What a source is asked, and what it answers.
struct Script {
  std::deque<Look> answers;  // the last one is repeated
  std::size_t looks = 0;
  std::size_t providers = 0;      // that were made
  std::function<void()> changed;  // of the last provider
  bool is_waiting = false;        // a look waits for `answer_now`
  std::coroutine_handle<> waiting;
};

struct Until {
  Script& script;
  [[nodiscard]] bool await_ready() const { return !script.is_waiting; }
  void await_suspend(std::coroutine_handle<> handle) const { script.waiting = handle; }
  void await_resume() const {}
};

class FakeProvider : public discovery::Provider {
 public:
  explicit FakeProvider(Script& script) : script_(script) { ++script.providers; }
  ~FakeProvider() override { script_.waiting = nullptr; }
  net::Task<Look> look() override {
    ++script_.looks;
    const Until until{script_};
    co_await until;
    Look look = script_.answers.front();
    if (script_.answers.size() > 1) script_.answers.pop_front();
    co_return look;
  }
  void when_changed(std::function<void()> changed) override {
    script_.changed = std::move(changed);
  }

 private:
  Script& script_;
};

class FakeSource : public discovery::Source {
 public:
  FakeSource(std::string name, Script& script) : name_(std::move(name)), script_(script) {}
  std::string_view kind() const override { return "file"; }
  // Up to a `?`, as of settings that are not in the text.
  std::string text() const override { return "file " + name_.substr(0, name_.find('?')); }
  std::string fingerprint() const override { return name_; }
  config::Milliseconds refresh() const override { return milliseconds(10'000); }
  std::unique_ptr<discovery::Provider> make(net::Loop&) const override {
    return std::make_unique<FakeProvider>(script_);
  }

 private:
  const std::string name_;
  Script& script_;
};

class DiscoveryTest : public testing::Test {
 protected:
  struct Wanted {
    std::string group;
    std::string name;
    discovery::Rule rule = {};
  };

  void apply(const std::vector<Wanted>& wanted) {
    auto plan = std::make_shared<discovery::Plan>();
    Membership::Plan members;
    for (const Wanted& one : wanted) {
      const discovery::Entry entry{std::make_shared<const FakeSource>(one.name, scripts_[one.name]),
                                   one.rule};
      plan->groups[one.group].push_back(entry);
      members[one.group].sources.push_back({entry.key(), "file"});
    }
    membership_.take_over(std::move(members));
    discovery_.apply(plan);
  }
  void pass_time(milliseconds time) {
    testing::internal::CaptureStderr();
    for (milliseconds passed{0}; passed < time; passed += milliseconds(20)) {
      support::pass_time(loop_, milliseconds(20));
      support::settle(loop_);
    }
    log_ += testing::internal::GetCapturedStderr();
  }
  [[nodiscard]] Ids ids(const std::string& group = "g") {
    Ids all;
    const auto set = membership_.set_of(group);
    for (const auto& member : set->members) {
      all.push_back(member.target->endpoint().address_text());
    }
    return all;
  }
  [[nodiscard]] double count(Metric metric, observe::LabelValues labels) const {
    return metrics_.sum(metric, labels);
  }
  [[nodiscard]] std::size_t lines_with(std::string_view text) const {
    std::size_t count = 0;
    for (std::size_t at = log_.find(text); at != std::string::npos; at = log_.find(text, at + 1)) {
      ++count;
    }
    return count;
  }

  net::Loop loop_;
  observe::Registry metrics_;
  observe::Cells& cells_ = metrics_.add_cells();
  Events events_;
  Membership membership_;
  std::map<std::string, Script> scripts_;
  std::string log_;
  Discovery discovery_{loop_, cells_, events_, membership_};
};

TEST_F(DiscoveryTest, a_source_is_asked_at_once_and_again_after_its_refresh) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"}), answer({"10.0.0.1", "10.0.0.2"})};
  apply({{"g", "a"}});
  EXPECT_FALSE(discovery_.has_looked());
  pass_time(milliseconds(40));
  EXPECT_TRUE(discovery_.has_looked());
  EXPECT_EQ(ids(), (Ids{"10.0.0.1"}));
  EXPECT_EQ(count(Metric::discovery_targets, {"g", "file a"}), 1);
  pass_time(milliseconds(8'900));
  EXPECT_EQ(script.looks, 1U);
  pass_time(milliseconds(1'200));
  EXPECT_EQ(script.looks, 2U);
  EXPECT_EQ(ids(), (Ids{"10.0.0.1", "10.0.0.2"}));
  EXPECT_EQ(count(Metric::discovery_looks_total, {"g", "file a", "success"}), 2);
  EXPECT_GT(count(Metric::discovery_last_success_timestamp_seconds, {"g", "file a"}), 0);
}

TEST_F(DiscoveryTest, an_answer_that_is_good_for_less_is_asked_for_sooner) {
  Script& script = scripts_["a"];
  Look look = answer({"10.0.0.1"});
  look.valid_for = milliseconds(1'000);
  script.answers = {look};
  apply({{"g", "a"}});
  pass_time(milliseconds(5'000));
  EXPECT_GE(script.looks, 5U);
  EXPECT_LE(script.looks, 7U);
}

TEST_F(DiscoveryTest, failures_are_asked_again_soon_and_then_more_and_more_seldom) {
  Script& script = scripts_["a"];
  script.answers = {failure()};
  apply({{"g", "a"}});
  pass_time(milliseconds(2'000));
  const std::size_t first = script.looks;
  EXPECT_GE(first, 2U);
  pass_time(milliseconds(60'000));
  EXPECT_LE(script.looks - first, 11U);  // never sooner than three quarters of the refresh by then
  EXPECT_GE(script.looks - first, 4U);
  EXPECT_EQ(count(Metric::discovery_looks_total, {"g", "file a", "failure"}),
            static_cast<double>(script.looks));
  EXPECT_EQ(lines_with("out of order; there are no targets from it"), 1U) << log_;
}

TEST_F(DiscoveryTest, a_source_that_asks_to_be_left_alone_is) {
  Script& script = scripts_["a"];
  Look look = failure("throttled");
  look.retry_after = milliseconds(60'000);
  script.answers = {look};
  apply({{"g", "a"}});
  pass_time(milliseconds(40'000));
  EXPECT_EQ(script.looks, 1U);
}

TEST_F(DiscoveryTest, what_is_told_is_looked_at_once) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"}), answer({"10.0.0.2", "10.0.0.1"})};
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  script.changed();
  pass_time(milliseconds(40));
  EXPECT_EQ(ids(), (Ids{"10.0.0.1", "10.0.0.2"}));
}

TEST_F(DiscoveryTest, there_is_one_look_at_a_time) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"})};
  script.is_waiting = true;
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  script.changed();
  pass_time(milliseconds(30'000));
  EXPECT_EQ(script.looks, 1U);
  script.is_waiting = false;
  std::exchange(script.waiting, nullptr).resume();
  pass_time(milliseconds(40));
  EXPECT_EQ(script.looks, 2U);  // what it was told of meanwhile
}

TEST_F(DiscoveryTest, a_loss_of_most_is_confirmed_soon) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1", "10.0.0.2", "10.0.0.3"}), answer({"10.0.0.1"})};
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  script.changed();
  pass_time(milliseconds(40));
  EXPECT_EQ(ids().size(), 3U);
  EXPECT_EQ(lines_with("lacks 2 of 3 targets"), 1U) << log_;
  pass_time(milliseconds(2'100));
  EXPECT_EQ(script.looks, 3U);
  EXPECT_EQ(ids(), (Ids{"10.0.0.1"}));
}

TEST_F(DiscoveryTest, a_loss_in_an_answer_with_a_lifetime_is_confirmed_when_that_is_over) {
  Script& script = scripts_["a"];
  Look few = answer({"10.0.0.1"});
  few.valid_for = milliseconds(5'000);
  script.answers = {answer({"10.0.0.1", "10.0.0.2", "10.0.0.3"}), few};
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  script.changed();
  pass_time(milliseconds(4'000));
  EXPECT_EQ(script.looks, 2U);
  EXPECT_EQ(ids().size(), 3U);
  pass_time(milliseconds(2'000));
  EXPECT_EQ(ids(), (Ids{"10.0.0.1"}));
}

TEST_F(DiscoveryTest, a_set_is_held_and_let_go_in_the_end) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"}), answer({})};
  apply({{"g", "a", {.hold = milliseconds(60'000)}}});
  pass_time(milliseconds(40));
  script.changed();
  pass_time(milliseconds(59'000));
  EXPECT_EQ(ids(), (Ids{"10.0.0.1"}));
  EXPECT_EQ(count(Metric::discovery_held, {"g", "file a"}), 1);
  EXPECT_EQ(lines_with("names no target; the 1 target found before stay"), 1U) << log_;
  ASSERT_EQ(events_.all().size(), 1U);
  EXPECT_EQ(events_.all().back().type, event_type::discovery_held);
  pass_time(milliseconds(1'100));
  EXPECT_EQ(ids(), Ids());
  EXPECT_EQ(count(Metric::discovery_held, {"g", "file a"}), 0);
  EXPECT_EQ(count(Metric::discovery_targets, {"g", "file a"}), 0);
  EXPECT_EQ(events_.all().back().type, event_type::discovery_let_go);
  EXPECT_EQ(lines_with("no longer used"), 1U) << log_;
}

TEST_F(DiscoveryTest, refused_addresses_are_counted_and_said_once) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1", "169.254.169.254"})};
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  script.changed();
  pass_time(milliseconds(40));
  EXPECT_EQ(ids(), (Ids{"10.0.0.1"}));
  EXPECT_EQ(count(Metric::discovery_refused_addresses_total, {"g", "file a"}), 2);
  EXPECT_EQ(lines_with("169.254.169.254"), 1U) << log_;
}

TEST_F(DiscoveryTest, equal_sources_of_several_groups_are_asked_once) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"})};
  apply({{"g", "a"}, {"h", "a"}});
  pass_time(milliseconds(40));
  EXPECT_EQ(script.looks, 1U);
  EXPECT_EQ(ids("g"), (Ids{"10.0.0.1"}));
  EXPECT_EQ(ids("h"), (Ids{"10.0.0.1"}));
}

TEST_F(DiscoveryTest, a_reload_keeps_what_a_source_knows) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"})};
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  apply({{"g", "a", {.hold = milliseconds(1)}}});
  EXPECT_EQ(ids(), (Ids{"10.0.0.1"}));
  pass_time(milliseconds(40));
  EXPECT_EQ(script.looks, 1U);
  EXPECT_EQ(script.providers, 1U);
  script.answers = {failure()};
  script.changed();
  pass_time(milliseconds(60));
  EXPECT_EQ(ids(), Ids());  // the new hold
}

TEST_F(DiscoveryTest, a_group_that_joins_is_told_at_once) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"})};
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  apply({{"g", "a"}, {"h", "a"}});
  pass_time(milliseconds(40));
  EXPECT_EQ(ids("h"), (Ids{"10.0.0.1"}));
}

TEST_F(DiscoveryTest, another_source_of_the_kind_begins_with_what_the_former_had) {
  scripts_["a"].answers = {answer({"10.0.0.1"})};
  scripts_["b"].answers = {failure(), answer({"10.0.0.2"})};
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  apply({{"g", "b"}});
  pass_time(milliseconds(40));
  EXPECT_EQ(ids(), (Ids{"10.0.0.1"}));
  pass_time(milliseconds(2'000));
  EXPECT_EQ(ids(), (Ids{"10.0.0.1", "10.0.0.2"}));
  pass_time(milliseconds(2'100));  // the second answer confirms
  EXPECT_EQ(ids(), (Ids{"10.0.0.2"}));
}

TEST_F(DiscoveryTest, a_source_with_other_settings_and_the_same_text_keeps_its_gauges) {
  scripts_["a"].answers = {answer({"10.0.0.1", "10.0.0.2"})};
  scripts_["a?refresh"].answers = {answer({"10.0.0.1", "10.0.0.2"})};
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  apply({{"g", "a?refresh"}});
  EXPECT_EQ(count(Metric::discovery_targets, {"g", "file a"}), 2);
  pass_time(milliseconds(40));
  EXPECT_EQ(count(Metric::discovery_targets, {"g", "file a"}), 2);
  EXPECT_GT(count(Metric::discovery_last_success_timestamp_seconds, {"g", "file a"}), 0);
  apply({});
  EXPECT_EQ(count(Metric::discovery_targets, {"g", "file a"}), 0);
}

TEST_F(DiscoveryTest, a_look_under_way_is_given_up_with_its_source) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"})};
  script.is_waiting = true;
  apply({{"g", "a"}});
  pass_time(milliseconds(40));
  EXPECT_NE(script.waiting, nullptr);
  apply({});
  EXPECT_EQ(script.waiting, nullptr);
  EXPECT_TRUE(discovery_.has_looked());
  EXPECT_EQ(metrics_.render().find("sluice_discovery_targets{"), std::string::npos);
}

TEST_F(DiscoveryTest, nothing_happens_after_the_stop) {
  Script& script = scripts_["a"];
  script.answers = {answer({"10.0.0.1"})};
  apply({{"g", "a"}});
  discovery_.stop();
  pass_time(milliseconds(20'000));
  apply({{"g", "a"}});
  pass_time(milliseconds(20'000));
  EXPECT_EQ(script.looks, 0U);
}

TEST(DiscoveryDoor, every_kind_has_its_test) {
  const std::filesystem::path tests =
      std::filesystem::path(SLUICE_SOURCE_ROOT) / "tests/unit/control";
  EXPECT_FALSE(discovery::kinds().empty());
  for (const discovery::Kind& kind : discovery::kinds()) {
    const std::string name = std::string(kind.name) + "_test.cc";
    EXPECT_TRUE(std::filesystem::exists(tests / ("discovery_" + name)) ||
                std::filesystem::exists(tests / "discovery" / name))
        << kind.name;
  }
}

}  // namespace
}  // namespace sluice::control
