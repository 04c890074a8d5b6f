#include "sluice/config/load.h"

#include <gtest/gtest.h>

#include <chrono>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;
using test::joined;
using test::load_after_listener;
using test::load_yaml;

// A listener with one rule into which `more` is written, from line 6 on with 8 spaces.
std::string with_rule(const std::string& more) {
  return "listeners:\n"
         "  - name: a\n"
         "    bind: 127.0.0.1:80\n"
         "    rules:\n"
         "      - priority: 10\n" +
         more;
}

std::string with_group(const std::string& more) {
  return "target_groups:\n"
         "  - name: g\n" +
         more;
}

TEST(Load, the_smallest_file_gives_the_defaults) {
  const auto loaded = load_yaml(test::smallest);
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(joined(loaded), "");
  const Model& model = *loaded.model;
  EXPECT_EQ(model.workers, 0U);
  ASSERT_EQ(model.listeners.size(), 1U);
  EXPECT_EQ(model.listeners[0].name, "a");
  EXPECT_EQ(model.listeners[0].bind.text(), "127.0.0.1:80");
  EXPECT_FALSE(model.listeners[0].tls);
  EXPECT_FALSE(model.listeners[0].default_action);
  EXPECT_TRUE(model.target_groups.empty());
  EXPECT_FALSE(model.admin.bind);
  EXPECT_EQ(model.timeouts.connect, 10s);
  EXPECT_EQ(model.limits.header_count, 100U);
}

TEST(Load, every_key_arrives_in_its_field) {
  const auto loaded = load_yaml(R"(
workers: 4
listeners:
  - name: web
    bind: "[::1]:8443"
    tls:
      certificates:
        - { cert: a.crt, key: a.key }
        - { cert: b.crt, key: b.key }
      min_version: "1.3"
      ciphers: ECDHE-RSA-AES128-GCM-SHA256
      ciphersuites: TLS_AES_128_GCM_SHA256
      groups: X25519:P-256
    http2: false
    half_close: tolerate
    desync_mitigation: strictest
    rules:
      - name: api
        priority: 50000
        conditions:
          - path: ["/api", "/api/*"]
          - path_prefix: /api
        action: { forward: api }
        timeouts: { connect: 1s, response_header: 2s, target_idle: 3s, per_try: 3500ms, total: 4s }
        body_limit: 1MiB
      - priority: 1
        conditions: [{ path: "/x" }]
        action: { fixed_response: { status: 200 } }
    default_action: { forward: api }
target_groups:
  - name: api
    protocol: https
    protocol_version: http1
    algorithm: weighted_random
    targets:
      - 10.0.0.1:80
      - { address: "api.internal:81", weight: 0 }
      - { address: "unix:/run/api", weight: 999 }
    tls: { verify: false, ca: ca.pem, server_name: api.internal }
    pool: { max_idle: 7, idle_timeout: 8s, max_requests: 9 }
    timeouts: { connect: 5s, response_header: 6s, target_idle: 7s, per_try: 8s, total: 0 }
timeouts: { client_header: 1s, client_idle: 2s, client_body: 3s, client_write: 4s, tls_handshake: 5s,
            connect: 6s, response_header: 7s, target_idle: 8s, per_try: 8500ms, total: 9s }
limits: { request_line: 1KiB, header: 2KiB, headers: 3KiB, header_count: 4, body: 5KiB, response_headers: 6KiB,
          informational_responses: 7, chunk_extension: 8, trailers: 9, connections: 10,
          requests_per_connection: 11, connection_lifetime: 12s }
forwarding: { x_forwarded_for: preserve, client_port: true, preserve_host: false, via: true,
              trusted_proxies: [10.0.0.0/8, "2001:db8::1"], trailers: [X-Checksum, grpc-status] }
admin: { bind: "unix:/run/admin.sock" }
access_log: { path: stdout, format: combined, buffer: 256KiB }
log: { path: /var/log/sluice/error.log, level: warn }
shutdown: { deadline: 5s }
state_dir: /var/lib/sluice
)");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(joined(loaded), "");
  const Model& model = *loaded.model;
  EXPECT_EQ(model.workers, 4U);

  const Listener& web = model.listeners.at(0);
  EXPECT_EQ(web.bind.text(), "[::1]:8443");
  EXPECT_EQ(web.position.line, 4U);
  EXPECT_EQ(web.tls->certificates.size(), 2U);
  EXPECT_EQ(web.tls->certificates[1].certificate, "b.crt");
  EXPECT_EQ(web.tls->certificates[1].key, "b.key");
  EXPECT_EQ(web.tls->certificates[1].position.line, 9U);
  EXPECT_EQ(web.tls->min_version, TlsVersion::tls1_3);
  EXPECT_EQ(web.tls->ciphers, "ECDHE-RSA-AES128-GCM-SHA256");
  EXPECT_EQ(web.tls->ciphersuites, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(web.tls->groups, "X25519:P-256");
  EXPECT_FALSE(web.http2);
  EXPECT_EQ(web.half_close, HalfClose::tolerate);
  EXPECT_EQ(web.desync_mitigation, DesyncMitigation::strictest);
  EXPECT_EQ(web.default_action->keys(), std::vector<std::string>{"forward"});

  const Rule& api = web.rules.at(0);
  EXPECT_EQ(api.name, "api");
  EXPECT_EQ(api.priority, 50'000U);
  EXPECT_EQ(api.conditions.at(1).keys(), std::vector<std::string>{"path_prefix"});
  EXPECT_EQ(api.conditions.at(1).path(), "listeners[0].rules[0].conditions[1]");
  EXPECT_EQ(api.action.path(), "listeners[0].rules[0].action");
  EXPECT_EQ(api.timeouts.connect, 1s);
  EXPECT_EQ(api.timeouts.response_header, 2s);
  EXPECT_EQ(api.timeouts.target_idle, 3s);
  EXPECT_EQ(api.timeouts.per_try, 3500ms);
  EXPECT_EQ(api.timeouts.total, 4s);
  EXPECT_EQ(api.body_bytes, mebibyte);
  EXPECT_EQ(web.rules.at(1).name, "rule-1");
  EXPECT_FALSE(web.rules.at(1).timeouts.connect);
  EXPECT_FALSE(web.rules.at(1).body_bytes);

  const TargetGroup& group = model.target_groups.at(0);
  EXPECT_TRUE(group.https);
  EXPECT_EQ(group.algorithm, "weighted_random");
  EXPECT_EQ(group.algorithm_position.line, 34U);
  ASSERT_EQ(group.targets.size(), 3U);
  EXPECT_EQ(group.targets[0].address.text(), "10.0.0.1:80");
  EXPECT_EQ(group.targets[0].weight, 1U);
  EXPECT_EQ(group.targets[1].weight, 0U);
  EXPECT_EQ(group.targets[2].weight, 999U);
  EXPECT_FALSE(group.tls.verify);
  EXPECT_EQ(group.tls.ca, "ca.pem");
  EXPECT_EQ(group.tls.server_name, "api.internal");
  EXPECT_EQ(group.pool.max_idle, 7U);
  EXPECT_EQ(group.pool.idle_timeout, 8s);
  EXPECT_EQ(group.pool.max_requests, 9U);
  EXPECT_EQ(group.timeouts.connect, 5s);
  EXPECT_EQ(group.timeouts.per_try, 8s);
  EXPECT_EQ(group.timeouts.total, 0s);

  EXPECT_EQ(model.timeouts.client_header, 1s);
  EXPECT_EQ(model.timeouts.client_idle, 2s);
  EXPECT_EQ(model.timeouts.client_body, 3s);
  EXPECT_EQ(model.timeouts.client_write, 4s);
  EXPECT_EQ(model.timeouts.tls_handshake, 5s);
  EXPECT_EQ(model.timeouts.connect, 6s);
  EXPECT_EQ(model.timeouts.response_header, 7s);
  EXPECT_EQ(model.timeouts.target_idle, 8s);
  EXPECT_EQ(model.timeouts.per_try, 8500ms);
  EXPECT_EQ(model.timeouts.total, 9s);

  EXPECT_EQ(model.limits.request_line_bytes, 1 * kibibyte);
  EXPECT_EQ(model.limits.header_bytes, 2 * kibibyte);
  EXPECT_EQ(model.limits.headers_bytes, 3 * kibibyte);
  EXPECT_EQ(model.limits.header_count, 4U);
  EXPECT_EQ(model.limits.body_bytes, 5 * kibibyte);
  EXPECT_EQ(model.limits.response_headers_bytes, 6 * kibibyte);
  EXPECT_EQ(model.limits.informational_responses, 7U);
  EXPECT_EQ(model.limits.chunk_extension_bytes, 8U);
  EXPECT_EQ(model.limits.trailer_bytes, 9U);
  EXPECT_EQ(model.limits.connections, 10U);
  EXPECT_EQ(model.limits.requests_per_connection, 11U);
  EXPECT_EQ(model.limits.connection_lifetime, 12s);

  EXPECT_EQ(model.forwarding.forwarded_for, ForwardedFor::preserve);
  EXPECT_TRUE(model.forwarding.client_port);
  EXPECT_FALSE(model.forwarding.preserve_host);
  EXPECT_TRUE(model.forwarding.via);
  EXPECT_EQ(model.forwarding.trusted_proxies,
            (std::vector<std::string>{"10.0.0.0/8", "2001:db8::1/128"}));
  EXPECT_EQ(model.forwarding.trailers, (std::vector<std::string>{"x-checksum", "grpc-status"}));

  EXPECT_EQ(model.admin.bind->text(), "unix:/run/admin.sock");
  EXPECT_EQ(model.access_log.path, "stdout");
  EXPECT_EQ(model.access_log.format, AccessLogFormat::combined);
  EXPECT_EQ(model.access_log.buffer_bytes, 256 * kibibyte);
  EXPECT_EQ(model.log.path, "/var/log/sluice/error.log");
  EXPECT_EQ(model.log.level, "warn");
  EXPECT_EQ(model.shutdown.deadline, 5s);
  EXPECT_EQ(model.state_dir, "/var/lib/sluice");
}

// --- ranges
// ---------------------------------------------------------------------------------------

struct Boundary {
  const char* section;  // dotted; "" is the top
  const char* key;
  std::vector<const char*> inside;
  std::vector<const char*> outside;
};

std::string document_with(const Boundary& boundary, const std::string& value) {
  const std::string setting = std::string(boundary.key) + ": " + value;
  const std::string section = boundary.section;
  if (section.empty()) return std::string(test::smallest) + setting + "\n";
  if (section == "rule") {
    return with_rule("        conditions: [{ path: / }]\n        action: { forward: g }\n        " +
                     setting + "\n");
  }
  if (section == "rule.timeouts") {
    return with_rule(
        "        conditions: [{ path: / }]\n        action: { forward: g }\n        timeouts: { " +
        setting + " }\n");
  }
  if (section == "target") {
    return std::string(test::smallest) +
           with_group("    targets: [{ address: \"h:1\", " + setting + " }]\n");
  }
  if (section.starts_with("group.")) {
    return std::string(test::smallest) +
           with_group("    " + section.substr(6) + ": { " + setting + " }\n");
  }
  return std::string(test::smallest) + section + ": { " + setting + " }\n";
}

TEST(Load, every_range_ends_where_the_manual_says) {
  const std::vector<const char*> some_time = {"1ms", "24h"};
  const std::vector<const char*> no_time = {"0", "86400001ms", "10"};
  const std::vector<const char*> time_or_none = {"0", "1ms", "1d"};
  const std::vector<const char*> too_long = {"86400001ms", "10"};
  const std::vector<Boundary> boundaries = {
      {"", "workers", {"1", "256", "auto"}, {"0", "257", "Auto", "[1]"}},
      {"timeouts", "client_header", some_time, no_time},
      {"timeouts", "client_idle", some_time, no_time},
      {"timeouts", "client_body", some_time, no_time},
      {"timeouts", "client_write", some_time, no_time},
      {"timeouts", "tls_handshake", some_time, no_time},
      {"timeouts", "connect", some_time, no_time},
      {"timeouts", "response_header", some_time, no_time},
      {"timeouts", "target_idle", some_time, no_time},
      {"timeouts", "per_try", time_or_none, too_long},
      {"timeouts", "total", time_or_none, too_long},
      {"rule.timeouts", "connect", some_time, no_time},
      {"rule.timeouts", "response_header", some_time, no_time},
      {"rule.timeouts", "target_idle", some_time, no_time},
      {"rule.timeouts", "per_try", time_or_none, too_long},
      {"rule.timeouts", "total", time_or_none, too_long},
      {"rule.timeouts", "client_idle", {}, {"1s"}},
      {"group.timeouts", "connect", some_time, no_time},
      {"group.timeouts", "response_header", some_time, no_time},
      {"group.timeouts", "target_idle", some_time, no_time},
      {"group.timeouts", "per_try", time_or_none, too_long},
      {"group.timeouts", "total", time_or_none, too_long},
      {"limits", "request_line", {"64", "256KiB"}, {"63", "262145"}},
      {"limits", "header", {"64", "256KiB"}, {"63", "262145"}},
      {"limits", "headers", {"64", "1MiB"}, {"63", "1048577"}},
      {"limits", "header_count", {"1", "10000"}, {"0", "10001"}},
      {"limits", "body", {"0", "1024GiB"}, {"1025GiB", "1099511627777"}},
      {"limits", "response_headers", {"64", "1MiB"}, {"63", "1048577"}},
      {"limits", "informational_responses", {"0", "1000"}, {"1001"}},
      {"limits", "chunk_extension", {"0", "64KiB"}, {"65537"}},
      {"limits", "trailers", {"0", "64KiB"}, {"65537"}},
      {"limits", "connections", {"0", "1000000000"}, {"1000000001"}},
      {"limits", "requests_per_connection", {"0", "1000000000"}, {"1000000001"}},
      {"limits", "connection_lifetime", {"0", "30d"}, {"721h"}},
      {"rule", "body_limit", {"0", "1024GiB"}, {"1025GiB"}},
      {"rule", "name", {"a", "A.b-c_9"}, {"''", "a b", "a/b", "default", "[a]"}},
      {"target", "weight", {"0", "999"}, {"1000", "-1"}},
      {"group.pool", "max_idle", {"0", "65536"}, {"65537"}},
      {"group.pool", "idle_timeout", some_time, no_time},
      {"group.pool", "max_requests", {"0", "1000000000"}, {"1000000001"}},
      {"access_log", "buffer", {"128KiB", "1GiB"}, {"131071", "1025MiB"}},
      {"access_log", "format", {"json", "combined"}, {"alb", "text"}},
      {"access_log", "path", {"stdout", "a.log"}, {"''", "\"a\\nb\"", "{}"}},
      {"log", "level", {"debug", "info", "warn", "error"}, {"trace", "INFO"}},
      {"log", "path", {"stderr", "a.log"}, {"''"}},
      {"shutdown", "deadline", {"0", "1d"}, {"25h", "30"}},
      {"forwarding", "x_forwarded_for", {"append", "preserve", "remove"}, {"off", "true"}},
      {"forwarding", "client_port", {"true", "false"}, {"on"}},
      {"forwarding", "preserve_host", {"true", "false"}, {"1"}},
      {"forwarding", "via", {"true", "false"}, {"sluice"}},
      {"forwarding",
       "trusted_proxies",
       {"[]", "[10.0.0.0/8]"},
       {"10.0.0.0/8", "[10.0.0.1/8]", "[host]", "[[]]"}},
      {"forwarding",
       "trailers",
       {"[]", "[X-A]"},
       {"X-A", "['a b']", "['']", "[Transfer-Encoding]", "[content-length]", "[Host]",
        "[Authorization]", "[set-cookie]", "[X-Forwarded-For]"}},
      {"", "state_dir", {"/var/lib/sluice"}, {"''", "[a]"}},
      {"admin", "tokens_file", {"/etc/sluice/tokens"}, {"''", "[a]"}},
  };
  for (const Boundary& boundary : boundaries) {
    for (const char* value : boundary.inside) {
      const std::string document = document_with(boundary, value);
      const auto loaded = load_yaml(document);
      EXPECT_TRUE(loaded.model) << document << joined(loaded);
    }
    for (const char* value : boundary.outside) {
      const std::string document = document_with(boundary, value);
      const auto loaded = load_yaml(document);
      EXPECT_FALSE(loaded.model) << document;
      ASSERT_EQ(loaded.messages.size(), 1U) << document << joined(loaded);
      EXPECT_NE(loaded.messages[0].find(boundary.key), std::string::npos) << loaded.messages[0];
    }
  }
}

TEST(Load, names_have_at_most_64_characters) {
  const std::string name(64, 'n');
  EXPECT_TRUE(load_yaml("listeners: [{ name: " + name + ", bind: \"127.0.0.1:80\" }]").model);
  EXPECT_FALSE(load_yaml("listeners: [{ name: n" + name + ", bind: \"127.0.0.1:80\" }]").model);
}

TEST(Load, priorities_go_from_1_to_50000) {
  const auto rule = [](const char* priority) {
    return "listeners:\n  - name: a\n    bind: 127.0.0.1:80\n    rules:\n      - { priority: " +
           std::string(priority) + ", conditions: [{ path: / }], action: { forward: g } }\n";
  };
  EXPECT_TRUE(load_yaml(rule("1")).model);
  EXPECT_TRUE(load_yaml(rule("50000")).model);
  EXPECT_EQ(
      joined(load_yaml(rule("0"))),
      "f:5:21: listeners[0].rules[0].priority: must be a whole number from 1 to 50000, not '0'\n");
  EXPECT_FALSE(load_yaml(rule("50001")).model);
}

TEST(Load, a_try_is_not_longer_than_the_exchange) {
  const std::string longer = "must not be longer than total (1s)\n";
  EXPECT_EQ(joined(load_after_listener("timeouts: { per_try: 1001ms, total: 1s }\n")),
            "f:2:22: timeouts.per_try: " + longer);
  EXPECT_EQ(joined(load_after_listener(
                with_group("    timeouts:\n      total: 1s\n      per_try: 2s\n"))),
            "f:6:16: target_groups[0].timeouts.per_try: " + longer);
  EXPECT_EQ(joined(load_yaml(with_rule("        conditions: [{ path: / }]\n"
                                       "        action: { forward: g }\n"
                                       "        timeouts: { per_try: 1m, total: 1s }\n"))),
            "f:8:30: listeners[0].rules[0].timeouts.per_try: " + longer);
  // Equal ones, unlimited ones, and values of different places.
  for (const char* timeouts :
       {"timeouts: { per_try: 1s, total: 1s }\n", "timeouts: { per_try: 1s, total: 0 }\n",
        "timeouts: { per_try: 0, total: 1s }\n",
        "timeouts: { per_try: 2s }\ntarget_groups: [{ name: g, timeouts: { total: 1s } }]\n"}) {
    EXPECT_EQ(joined(load_after_listener(timeouts)), "") << timeouts;
  }
}

// --- what must be there and what must differ
// ------------------------------------------------------

TEST(Load, at_least_one_listener) {
  const std::string missing = "listeners: missing; a configuration has at least one listener\n";
  EXPECT_EQ(joined(load_yaml("workers: 1\n")), "f:1:1: " + missing);
  EXPECT_EQ(joined(load_yaml("listeners:\n")), "f:1:1: " + missing);
  EXPECT_EQ(joined(load_yaml("listeners: []\n")), "f:1:12: " + missing);
  EXPECT_EQ(joined(load_yaml("listeners: 5\n")), "f:1:12: listeners: must be a list, not '5'\n");
}

TEST(Load, what_is_missing_is_said_where_it_should_be) {
  EXPECT_EQ(joined(load_yaml("listeners:\n  - {}\n")),
            "f:2:5: listeners[0].bind: missing; it must be an address such as 0.0.0.0:8080\n"
            "f:2:5: listeners[0].name: missing; it must be a name unique among the listeners\n");
  EXPECT_EQ(joined(load_yaml(
                "listeners:\n  - name: a\n    bind: 127.0.0.1:80\n    rules:\n      - name: r\n")),
            "f:5:9: listeners[0].rules[0].action: missing; it must be forward, redirect or "
            "fixed_response\n"
            "f:5:9: listeners[0].rules[0].conditions: missing; it must be a list of conditions\n"
            "f:5:9: listeners[0].rules[0].priority: missing; it must be a whole number from 1 to "
            "50000\n");
  EXPECT_EQ(
      joined(load_after_listener("target_groups:\n  - targets: [{ weight: 1 }]\n")),
      "f:3:5: target_groups[0].name: missing; it must be a name unique among the target groups\n"
      "f:3:15: target_groups[0].targets[0].address: missing; it must be the target's host:port, "
      "[v6]:port or "
      "unix:/path\n");
}

TEST(Load, duplicates_name_the_first) {
  EXPECT_EQ(joined(load_yaml("listeners:\n"
                             "  - { name: a, bind: \"127.0.0.1:80\" }\n"
                             "  - { name: a, bind: \"[::ffff:127.0.0.1]:80\" }\n"
                             "admin: { bind: \"127.0.0.1:80\" }\n"
                             "target_groups:\n"
                             "  - name: g\n"
                             "    targets: [\"[::1]:80\",\n"
                             "      \"[0::1]:80\"]\n"
                             "  - name: g\n")),
            "f:3:13: listeners[1].name: duplicate listener name 'a'; first at line 2\n"
            "f:3:22: listeners[1].bind: duplicate address '127.0.0.1:80'; first at line 2\n"
            "f:4:16: admin.bind: duplicate address '127.0.0.1:80'; the listener at line 2 has it\n"
            "f:8:7: target_groups[0].targets[1]: duplicate target '[::1]:80'; first at line 7\n"
            "f:9:11: target_groups[1].name: duplicate target group name 'g'; first at line 6\n");
}

TEST(Load, the_same_target_may_be_in_two_groups_and_the_same_rule_name_in_two_listeners) {
  const auto loaded = load_yaml(
      "listeners:\n"
      "  - { name: a, bind: \"127.0.0.1:0\", rules: [{ priority: 1, conditions: [{ path: / }], "
      "action: { forward: g } "
      "}] }\n"
      "  - { name: b, bind: \"127.0.0.1:0\", rules: [{ priority: 1, conditions: [{ path: / }], "
      "action: { forward: g } "
      "}] }\n"
      "target_groups: [{ name: g, targets: [\"h:1\"] }, { name: h, targets: [\"h:1\"] }]\n");
  EXPECT_TRUE(loaded.model) << joined(loaded);
}

TEST(Load, rules_differ_in_priority_and_name) {
  const std::string rest = "        conditions: [{ path: / }]\n        action: { forward: g }\n";
  EXPECT_EQ(
      joined(load_yaml(with_rule(rest + "      - priority: 10\n        name: x\n" + rest +
                                 "      - priority: 11\n        name: x\n" + rest +
                                 "      - priority: 12\n        name: rule-10\n" + rest))),
      "f:8:19: listeners[0].rules[1].priority: duplicate priority '10'; first at line 5\n"
      "f:13:15: listeners[0].rules[2].name: duplicate rule name 'x'; first at line 9\n"
      "f:17:15: listeners[0].rules[3].name: duplicate rule name 'rule-10'; first at line 5\n");
}

// --- kinds of values
// ------------------------------------------------------------------------------

TEST(Load, conditions_are_a_list_of_mappings_with_one_key) {
  const auto with_conditions = [](const std::string& conditions) {
    return joined(load_yaml(
        with_rule("        action: { forward: g }\n        conditions: " + conditions + "\n")));
  };
  const std::string one = ": must be one condition, a mapping with one key such as path: [...]\n";
  EXPECT_EQ(with_conditions("[{ path: / }, { host: h }]"), "");
  EXPECT_EQ(with_conditions("[{ path: /, host: h }, /, {}]"),
            "f:7:22: listeners[0].rules[0].conditions[0]" + one +
                "f:7:44: listeners[0].rules[0].conditions[1]" + one +
                "f:7:47: listeners[0].rules[0].conditions[2]" + one);
  const std::string list =
      "f:7:21: listeners[0].rules[0].conditions: must be a list of at least one condition, not ";
  EXPECT_EQ(with_conditions("[]").find(list + "an empty list; "), 0U) << with_conditions("[]");
  EXPECT_EQ(with_conditions("{ path: / }").find(list + "a mapping; "), 0U);
}

TEST(Load, an_action_is_a_mapping) {
  EXPECT_EQ(joined(load_yaml(
                "listeners: [{ name: a, bind: \"127.0.0.1:80\", default_action: forward }]\n")),
            "f:1:62: listeners[0].default_action: must be a mapping such as { forward: GROUP }, "
            "not 'forward'\n");
  EXPECT_EQ(joined(load_yaml(
                with_rule("        conditions: [{ path: / }]\n        action: [forward]\n"))),
            "f:7:17: listeners[0].rules[0].action: must be a mapping such as { forward: GROUP }, "
            "not a list\n");
}

TEST(Load, sections_are_mappings_and_lists_are_lists) {
  EXPECT_EQ(joined(load_after_listener(
                "target_groups: { name: g }\ntimeouts: 5s\nlimits: []\nforwarding: x\n"
                "admin: 127.0.0.1:9901\naccess_log: stdout\nlog: info\nshutdown: 30s\n")),
            "f:2:16: target_groups: must be a list, not a mapping\n"
            "f:3:11: timeouts: must be a mapping, not '5s'\n"
            "f:4:9: limits: must be a mapping, not a list\n"
            "f:5:13: forwarding: must be a mapping, not 'x'\n"
            "f:6:8: admin: must be a mapping, not '127.0.0.1:9901'\n"
            "f:7:13: access_log: must be a mapping, not 'stdout'\n"
            "f:8:6: log: must be a mapping, not 'info'\n"
            "f:9:11: shutdown: must be a mapping, not '30s'\n");
}

TEST(Load, tls_needs_certificates) {
  const auto with_tls = [](const std::string& tls) {
    return joined(
        load_yaml("listeners:\n  - name: a\n    bind: 127.0.0.1:80\n    tls: " + tls + "\n"));
  };
  EXPECT_EQ(with_tls("{ certificates: [{ cert: a, key: b }] }"), "");
  const std::string needs =
      "f:4:10: listeners[0].tls: needs certificates, a list of at least one { cert: FILE, key: "
      "FILE }\n";
  EXPECT_EQ(with_tls("{}"), needs);
  EXPECT_EQ(with_tls("{ certificates: [] }"), needs);
  EXPECT_EQ(with_tls("true"), "f:4:10: listeners[0].tls: must be a mapping, not 'true'\n");
  EXPECT_EQ(
      with_tls("{ certificates: [{ cert: a }], min_version: 1.4, cipher: x }"),
      "f:4:27: listeners[0].tls.certificates[0].key: missing; it must be the name of a PEM file\n"
      "f:4:54: listeners[0].tls.min_version: must be 1.0, 1.1, 1.2 or 1.3, not '1.4'\n"
      "f:4:59: listeners[0].tls.cipher: unknown key; did you mean 'ciphers'?\n");
}

TEST(Load, a_listener_binds_a_numeric_address) {
  const auto with_bind = [](const std::string& bind) {
    return joined(load_yaml("listeners: [{ name: a, bind: \"" + bind + "\" }]\n"));
  };
  for (const char* bind : {"0.0.0.0:80", "[::]:80", "127.0.0.1:0", "unix:/run/a.sock"})
    EXPECT_EQ(with_bind(bind), "");
  EXPECT_EQ(with_bind("localhost:80"),
            "f:1:30: listeners[0].bind: must be a numeric address such as 127.0.0.1:8080 or "
            "[::]:8080, or unix:/path, "
            "not 'localhost:80'\n");
}

TEST(Load, a_target_has_a_port) {
  EXPECT_EQ(
      joined(
          load_after_listener(with_group("    targets: [\"10.0.0.1:0\", { address: \"h:0\" }]\n"))),
      "f:4:15: target_groups[0].targets[0]: must have a port from 1 to 65535, not '10.0.0.1:0'\n"
      "f:4:40: target_groups[0].targets[1].address: must have a port from 1 to 65535, not 'h:0'\n");
}

TEST(Load, tls_to_targets_goes_with_https) {
  EXPECT_EQ(joined(load_after_listener(with_group("    tls: { verify: false }\n"))),
            "f:4:10: target_groups[0].tls: only with protocol: https\n");
  EXPECT_EQ(
      joined(load_after_listener(with_group("    protocol: https\n    targets: [\"unix:/a\"]\n"))),
      "f:5:15: target_groups[0].tls.server_name: missing; it must be the name in the certificate "
      "of the target "
      "on a Unix socket\n");
  EXPECT_TRUE(load_after_listener(with_group("    protocol: https\n    targets: [\"unix:/a\"]\n"
                                             "    tls: { verify: false }\n"))
                  .model);
}

TEST(Load, keys_of_later_versions_are_refused_as_that) {
  EXPECT_EQ(
      joined(load_yaml("listeners: [{ name: a, bind: \"127.0.0.1:80\", http2: true }]\n" +
                       with_group("    protocol_version: http1\n") +
                       "access_log: { format: alb }\n")),
      "f:5:23: access_log.format: 'alb' is not supported by this version; use json or combined\n");
}

TEST(Load, http2_towards_targets_has_keys_of_its_own) {
  const auto read = load_after_listener(
      with_group("    protocol_version: grpc\n"
                 "    http2: { max_concurrent_streams: 7, ping_interval: 0, ping_timeout: 2s }\n"));
  ASSERT_TRUE(read.model) << joined(read);
  const TargetGroup& group = read.model->target_groups[0];
  EXPECT_EQ(group.protocol_version, ProtocolVersion::grpc);
  EXPECT_EQ(group.http2.max_concurrent_streams, 7U);
  EXPECT_EQ(group.http2.ping_interval, Milliseconds(0));
  EXPECT_EQ(group.http2.ping_timeout, Milliseconds(2'000));
}

TEST(Load, http2_without_http2_is_refused) {
  EXPECT_NE(joined(load_after_listener(with_group("    http2: { max_concurrent_streams: 7 }\n")))
                .find("target_groups[0].http2: only with protocol_version: http2 or grpc"),
            std::string::npos);
}

TEST(Load, unknown_keys_are_refused_in_every_section) {
  EXPECT_EQ(joined(load_yaml("listeners:\n"
                             "  - name: a\n"
                             "    bind: 127.0.0.1:80\n"
                             "    default_acton: {}\n"
                             "    rules:\n"
                             "      - priority: 1\n"
                             "        condition: []\n"
                             "        conditions: [{ path: / }]\n"
                             "        action: { forward: g }\n"
                             "        timeouts: { conect: 1s }\n"
                             "target_groups:\n"
                             "  - name: g\n"
                             "    target: []\n"
                             "    targets: [{ address: \"h:1\", wieght: 1 }]\n"
                             "    pool: { maxidle: 1 }\n"
                             "    timeouts: { idle: 1s }\n"
                             "timeouts: { client_headers: 1s }\n"
                             "limits: { request_lines: 1KiB }\n"
                             "forwarding: { trusted_proxy: [] }\n"
                             "admin: { bnid: x }\n"
                             "access_log: { paht: x }\n"
                             "log: { levels: info }\n"
                             "shutdown: { deadlin: 1s }\n"
                             "target_group: []\n")),
            "f:4:5: listeners[0].default_acton: unknown key; did you mean 'default_action'?\n"
            "f:7:9: listeners[0].rules[0].condition: unknown key; did you mean 'conditions'?\n"
            "f:10:21: listeners[0].rules[0].timeouts.conect: unknown key; did you mean 'connect'?\n"
            "f:13:5: target_groups[0].target: unknown key; did you mean 'targets'?\n"
            "f:14:33: target_groups[0].targets[0].wieght: unknown key; did you mean 'weight'?\n"
            "f:15:13: target_groups[0].pool.maxidle: unknown key; did you mean 'max_idle'?\n"
            "f:16:17: target_groups[0].timeouts.idle: unknown key; known here: connect, "
            "response_header, target_idle, per_try or "
            "total\n"
            "f:17:13: timeouts.client_headers: unknown key; did you mean 'client_header'?\n"
            "f:18:11: limits.request_lines: unknown key; did you mean 'request_line'?\n"
            "f:19:15: forwarding.trusted_proxy: unknown key; did you mean 'trusted_proxies'?\n"
            "f:20:10: admin.bnid: unknown key; did you mean 'bind'?\n"
            "f:21:15: access_log.paht: unknown key; did you mean 'path'?\n"
            "f:22:8: log.levels: unknown key; did you mean 'level'?\n"
            "f:23:13: shutdown.deadlin: unknown key; did you mean 'deadline'?\n"
            "f:24:1: target_group: unknown key; did you mean 'target_groups'?\n");
}

TEST(Load, the_paths_of_logs_keep_their_places) {
  const auto loaded =
      load_after_listener("access_log: { format: json, path: stdout }\nlog: { level: info }\n");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(loaded.model->access_log.position.line, 2U);
  EXPECT_EQ(loaded.model->access_log.position.column, 35U);
  EXPECT_EQ(loaded.model->log.position.line, 3U);
  EXPECT_EQ(loaded.model->log.position.column, 6U);
}

TEST(Load, an_address_that_is_part_of_another_is_refused) {
  const auto loaded = load_yaml(R"(listeners:
  - { name: a, bind: "127.0.0.1:80" }
  - { name: b, bind: "0.0.0.0:80" }
  - { name: c, bind: "[::]:81" }
  - { name: d, bind: "[::1]:81" }
  - { name: e, bind: "[::1]:80" }
  - { name: f, bind: "127.0.0.1:81" }
  - { name: g, bind: "0.0.0.0:0" }
  - { name: h, bind: "127.0.0.1:0" }
admin: { bind: "127.0.0.2:80" }
)");
  EXPECT_EQ(joined(loaded),
            "f:2:22: listeners[0].bind: '127.0.0.1:80' is part of '0.0.0.0:80', which the listener "
            "at line 3 has\n"
            "f:5:22: listeners[3].bind: '[::1]:81' is part of '[::]:81', which the listener at "
            "line 4 has\n"
            "f:10:16: admin.bind: '127.0.0.2:80' is part of '0.0.0.0:80', which the listener at "
            "line 3 has\n");
}

TEST(Load, two_spellings_of_one_unix_path_are_one_address) {
  const auto loaded = load_yaml(R"(listeners:
  - { name: a, bind: "unix:/x/b.sock" }
  - { name: b, bind: "unix:/x/./b.sock" }
admin: { bind: "unix:/x//b.sock" }
)");
  EXPECT_EQ(joined(loaded),
            "f:3:22: listeners[1].bind: duplicate address 'unix:/x/b.sock'; first at line 2\n"
            "f:4:16: admin.bind: duplicate address 'unix:/x/b.sock'; the listener at line 2 has "
            "it\n");
}

TEST(Load, both_logs_in_one_file_are_refused) {
  const auto with_logs = [](const std::string& access, const std::string& error) {
    return joined(load_after_listener("access_log: { path: " + access +
                                      " }\nlog: { path: " + error + " }\n"));
  };
  EXPECT_EQ(
      with_logs("/x/a.log", "/x/./a.log"),
      "f:2:21: access_log.path: the same file as log.path at line 3; give each log its own\n");
  for (const char* shared : {"stdout", "/dev/stdout"}) EXPECT_EQ(with_logs(shared, shared), "");
  EXPECT_EQ(with_logs("/x/a.log", "/x/b.log"), "");
}

TEST(Load, an_empty_tls_section_is_no_listener_without_tls) {
  EXPECT_EQ(joined(load_yaml("listeners:\n  - name: a\n    bind: \"127.0.0.1:80\"\n    tls:\n"
                             "    default_action:\n")),
            "f:4:5: listeners[0].tls: needs certificates, a list of at least one "
            "{ cert: FILE, key: FILE }\n");
}

TEST(Load, an_admin_listener_that_others_can_reach_is_refused) {
  const auto with_admin = [](const std::string& bind) {
    const auto loaded = load_after_listener("admin: { bind: \"" + bind + "\" }\n");
    return joined(loaded);
  };
  for (const char* bind : {"127.0.0.1:9901", "127.9.9.9:9901", "[::1]:9901", "unix:/run/a"}) {
    EXPECT_EQ(with_admin(bind), "");
  }
  for (const char* bind : {"0.0.0.0:9901", "[::]:9901", "10.0.0.1:9901"}) {
    EXPECT_EQ(with_admin(bind).find("f:2:16: admin.bind: "), 0U) << bind;
    const auto loaded = load_after_listener("admin: { bind: \"" + std::string(bind) +
                                            "\", tokens_file: tokens }\n");
    EXPECT_EQ(joined(loaded), "");
    EXPECT_EQ(loaded.model->admin.tokens_file, "tokens");
  }
}

// --- files
// ----------------------------------------------------------------------------------------

TEST(Load, a_file_that_cannot_be_read_is_named) {
  Problems problems;
  EXPECT_FALSE(load("/nonexistent/sluice.yaml", problems));
  EXPECT_EQ(problems.sorted().at(0).text(),
            "/nonexistent/sluice.yaml: cannot be read: No such file or directory");
  Problems directory;
  EXPECT_FALSE(load("/", directory));
  EXPECT_EQ(directory.sorted().at(0).text(), "/: cannot be read: Is a directory");
  Problems endless;
  EXPECT_FALSE(load("/dev/zero", endless));
  EXPECT_EQ(endless.sorted().at(0).text(),
            "/dev/zero: larger than 4 MiB, the most a configuration may have");
}

TEST(Load, an_earlier_error_in_the_same_problems_gives_nothing) {
  Problems problems;
  problems.error({}, "", "before");
  EXPECT_FALSE(load_text(test::smallest, "f", problems));
}

}  // namespace
}  // namespace sluice::config
