#include "route/two_authorizations.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace sluice::route {
namespace {

bool has_both(const Rule& rule) {
  return rule.filters.basic_auth != nullptr && rule.filters.jwt != nullptr &&
         rule.filters.jwt->place == TokenPlace::authorization;
}

bool names_either(const std::optional<config::Node>& filters) {
  return filters && (filters->get_section("basic_auth") || filters->get_section("jwt"));
}

}  // namespace

void report_two_authorizations(const config::Listener& listener, const std::vector<Rule>& rules,
                               config::Problems& problems) {
  constexpr const char* what =
      "has basic_auth, and jwt with its token in Authorization: a request has that field once, so "
      "none could pass both; set one of them to off, or give jwt's token another place";
  bool is_said_of_listener = false;
  for (const Rule& rule : rules) {
    if (!has_both(rule)) continue;
    const auto source = std::ranges::find(listener.rules, rule.name, &config::Rule::name);
    const bool is_own = source != listener.rules.end() && names_either(source->filters);
    if (is_own) {
      source->filters->error(what, problems);
    } else if (listener.filters && (rule.action || source != listener.rules.end()) &&
               !std::exchange(is_said_of_listener, true)) {
      listener.filters->error(what, problems);
    }
  }
}

}  // namespace sluice::route
