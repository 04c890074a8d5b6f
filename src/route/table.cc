#include "sluice/route/table.h"

#include <algorithm>
#include <map>

#include "route/redirect_loop.h"

#include "route/anchor.h"
#include "route/claim_limits.h"
#include "route/table/index.h"
#include "route/two_authorizations.h"
#include "route/unreachable.h"

namespace sluice::route {
namespace {

// A redirect to the listener's own protocol and port that leaves host and path as they are brings
// the client back to the rule that sent it.
bool returns_here(const Redirect& redirect, const config::Listener& listener) {
  const std::string_view protocol = listener.tls ? "https" : "http";
  return !redirect.host && !redirect.path &&
         (!redirect.protocol || redirect.protocol == protocol) &&
         redirect.port.value_or(listener.bind.port) == listener.bind.port;
}

// The action of one rule of this listener. Nothing when a problem was recorded.
std::optional<Action> read_action(const config::Node& node, const config::Listener& listener,
                                  std::string_view rule, const GroupLookup& groups,
                                  config::Problems& problems) {
  auto action = make_action(node, groups, problems);
  if (auto* forward = action ? std::get_if<Forward>(&*action) : nullptr) {
    name_group_cookie(*forward, listener.name, rule);
  }
  const auto* redirect = action ? std::get_if<Redirect>(&*action) : nullptr;
  if (redirect == nullptr) return action;
  if (returns_here(*redirect, listener)) {
    node.error("is a loop: it redirects to this listener, with the same host and path", problems);
    return std::nullopt;
  }
  if (listener.tls && redirect->protocol == "http") {
    node.warning("sends clients from HTTPS to plain HTTP", problems);
  }
  return action;
}

std::vector<std::unique_ptr<Condition>> read_conditions(const config::Rule& rule,
                                                        config::Problems& problems) {
  std::vector<std::unique_ptr<Condition>> conditions;
  for (const config::Node& node : rule.conditions) {
    if (auto condition = make_condition(node, problems)) conditions.push_back(std::move(condition));
  }
  return conditions;
}

Rule default_rule(std::optional<Action> action, const Filters& filters) {
  Rule rule;
  rule.name = "default";
  rule.action = std::move(action);
  rule.filters = filters;
  rule.has_filters = !filters.is_empty();
  return rule;
}

const Filters* filters_of(const Table* table, std::string_view rule) {
  if (table == nullptr) return nullptr;
  const auto found = std::ranges::find(table->rules(), rule, &Rule::name);
  return found == table->rules().end() ? nullptr : &found->filters;
}

// Files may be large, and named by several rules: equal content is held once, over reloads, too.
void share_bodies(std::vector<Rule>& rules, const Table* former) {
  std::map<std::string_view, std::shared_ptr<const std::string>> known;
  const auto know = [&known](const Rule& rule) {
    const auto* response = rule.action ? std::get_if<FixedResponse>(&*rule.action) : nullptr;
    if (response != nullptr && !response->body_file.empty()) {
      known[response->body_file] = response->body;
    }
  };
  if (former != nullptr) std::ranges::for_each(former->rules(), know);
  for (Rule& rule : rules) {
    auto* response = rule.action ? std::get_if<FixedResponse>(&*rule.action) : nullptr;
    if (response == nullptr || response->body_file.empty()) continue;
    const auto same = known.find(response->body_file);
    if (same != known.end() && *same->second == *response->body) response->body = same->second;
    know(rule);
  }
}

bool holds(const Rule& rule, const MatchInput& input) {
  return std::ranges::all_of(rule.conditions,
                             [&](const auto& condition) { return condition->matches(input); });
}

}  // namespace

std::optional<Table> Table::build(const config::Listener& listener, const GroupLookup& groups,
                                  config::Problems& problems, const Table* former) {
  config::Problems found;
  Filters filters;
  const Filters* before = former != nullptr ? &former->filters_ : nullptr;
  if (listener.filters) {
    filters = read_filters(*listener.filters, {}, {groups, listener, before}, found);
  }
  bool good = true;
  std::vector<Rule> rules;
  for (const config::Rule& source : listener.rules) {
    Rule rule;
    rule.name = source.name;
    rule.priority = source.priority;
    rule.conditions = read_conditions(source, found);
    rule.action = read_action(source.action, listener, source.name, groups, found);
    rule.filters = filters;
    if (source.filters) {
      rule.filters =
          read_filters(*source.filters, filters,
                       {groups, listener, filters_of(former, source.name), before}, found);
    }
    rule.has_filters = !rule.filters.is_empty();
    rule.timeouts = source.timeouts;
    rule.body_bytes = source.body_bytes;
    rule.retry = source.retry;
    rule.logged = source.logged;
    // A condition that is missing would widen the rule.
    good &= rule.action.has_value() && rule.conditions.size() == source.conditions.size();
    rules.push_back(std::move(rule));
  }
  std::ranges::sort(rules, {}, &Rule::priority);
  if (good) warn_of_unreachable(listener.rules, rules, found);

  std::optional<Action> default_action;
  if (listener.default_action) {
    default_action = read_action(*listener.default_action, listener, "default", groups, found);
    good &= default_action.has_value();
  }
  rules.push_back(default_rule(std::move(default_action), filters));
  share_bodies(rules, former);
  if (good) report_redirect_loops(listener, rules, found);
  // Only then nobody lacks a filter because it is wrong.
  if (!found.has_errors()) report_claim_limits(listener, rules, found);
  if (!found.has_errors()) report_two_authorizations(listener, rules, found);
  good &= !found.has_errors();
  problems.add(found, "");
  if (!good) return std::nullopt;
  return Table(std::move(filters), std::move(rules));
}

Table::Table(Filters filters, std::vector<Rule> rules)
    : filters_(std::move(filters)), rules_(std::move(rules)) {
  // The default rule, the last, has no conditions: it decides when nothing else does.
  std::vector<std::vector<Anchors>> ways(rules_.size() - 1);
  for (std::size_t i = 0; i < ways.size(); ++i) {
    for (const auto& condition : rules_[i].conditions) {
      for (Anchors& way : condition->anchors()) {
        for (Anchor& anchor : way) anchor.proves &= rules_[i].conditions.size() == 1;
        ways[i].push_back(std::move(way));
      }
    }
  }
  index_ = std::make_shared<const TableIndex>(ways);
}

const Rule& Table::match(const MatchInput& input) const {
  return rules_[index_->first(input, [&](std::size_t i) { return holds(rules_[i], input); })];
}

Explanation Table::explain(const MatchInput& input) const {
  Explanation explanation;
  for (const Rule& rule : rules_) {
    RuleReport& report = explanation.emplace_back();
    report.rule = rule.name;
    report.priority = rule.priority;
    report.decides = holds(rule, input);
    for (const auto& condition : rule.conditions) {
      report.conditions.push_back(
          {condition->text(), condition->compared(input), condition->matches(input)});
    }
    if (report.decides) break;
  }
  return explanation;
}

}  // namespace sluice::route
