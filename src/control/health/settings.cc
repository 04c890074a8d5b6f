#include "control/health/settings.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "control/health/check.h"

namespace sluice::control::health {

namespace {

using config::Milliseconds;
using config::Node;
using config::Problems;

constexpr std::array<std::string_view, 8> common_keys{"protocol",
                                                      "port",
                                                      "interval",
                                                      "unhealthy_interval",
                                                      "timeout",
                                                      "healthy_threshold",
                                                      "unhealthy_threshold",
                                                      "jitter_percent"};
constexpr Milliseconds least_interval{100};
constexpr Milliseconds most_interval{3'600'000};

const Kind* read_kind(const Node& node, std::string_view default_kind, Problems& problems) {
  const auto protocol = node.get("protocol");
  if (!protocol) return find_kind(default_kind);
  const auto name = protocol->as_string(problems);
  if (!name) return nullptr;
  if (const Kind* kind = find_kind(*name)) return kind;
  std::string known;
  for (const Kind& kind : kinds()) {
    if (!known.empty()) known += ", ";
    known += kind.name;
  }
  protocol->error("must be one of " + known + ", not " + protocol->quoted(), problems);
  return nullptr;
}

// A key of another kind is not a slip of the pen, so it gets an answer of its own.
void check_keys(const Node& node, const Kind* kind, Problems& problems) {
  std::vector<std::string_view> known(common_keys.begin(), common_keys.end());
  for (const Kind& any : kinds()) known.insert(known.end(), any.keys.begin(), any.keys.end());
  node.allow_keys(known, {}, problems);
  if (kind == nullptr) return;
  for (const std::string& key : node.keys()) {
    const bool is_common = std::ranges::find(common_keys, key) != common_keys.end();
    const bool is_known = std::ranges::find(known, key) != known.end();
    if (is_common || !is_known || std::ranges::find(kind->keys, key) != kind->keys.end()) continue;
    node.get(key).value_or(node).error("has no meaning with protocol " + std::string(kind->name),
                                       problems);
  }
}

template <typename Field>
void read_number(const Node& node, std::string_view key, std::uint64_t least, std::uint64_t most,
                 Field& field, Problems& problems) {
  const auto given = node.get(key);
  if (!given) return;
  if (const auto value = given->as_integer(least, most, problems)) {
    field = static_cast<Field>(*value);
  }
}

void read_duration(const Node& node, std::string_view key, Milliseconds least, Milliseconds& field,
                   Problems& problems) {
  const auto given = node.get(key);
  if (!given) return;
  if (const auto value = given->as_duration(least, most_interval, problems)) field = *value;
}

// Otherwise a second check would be due while the first is still waiting.
void read_timeout(const Node& node, Settings& settings, Problems& problems) {
  const Milliseconds most = std::min(settings.interval, settings.unhealthy_interval);
  settings.timeout = std::min(settings.timeout, most);
  const auto given = node.get("timeout");
  if (!given) return;
  read_duration(node, "timeout", Milliseconds(1), settings.timeout, problems);
  if (settings.timeout <= most) return;
  const bool by_interval = settings.interval <= settings.unhealthy_interval;
  given->error("timeout over " + std::string(by_interval ? "interval" : "unhealthy_interval") +
                   ": it must be at most " + std::to_string(most.count()) + "ms, not " +
                   given->quoted(),
               problems);
}

}  // namespace

Settings read_settings(const Node& node, std::string_view default_kind, Problems& problems) {
  Settings settings;
  if (node.kind() != Node::Kind::mapping) {
    node.error("must be a mapping, not " + node.quoted(), problems);
    return settings;
  }
  settings.kind = read_kind(node, default_kind, problems);
  check_keys(node, settings.kind, problems);
  read_number(node, "port", 1, 65'535, settings.port, problems);
  read_duration(node, "interval", least_interval, settings.interval, problems);
  settings.unhealthy_interval = settings.interval;
  read_duration(node, "unhealthy_interval", least_interval, settings.unhealthy_interval, problems);
  read_timeout(node, settings, problems);
  read_number(node, "healthy_threshold", 1, 100, settings.thresholds.healthy, problems);
  read_number(node, "unhealthy_threshold", 1, 100, settings.thresholds.unhealthy, problems);
  read_number(node, "jitter_percent", 0, 50, settings.jitter_percent, problems);
  return settings;
}

}  // namespace sluice::control::health
