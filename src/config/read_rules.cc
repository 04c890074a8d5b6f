#include <utility>

#include "config/readers.h"

namespace sluice::config {
namespace {

// Each condition is a mapping with one key, its kind; `route` reads the rest.
std::vector<Node> read_conditions(const std::optional<Node>& node, Problems& problems) {
  if (!node) return {};
  if (node->kind() != Node::Kind::sequence || node->items().empty()) {
    node->error("must be a list of at least one condition, not " +
                    (node->kind() == Node::Kind::sequence ? "an empty list" : node->quoted()) +
                    "; what holds for every request is the listener's default_action",
                problems);
    return {};
  }
  std::vector<Node> conditions;
  for (Node& item : node->items()) {
    if (item.kind() == Node::Kind::mapping && item.keys().size() == 1) {
      conditions.push_back(std::move(item));
    } else {
      item.error("must be one condition, a mapping with one key such as path: [...]", problems);
    }
  }
  return conditions;
}

// Empty when it is no name, which has been reported.
std::string read_rule_name(const Node& node, Problems& problems) {
  std::string text = name(node, problems).value_or("");
  if (text == "default") {
    node.error("'default' is what logs and metrics call the default_action; choose another name",
               problems);
  }
  return text;
}

std::string default_name(std::uint32_t priority) {
  return priority == 0 ? "" : "rule-" + std::to_string(priority);
}

// As for a group: the second request is sent while the first try runs.
void check_hedging(const Section& section, const Node& node, const Rule& rule, Problems& problems) {
  const Milliseconds per_try = rule.timeouts.per_try.value_or(Milliseconds(0));
  const Milliseconds delay = rule.retry.values.hedge_delay;
  if (!section.is_sound() || per_try.count() == 0 || delay.count() == 0 || delay < per_try) return;
  node.get("retry")->get("hedge_delay")->error("must be shorter than timeouts.per_try", problems);
}

Rule read_rule(const Node& node, Unique& names, Unique& priorities, Problems& problems) {
  Rule rule;
  rule.position = node.position();
  Section section(node, problems);

  if (const auto priority = section.require("priority", "a whole number from 1 to 50000")) {
    if (const auto value = priority->as_integer(1, 50'000, problems)) {
      rule.priority = static_cast<std::uint32_t>(*value);
      priorities.add(std::to_string(*value), *priority, problems);
    }
  }
  const auto given_name = section.get("name");
  rule.name = given_name ? read_rule_name(*given_name, problems) : default_name(rule.priority);
  if (!rule.name.empty()) names.add(rule.name, given_name.value_or(node), problems);
  rule.conditions =
      read_conditions(section.require("conditions", "a list of conditions"), problems);
  if (const auto action = section.require("action", "forward, redirect or fixed_response")) {
    rule.action = read_action(*action, problems).value_or(Node());
  }
  rule.filters = section.section("filters");
  if (const auto timeouts = section.section("timeouts"))
    read_timeout_overrides(*timeouts, rule.timeouts, problems);
  if (const auto limit = section.get("body_limit")) {
    rule.body_bytes = limit->as_size(body_range.least, body_range.most, problems);
  }
  if (const auto retry = section.section("retry"))
    read_retry_overrides(*retry, rule.retry, problems);
  section.choice("access_log", {"on", "errors", "off"}, rule.logged);
  check_hedging(section, node, rule, problems);
  return rule;
}

}  // namespace

std::vector<Rule> read_rules(const std::vector<Node>& items, Problems& problems) {
  Unique names("rule name");
  Unique priorities("priority");
  std::vector<Rule> rules;
  rules.reserve(items.size());
  for (const Node& item : items) rules.push_back(read_rule(item, names, priorities, problems));
  return rules;
}

std::optional<Node> read_action(const Node& node, Problems& problems) {
  if (node.kind() == Node::Kind::mapping) return node;
  node.error("must be a mapping such as { forward: GROUP }, not " + node.quoted(), problems);
  return std::nullopt;
}

}  // namespace sluice::config
