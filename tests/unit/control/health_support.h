// Health checks out of YAML text, as the program reads them, and one probe against a scripted peer.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "control/health/check.h"
#include "control/health/plan.h"
#include "sluice/config/load.h"
#include "sluice/control/health_checker.h"
#include "sluice/net/loop.h"
#include "sluice/proxy/snapshot.h"
#include "support/peer.h"

namespace sluice::control::testing {

using health::Finding;
using std::chrono::milliseconds;
using target::StateReason;

struct ReadPlan {
  std::shared_ptr<const HealthPlan> plan;
  std::string errors;  // all messages, one a line

  [[nodiscard]] const HealthPlan::Group& group() const { return plan->groups.at(0); }
  [[nodiscard]] const health::Settings& settings() const { return group().settings; }
};

inline std::string text_of(const config::Problems& problems) {
  std::string out;
  for (const config::Problem& problem : problems.sorted()) out += problem.text() + '\n';
  return out;
}

// `check` is what stands behind `health_check:`, from line 6, column 19 on; `group` are further
// keys of the group, a line each, indented by four spaces.
inline ReadPlan read_plan(const std::string& check, const std::string& target = "127.0.0.1:8080",
                          const std::string& group = {}) {
  const std::string yaml =
      "listeners:\n"
      "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: g } }\n"
      "target_groups:\n"
      "  - name: g\n"
      "    targets: [ { address: \"" +
      target +
      "\" } ]\n"
      "    health_check: " +
      check + "\n" + group;
  ReadPlan read;
  config::Problems problems;
  target::Registry registry;
  net::TicketKeys keys;
  auto model = config::load_text(yaml, "f", problems);
  if (model.has_value()) {
    const auto snapshot =
        proxy::build_snapshot(std::move(*model), nullptr, registry, keys, problems);
    if (snapshot != nullptr) read.plan = HealthChecker::prepare(*snapshot, problems);
  }
  read.errors = text_of(problems);
  return read;
}

inline net::Task<> keep(net::Task<Finding> probe, std::optional<Finding>& finding) {
  finding = co_await std::move(probe);
}

// One check of one server, whose other end the test plays.
class Probe {
 public:
  explicit Probe(const std::string& check, const std::string& group = {})
      : read_(read_plan(check, server_.endpoint().text(), group)) {
    EXPECT_EQ(read_.errors, "");
  }

  void begin() {
    const HealthPlan::Group& group = read_.group();
    const target::Target& target = *group.group->targets->members.at(0).target;
    net::Task<Finding> probe = group.check->probe(
        loop_, health::subject_of(target, group.settings.port), group.settings.timeout);
    net::spawn(keep(std::move(probe), finding_));
  }
  // The connection that the check opened.
  support::Peer accept() {
    std::optional<support::Peer> peer;
    const bool came = support::run_until(loop_, [&] {
      if (!peer.has_value()) peer = server_.accept();
      return peer.has_value();
    });
    EXPECT_TRUE(came);
    return std::move(peer.value());
  }
  // The whole request that came on it.
  std::string request(support::Peer& peer) {
    EXPECT_TRUE(support::run_until(loop_, [&] { return peer.received().ends_with("\r\n\r\n"); }));
    return peer.received();
  }
  Finding finish() {
    EXPECT_TRUE(support::run_until(loop_, [&] { return finding_.has_value(); }));
    return finding_.value_or(Finding{StateReason::internal_error, "did not end"});
  }
  // What comes of a server that answers with these bytes, and closes or not.
  Finding answered(const std::string& bytes, bool closes = false) {
    begin();
    support::Peer peer = accept();
    request(peer);
    peer.send(bytes);
    if (closes) peer.shutdown_write();
    const Finding finding = finish();
    EXPECT_TRUE(support::run_until(loop_, [&] { return peer.has_ended(); })) << "not closed";
    return finding;
  }

  [[nodiscard]] bool is_done() const { return finding_.has_value(); }
  [[nodiscard]] net::Loop& loop() { return loop_; }
  [[nodiscard]] support::Server& server() { return server_; }

 private:
  net::Loop loop_;
  support::Server server_;
  ReadPlan read_;
  std::optional<Finding> finding_;
};

}  // namespace sluice::control::testing
