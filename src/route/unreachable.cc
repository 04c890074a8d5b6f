#include "route/unreachable.h"

#include <string>
#include <unordered_map>

#include "route/coverage.h"

namespace sluice::route {
namespace {

// Of one rule. Whether there was something to warn of.
bool warn_of_contradictions(const config::Rule& source, const Rule& rule,
                            config::Problems& problems) {
  for (std::size_t later = 1; later < rule.conditions.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      if (!excludes(*rule.conditions[earlier], *rule.conditions[later])) continue;
      source.conditions[later].warning("never holds together with '" +
                                           rule.conditions[earlier]->text() + "': rule '" +
                                           rule.name + "' can never match",
                                       problems);
      return true;
    }
  }
  return false;
}

std::string place_of(const config::Rule& rule) {
  return rule.position.file + ':' + std::to_string(rule.position.line) + ':' +
         std::to_string(rule.position.column);
}

std::string path_of(const config::Rule& rule) {
  const std::string path = rule.conditions.front().path();
  return path.substr(0, path.rfind(".conditions"));
}

}  // namespace

void warn_of_unreachable(const std::vector<config::Rule>& sources, const std::vector<Rule>& rules,
                         config::Problems& problems) {
  std::unordered_map<std::string_view, std::size_t> source_of;
  for (std::size_t i = 0; i < sources.size(); ++i) source_of.emplace(sources[i].name, i);

  std::vector<CoverageMarks> marks;
  marks.reserve(rules.size());
  for (const Rule& rule : rules) marks.push_back(coverage_marks(rule.conditions));

  for (std::size_t later = 0; later < rules.size(); ++later) {
    const std::size_t at = source_of.at(rules[later].name);
    if (warn_of_contradictions(sources[at], rules[later], problems)) continue;
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      if ((marks[earlier].needs & ~marks[later].has) != 0) continue;
      if (!covers(rules[earlier].conditions, rules[later].conditions)) continue;
      const config::Rule& first = sources[source_of.at(rules[earlier].name)];
      problems.warning(sources[at].position, path_of(sources[at]),
                       "rule '" + rules[later].name + "' can never match: rule '" +
                           rules[earlier].name + "' (" + place_of(first) +
                           "), which is tried before, takes all of its requests");
      break;
    }
  }
}

}  // namespace sluice::route
