// From patterns to what an index can look for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "route/anchor.h"
#include "route/pattern.h"

namespace sluice::route {

// The longest literal that a value must be, begin or end with; nothing when there is none.
[[nodiscard]] std::optional<Anchor> literal_anchor(const Pattern& pattern, Subject subject);
// The same for exact ones and segments; else a search for all of the pattern.
[[nodiscard]] std::optional<Anchor> searched_anchor(const Pattern& pattern, Subject subject);

// Appends one value of a request in quotes.
void append_compared(std::string& out, std::string_view value);

// Both ways, as far as each has an anchor for every pattern. `subject_of(item)`, and the item is or
// has the pattern.
template <typename Items, typename SubjectOf, typename PatternOf>
[[nodiscard]] std::vector<std::vector<Anchor>> anchors_of(const Items& items, SubjectOf subject_of,
                                                          PatternOf pattern_of) {
  std::vector<std::vector<Anchor>> ways;
  for (const auto& make : {literal_anchor, searched_anchor}) {
    std::vector<Anchor> way;
    for (const auto& item : items) {
      if (auto anchor = make(pattern_of(item), subject_of(item))) way.push_back(*std::move(anchor));
    }
    if (way.size() == items.size() && (ways.empty() || ways.back() != way)) {
      ways.push_back(std::move(way));
    }
  }
  return ways;
}

template <typename SubjectOf>
[[nodiscard]] std::vector<std::vector<Anchor>> anchors_of_patterns(
    const std::vector<Pattern>& patterns, SubjectOf subject_of) {
  return anchors_of(patterns, subject_of,
                    [](const Pattern& pattern) -> const Pattern& { return pattern; });
}

}  // namespace sluice::route
