// health_check, passive_health, fail_open, limits, websocket, deregistration_delay, slow_start and
// anomaly_mitigation of a target group. Ranges: manual_test.cc.
#include <gtest/gtest.h>

#include <chrono>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;
using test::joined;
using test::load_group;

TargetGroup group_of(const std::string& more) {
  auto loaded = load_group(more);
  EXPECT_EQ(joined(loaded), "") << more;
  return loaded.model ? loaded.model->target_groups.at(0) : TargetGroup{};
}

std::string errors_of(const std::string& more) { return joined(load_group(more)); }

TEST(TargetPolicy, a_group_that_says_nothing_has_the_defaults) {
  const TargetGroup group = group_of("");
  EXPECT_FALSE(group.health_check);
  EXPECT_TRUE(group.passive_health.enabled);
  EXPECT_EQ(group.passive_health.consecutive_failures, 1U);
  EXPECT_EQ(group.passive_health.consecutive_timeouts, 3U);
  EXPECT_EQ(group.passive_health.consecutive_5xx, 5U);
  EXPECT_EQ(group.passive_health.error_rate_percent, 0U);
  EXPECT_EQ(group.passive_health.latency_factor, 0U);
  EXPECT_EQ(group.passive_health.minimum_requests, 20U);
  EXPECT_EQ(group.passive_health.window, 10s);
  EXPECT_EQ(group.passive_health.ejection_time, 10s);
  EXPECT_EQ(group.passive_health.max_ejection_time, 5min);
  EXPECT_EQ(group.passive_health.max_ejected_percent, 50U);
  EXPECT_EQ(group.fail_open.minimum_healthy_count, 1U);
  EXPECT_EQ(group.fail_open.minimum_healthy_percent, 0U);
  EXPECT_EQ(group.limits.max_connections, 0U);
  EXPECT_EQ(group.limits.max_requests, 0U);
  EXPECT_EQ(group.limits.queue, 1024U);
  EXPECT_EQ(group.limits.queue_timeout, 1s);
  EXPECT_TRUE(group.websocket.enabled);
  EXPECT_EQ(group.websocket.idle_timeout, 1h);
  EXPECT_EQ(group.websocket.lifetime, 0s);
  EXPECT_EQ(group.websocket.ping_interval, 0s);
  EXPECT_EQ(group.websocket.close_window, 30s);
  EXPECT_FALSE(group.anomaly_mitigation);
  EXPECT_EQ(group.deregistration_delay, 300s);
  EXPECT_EQ(group.slow_start, 0s);
}

TEST(TargetPolicy, every_key_arrives_in_its_field) {
  const TargetGroup group = group_of(R"(    algorithm: weighted_random
    anomaly_mitigation: true
    passive_health: { consecutive_failures: 2, consecutive_timeouts: 1,
                      consecutive_5xx: 3, error_rate_percent: 4, latency_factor: 5,
                      minimum_requests: 6, window: 7s, ejection_time: 8s,
                      max_ejection_time: 9s, max_ejected_percent: 10 }
    fail_open: { minimum_healthy_count: 11, minimum_healthy_percent: 12 }
    limits: { max_connections: 13, max_requests: 14, queue: 15, queue_timeout: 16s }
    websocket: { idle_timeout: 17s, lifetime: 18s, ping_interval: 16s, close_window: 19s }
    deregistration_delay: 20s
    slow_start: 21s
)");
  EXPECT_TRUE(group.anomaly_mitigation);
  EXPECT_TRUE(group.passive_health.enabled);
  EXPECT_EQ(group.passive_health.consecutive_failures, 2U);
  EXPECT_EQ(group.passive_health.consecutive_timeouts, 1U);
  EXPECT_EQ(group.passive_health.consecutive_5xx, 3U);
  EXPECT_EQ(group.passive_health.error_rate_percent, 4U);
  EXPECT_EQ(group.passive_health.latency_factor, 5U);
  EXPECT_EQ(group.passive_health.minimum_requests, 6U);
  EXPECT_EQ(group.passive_health.window, 7s);
  EXPECT_EQ(group.passive_health.ejection_time, 8s);
  EXPECT_EQ(group.passive_health.max_ejection_time, 9s);
  EXPECT_EQ(group.passive_health.max_ejected_percent, 10U);
  EXPECT_EQ(group.fail_open.minimum_healthy_count, 11U);
  EXPECT_EQ(group.fail_open.minimum_healthy_percent, 12U);
  EXPECT_EQ(group.limits.max_connections, 13U);
  EXPECT_EQ(group.limits.max_requests, 14U);
  EXPECT_EQ(group.limits.queue, 15U);
  EXPECT_EQ(group.limits.queue_timeout, 16s);
  EXPECT_TRUE(group.websocket.enabled);
  EXPECT_EQ(group.websocket.idle_timeout, 17s);
  EXPECT_EQ(group.websocket.lifetime, 18s);
  EXPECT_EQ(group.websocket.ping_interval, 16s);
  EXPECT_EQ(group.websocket.close_window, 19s);
  EXPECT_EQ(group.deregistration_delay, 20s);
  EXPECT_EQ(group.slow_start, 21s);
}

TEST(TargetPolicy, a_health_check_is_kept_as_it_is_written) {
  const auto check = group_of("    health_check: { path: /health, port: 81 }\n").health_check;
  ASSERT_TRUE(check);
  EXPECT_EQ(check->keys(), (std::vector<std::string>{"path", "port"}));
  EXPECT_EQ(check->path(), "target_groups[0].health_check");
  EXPECT_EQ(check->position().line, 4U);
  EXPECT_TRUE(group_of("    health_check: {}\n").health_check);
  const std::string must_be =
      "f:4:19: target_groups[0].health_check: must be a mapping such as { "
      "path: /health }, not ";
  EXPECT_EQ(errors_of("    health_check: /health\n"), must_be + "'/health'\n");
  EXPECT_EQ(errors_of("    health_check: [tcp]\n"), must_be + "a list\n");
}

TEST(TargetPolicy, passive_health_and_websocket_can_be_switched_off) {
  EXPECT_FALSE(group_of("    passive_health: off\n").passive_health.enabled);
  EXPECT_FALSE(group_of("    websocket: off\n").websocket.enabled);
  EXPECT_TRUE(group_of("    passive_health: {}\n    websocket: {}\n").websocket.enabled);
  EXPECT_EQ(errors_of("    passive_health: false\n    websocket: [off]\n"),
            "f:4:21: target_groups[0].passive_health: must be off or a mapping, not 'false'\n"
            "f:5:16: target_groups[0].websocket: must be off or a mapping, not a list\n");
}

TEST(TargetPolicy, an_ejection_is_not_longer_than_the_longest) {
  EXPECT_EQ(errors_of("    passive_health: { ejection_time: 6m }\n"),
            "f:4:38: target_groups[0].passive_health.ejection_time: must not be longer than "
            "max_ejection_time (5m)\n");
  EXPECT_EQ(errors_of("    passive_health: { max_ejection_time: 5s }\n"),
            "f:4:42: target_groups[0].passive_health.max_ejection_time: must not be shorter than "
            "ejection_time (10s)\n");
  EXPECT_EQ(errors_of("    passive_health: { ejection_time: 3s, max_ejection_time: 3s }\n"), "");
  // One mistake, one message: the default does not stand in for what could not be read.
  EXPECT_EQ(errors_of("    passive_health: { ejection_time: 2, max_ejection_time: 5s }\n"),
            "f:4:38: target_groups[0].passive_health.ejection_time: must be a duration from 100ms "
            "to 1d, written like 250ms, 30s, 5m, 2h or 1d, not '2'\n");
}

TEST(TargetPolicy, zero_is_said_where_it_is_allowed_below_a_range) {
  EXPECT_EQ(errors_of("    passive_health: { latency_factor: 1 }\n    slow_start: 999ms\n"),
            "f:4:39: target_groups[0].passive_health.latency_factor: must be 0 or a whole number "
            "from 2 to 100, not '1'\n"
            "f:5:17: target_groups[0].slow_start: must be 0 or a duration from 1s to 15m, written "
            "like 250ms, 30s, 5m, 2h or 1d, not '999ms'\n");
  EXPECT_EQ(group_of("    slow_start: 0s\n").slow_start, 0s);
}

TEST(TargetPolicy, a_ping_comes_before_the_idle_timeout) {
  EXPECT_EQ(errors_of("    websocket: { idle_timeout: 1m, ping_interval: 1m }\n"),
            "f:4:51: target_groups[0].websocket.ping_interval: must be shorter than idle_timeout "
            "(1m), which would end the connection first\n");
  EXPECT_EQ(errors_of("    websocket: { idle_timeout: 1m, ping_interval: 59s }\n"), "");
}

TEST(TargetPolicy, a_close_window_over_the_deregistration_delay_is_a_warning) {
  const auto loaded =
      load_group("    deregistration_delay: 10s\n    websocket: { close_window: 11s }\n");
  EXPECT_TRUE(loaded.model);
  EXPECT_EQ(joined(loaded),
            "f:5:32: warning: target_groups[0].websocket.close_window: longer than "
            "deregistration_delay (10s), which ends it\n");
  // The default is not what the file said.
  EXPECT_EQ(errors_of("    deregistration_delay: 0s\n"), "");
  EXPECT_EQ(errors_of("    deregistration_delay: 10s\n    websocket: { close_window: 10s }\n"), "");
}

TEST(TargetPolicy, anomaly_mitigation_goes_with_weighted_random) {
  const std::string only =
      "f:4:25: target_groups[0].anomaly_mitigation: only with algorithm: weighted_random\n";
  EXPECT_EQ(errors_of("    anomaly_mitigation: true\n"), only);
  EXPECT_EQ(errors_of("    anomaly_mitigation: true\n    algorithm: random_two\n"), only);
  EXPECT_EQ(errors_of("    anomaly_mitigation: true\n    algorithm: weighted_random\n"), "");
  EXPECT_EQ(errors_of("    anomaly_mitigation: false\n"), "");
  EXPECT_EQ(errors_of("    anomaly_mitigation: on\n"),
            "f:4:25: target_groups[0].anomaly_mitigation: must be true or false, not 'on'\n");
}

TEST(TargetPolicy, unknown_keys_are_refused_in_every_section) {
  EXPECT_EQ(errors_of("    passive_health: { consecutive_5x: 1 }\n"
                      "    fail_open: { minimum_healthy: 1 }\n"
                      "    limits: { max_conections: 1 }\n"
                      "    websocket: { idle: 1s }\n"
                      "    slowstart: 1s\n"),
            "f:4:23: target_groups[0].passive_health.consecutive_5x: unknown key; did you mean "
            "'consecutive_5xx'?\n"
            "f:5:18: target_groups[0].fail_open.minimum_healthy: unknown key; did you mean "
            "'minimum_healthy_count'?\n"
            "f:6:15: target_groups[0].limits.max_conections: unknown key; did you mean "
            "'max_connections'?\n"
            "f:7:18: target_groups[0].websocket.idle: unknown key; known here: idle_timeout, "
            "lifetime, ping_interval or close_window\n"
            "f:8:5: target_groups[0].slowstart: unknown key; did you mean 'slow_start'?\n");
}

TEST(TargetPolicy, a_section_whose_keys_are_all_commented_out_is_there) {
  const TargetGroup group = group_of("    health_check:\n      # path: /health\n");
  ASSERT_TRUE(group.health_check) << "checked, with the defaults";
  EXPECT_EQ(group.health_check->kind(), Node::Kind::mapping);
  EXPECT_EQ(group.health_check->position().line, 4U);
  EXPECT_TRUE(group_of("    passive_health:\n    websocket: ~\n").websocket.enabled);
  EXPECT_EQ(errors_of("    stickiness:\n    tls:\n"),
            "f:4:5: target_groups[0].stickiness.type: missing; it must be lb_cookie, app_cookie or "
            "hash\n"
            "f:5:5: target_groups[0].tls: only with protocol: https\n");
  EXPECT_EQ(errors_of("    algorithm: consistent_hash\n    hash_key:\n"),
            "f:5:5: target_groups[0].hash_key: must be path, source_ip, { header: NAME }, "
            "{ cookie: NAME } or { query: NAME }, one of them\n");
  EXPECT_EQ(errors_of("    retry: { on: }\n"),
            "f:4:14: target_groups[0].retry.on: is empty; leave it out, or write [] for nothing\n");
}

TEST(TargetPolicy, a_section_from_a_variable_that_is_empty_is_an_error) {
  EXPECT_EQ(errors_of("    health_check: ${SLUICE_TEST_NONE:-}\n"),
            "f:4:19: target_groups[0].health_check: must be a mapping such as { path: /health }, "
            "not '${SLUICE_TEST_NONE:-}'\n");
}

TEST(TargetPolicy, more_healthy_targets_than_there_are_cannot_be_asked_for) {
  EXPECT_EQ(errors_of("    targets: [\"a:1\", \"b:1\"]\n"
                      "    fail_open: { minimum_healthy_count: 3 }\n"),
            "f:5:41: warning: target_groups[0].fail_open.minimum_healthy_count: more than there "
            "are targets (2): the group fails open as soon as one of them is not healthy\n");
  EXPECT_EQ(errors_of("    targets: [\"a:1\", \"b:1\"]\n"
                      "    fail_open: { minimum_healthy_count: 2 }\n"),
            "");
  EXPECT_EQ(errors_of("    targets: []\n    fail_open: { minimum_healthy_count: 3 }\n"), "");
}

TEST(TargetPolicy, sections_are_mappings) {
  EXPECT_EQ(errors_of("    fail_open: 1\n    limits: []\n"),
            "f:4:16: target_groups[0].fail_open: must be a mapping, not '1'\n"
            "f:5:13: target_groups[0].limits: must be a mapping, not a list\n");
}

}  // namespace
}  // namespace sluice::config
