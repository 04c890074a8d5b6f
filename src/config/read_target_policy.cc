// What a target group asks of its targets, and how much it asks them.
#include <chrono>

#include "config/quantities.h"
#include "config/readers.h"

namespace sluice::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr std::uint32_t whole_percent = 100;

// Said where the file says either; the first ejection would be over the bound already.
void check_ejection_times(const Node& node, const PassiveHealth& passive, Problems& problems) {
  if (passive.ejection_time <= passive.max_ejection_time) return;
  if (const auto first = node.get("ejection_time")) {
    first->error("must not be longer than max_ejection_time (" +
                     duration_text(passive.max_ejection_time) + ")",
                 problems);
  } else {
    node.get("max_ejection_time")
        ->error(
            "must not be shorter than ejection_time (" + duration_text(passive.ejection_time) + ")",
            problems);
  }
}

void check_ping(const Node& node, const WebSocket& websocket, Problems& problems) {
  if (websocket.ping_interval < websocket.idle_timeout) return;
  node.get("ping_interval")
      ->error("must be shorter than idle_timeout (" + duration_text(websocket.idle_timeout) +
                  "), which would end the connection first",
              problems);
}

}  // namespace

std::optional<Node> read_health_check(const Node& node, Problems& problems) {
  if (node.kind() == Node::Kind::mapping) return node;
  node.error("must be a mapping such as { path: /health }, not " + node.quoted(), problems);
  return std::nullopt;
}

void read_target_limits(const Node& node, TargetLimits& limits, Problems& problems) {
  constexpr Range<std::uint32_t> any_number{0, 1'000'000};
  Section section(node, problems);
  section.number("max_connections", any_number, limits.max_connections);
  section.number("max_requests", any_number, limits.max_requests);
  section.number("queue", any_number, limits.queue);
  section.duration("queue_timeout", {milliseconds(1), hours(1)}, limits.queue_timeout);
}

void read_passive_health(const Node& node, PassiveHealth& passive, Problems& problems) {
  const Switch given = off_or_settings(node, problems);
  passive.enabled = given != Switch::off;
  if (given != Switch::settings) return;

  constexpr Range<std::uint32_t> run{0, 1'000};
  constexpr Range<Milliseconds> ejection{milliseconds(100), hours(24)};
  Section section(node, problems);
  section.number("consecutive_failures", run, passive.consecutive_failures);
  section.number("consecutive_timeouts", run, passive.consecutive_timeouts);
  section.number("consecutive_5xx", run, passive.consecutive_5xx);
  section.number("error_rate_percent", {0, whole_percent}, passive.error_rate_percent);
  section.number_or_zero("latency_factor", {2, 100}, passive.latency_factor);
  section.number("minimum_requests", {1, 1'000'000}, passive.minimum_requests);
  section.duration("window", {milliseconds(100), hours(1)}, passive.window);
  section.duration("ejection_time", ejection, passive.ejection_time);
  section.duration("max_ejection_time", ejection, passive.max_ejection_time);
  section.number("max_ejected_percent", {0, whole_percent}, passive.max_ejected_percent);
  if (section.is_sound()) check_ejection_times(node, passive, problems);
}

void read_fail_open(const Node& node, FailOpen& fail_open, Problems& problems) {
  Section section(node, problems);
  section.number("minimum_healthy_count", {1, 1'000}, fail_open.minimum_healthy_count);
  section.number("minimum_healthy_percent", {0, whole_percent}, fail_open.minimum_healthy_percent);
}

void read_websocket(const Node& node, WebSocket& websocket, Problems& problems) {
  const Switch given = off_or_settings(node, problems);
  websocket.enabled = given != Switch::off;
  if (given != Switch::settings) return;

  constexpr hours longest(24 * 30);
  Section section(node, problems);
  section.duration("idle_timeout", {milliseconds(1), longest}, websocket.idle_timeout);
  section.duration("lifetime", {milliseconds(0), longest}, websocket.lifetime);
  section.duration("ping_interval", {milliseconds(0), hours(24)}, websocket.ping_interval);
  section.duration("close_window", {milliseconds(0), hours(1)}, websocket.close_window);
  if (section.is_sound()) check_ping(node, websocket, problems);
}

}  // namespace sluice::config
