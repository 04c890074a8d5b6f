#include "sluice/proxy/snapshot.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/config/load.h"
#include "support/certificates.h"

namespace sluice::proxy {
namespace {

using support::CertificateAuthority;
using support::CertificateDirectory;
using support::CertificateText;

// Builds one snapshot after the other, as reloads do.
struct Builder {
  // Null when something is wrong; `problems` then says what, one a line.
  std::shared_ptr<const Snapshot> build(const std::string& yaml) {
    config::Problems found;
    problems.clear();
    std::optional<config::Model> model = config::load_text(yaml, "f", found);
    std::shared_ptr<const Snapshot> built;
    if (model.has_value()) {
      built = build_snapshot(std::move(*model), former.get(), targets, keys, found);
    }
    for (const config::Problem& problem : found.sorted()) problems += problem.text() + "\n";
    if (built != nullptr) former = built;
    return built;
  }

  target::Registry targets;
  net::TicketKeys keys;
  std::shared_ptr<const Snapshot> former;
  std::string problems;
};

std::string listener(const std::string& more = {}) {
  return "listeners:\n  - { name: web, bind: \"127.0.0.1:8080\"" + more + " }\n";
}

std::string group(const std::string& weight = "1", const std::string& more = {}) {
  return "target_groups:\n  - { name: g, targets: [ { address: \"127.0.0.1:9000\", weight: " +
         weight + " }, { address: \"127.0.0.1:9001\" } ]" + more + " }\n";
}

TEST(Snapshot, it_holds_what_the_workers_need_in_the_order_of_the_file) {
  Builder builder;
  const auto snapshot = builder.build(
      "listeners:\n"
      "  - { name: b, bind: \"127.0.0.1:8081\", half_close: tolerate, default_action: { forward: "
      "two } }\n"
      "  - { name: a, bind: \"unix:/tmp/a.sock\" }\n"
      "target_groups:\n"
      "  - { name: one, targets: [ { address: \"127.0.0.1:1\" } ] }\n"
      "  - { name: two, targets: [ { address: \"127.0.0.1:2\", weight: 7 } ] }\n"
      "forwarding: { trusted_proxies: [10.0.0.0/8, \"2001:db8::1\"] }\n");
  ASSERT_NE(snapshot, nullptr) << builder.problems;
  ASSERT_EQ(snapshot->listeners.size(), 2U);
  EXPECT_EQ(snapshot->listeners[0].name, "b");
  EXPECT_EQ(snapshot->listeners[0].endpoint.text(), "127.0.0.1:8081");
  EXPECT_EQ(snapshot->listeners[0].half_close, config::HalfClose::tolerate);
  EXPECT_EQ(snapshot->listeners[0].tls, nullptr);
  EXPECT_EQ(snapshot->listeners[1].endpoint.text(), "unix:/tmp/a.sock");
  ASSERT_EQ(snapshot->groups.size(), 2U);
  EXPECT_EQ(snapshot->groups[1]->name, "two");
  EXPECT_EQ(snapshot->groups[1]->targets->members[0].weight, 7U);
  EXPECT_EQ(snapshot->groups[1]->targets->members[0].target->id(), "127.0.0.1:2");
  const auto& action = snapshot->listeners[0].table.rules().back().action;
  ASSERT_TRUE(action);
  EXPECT_EQ(std::get<route::Forward>(*action).groups.at(0).group, 1U);
  EXPECT_EQ(snapshot->trusted_proxies.size(), 2U);
  EXPECT_EQ(snapshot->revision, 1U);
}

TEST(Snapshot, revisions_count_what_was_built_and_failures_do_not) {
  Builder builder;
  EXPECT_EQ(builder.build(listener())->revision, 1U);
  EXPECT_EQ(builder.build(listener(", default_action: { forward: nobody }")), nullptr);
  EXPECT_EQ(builder.build(listener())->revision, 2U);
}

TEST(Snapshot, targets_keep_their_identity) {
  Builder builder;
  const auto first = builder.build(listener() + group());
  first->groups[0]->targets->members[0].target->active_requests.store(3);
  const auto second = builder.build(listener() + group("5"));
  EXPECT_EQ(second->groups[0]->targets->members[0].target,
            first->groups[0]->targets->members[0].target);
  EXPECT_EQ(second->groups[0]->targets->members[0].target->active_requests.load(), 3);
  EXPECT_EQ(second->groups[0]->targets->members[0].target->weight.load(), 5U);
  EXPECT_EQ(first->groups[0]->targets->members[0].weight, 1U);
}

TEST(Snapshot, the_settings_of_a_group_that_did_not_change_are_shared) {
  Builder builder;
  const auto first = builder.build(listener() + group());
  const auto second = builder.build(listener() + group() + "timeouts: { connect: 1s }\n");
  EXPECT_EQ(second->groups[0], first->groups[0]);
  for (const std::string& changed : {group("2"), group("1", ", pool: { max_idle: 3 }"),
                                     group("1", ", timeouts: { connect: 2s }"),
                                     group("1", ", protocol: https, tls: { verify: false }")}) {
    const auto before = builder.former;
    const auto after = builder.build(listener() + changed);
    ASSERT_NE(after, nullptr) << builder.problems;
    EXPECT_NE(after->groups[0], before->groups[0]) << changed;
  }
}

TEST(Snapshot, tls_towards_targets_is_shared_while_it_is_the_same) {
  Builder builder;
  const std::string verified = group("1", ", protocol: https, tls: { server_name: a.example }");
  const auto first = builder.build(listener() + verified);
  ASSERT_NE(first, nullptr) << builder.problems;
  ASSERT_NE(first->groups[0]->tls, nullptr);
  const auto second =
      builder.build(listener() + group("2", ", protocol: https, tls: { server_name: a.example }"));
  EXPECT_EQ(second->groups[0]->tls, first->groups[0]->tls);
  const auto third =
      builder.build(listener() + group("2", ", protocol: https, tls: { server_name: b.example }"));
  EXPECT_NE(third->groups[0]->tls, first->groups[0]->tls);
}

TEST(Snapshot, tls_of_a_listener_is_shared_until_a_file_or_a_setting_changes) {
  const CertificateAuthority authority;
  const CertificateDirectory files;
  const auto write = [&](const CertificateText& text) {
    files.write("cert.pem", text.certificate);
    files.write("key.pem", text.key);
  };
  const auto with_tls = [&](const std::string& more) {
    return listener(", tls: { certificates: [ { cert: \"" + files.path("cert.pem") + "\", key: \"" +
                    files.path("key.pem") + "\" } ]" + more + " }");
  };
  write(authority.issue({.names = {"a.example"}}));
  Builder builder;
  const auto first = builder.build(with_tls(""));
  ASSERT_NE(first, nullptr) << builder.problems;
  ASSERT_NE(first->listeners[0].tls, nullptr);
  EXPECT_EQ(builder.build(with_tls(""))->listeners[0].tls, first->listeners[0].tls);
  const auto stricter = builder.build(with_tls(", min_version: \"1.3\""));
  EXPECT_NE(stricter->listeners[0].tls, first->listeners[0].tls);
  write(authority.issue({.names = {"a.example"}}));  // renewed
  const auto renewed = builder.build(with_tls(", min_version: \"1.3\""));
  EXPECT_NE(renewed->listeners[0].tls, stricter->listeners[0].tls);
  EXPECT_EQ(builder.build(listener())->listeners[0].tls, nullptr);
}

TEST(Snapshot, everything_that_is_wrong_is_said_at_once) {
  Builder builder;
  const auto snapshot = builder.build(
      "listeners:\n"
      "  - name: web\n"
      "    bind: \"127.0.0.1:8080\"\n"
      "    tls: { certificates: [ { cert: /nonexistent/cert.pem, key: /nonexistent/key.pem } ] }\n"
      "    rules:\n"
      "      - { priority: 1, conditions: [ { path: [ \"no-slash\" ] } ], action: { forward: "
      "nobody } }\n"
      "    default_action: { forward: ghost }\n"
      "target_groups:\n"
      "  - name: g\n"
      "    algorithm: magic\n"
      "    targets: [ { address: \"169.254.169.254:80\" } ]\n"
      "  - { name: h, protocol: https, tls: { ca: /nonexistent/ca.pem }, targets: [ { address: "
      "\"127.0.0.1:1\" } ] }\n");
  EXPECT_EQ(snapshot, nullptr);
  for (const char* const part :
       {"/nonexistent/cert.pem", "nobody", "ghost",
        "unknown algorithm 'magic'; allowed: round_robin",
        "the instance metadata address cannot be a target", "/nonexistent/ca.pem"}) {
    EXPECT_NE(builder.problems.find(part), std::string::npos) << part << " is not in:\n"
                                                              << builder.problems;
  }
  // Each with its place.
  EXPECT_NE(builder.problems.find("f:10:"), std::string::npos) << builder.problems;
  EXPECT_NE(builder.problems.find("f:11:"), std::string::npos) << builder.problems;
}

// "A failure changes nothing": the weight of a living target is seen in status and metrics.
TEST(Snapshot, a_failure_leaves_living_targets_as_they_were) {
  Builder builder;
  const auto first = builder.build(listener() + group("3"));
  ASSERT_NE(first, nullptr) << builder.problems;
  EXPECT_EQ(builder.build(listener(", default_action: { forward: nobody }") + group("9")), nullptr);
  EXPECT_EQ(first->groups[0]->targets->members[0].target->weight.load(), 3U);
}

}  // namespace
}  // namespace sluice::proxy
