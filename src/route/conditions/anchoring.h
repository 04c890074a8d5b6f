// From patterns to what an index can look for.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "route/anchor.h"
#include "route/pattern.h"

namespace sluice::route {

// What a value must begin or end with, the longer of the two, or the one that is asked for; nothing
// when there is none. Of these, and of `searched_anchor`, all are the same for exact ones and
// segments.
[[nodiscard]] std::optional<Anchor> literal_anchor(const Pattern& pattern, Subject subject);
[[nodiscard]] std::optional<Anchor> start_anchor(const Pattern& pattern, Subject subject);
[[nodiscard]] std::optional<Anchor> end_anchor(const Pattern& pattern, Subject subject);
// A search for all of the pattern.
[[nodiscard]] std::optional<Anchor> searched_anchor(const Pattern& pattern, Subject subject);

// Appends one value of a request in quotes.
void append_compared(std::string& out, std::string_view value);

// All these ways, each once, as far as it has an anchor for every pattern. `subject_of(item)`, and
// the item is or has the pattern.
template <typename Items, typename SubjectOf, typename PatternOf>
[[nodiscard]] std::vector<std::vector<Anchor>> anchors_of(const Items& items, SubjectOf subject_of,
                                                          PatternOf pattern_of) {
  std::vector<std::vector<Anchor>> ways;
  for (const auto& make : {literal_anchor, start_anchor, end_anchor, searched_anchor}) {
    std::vector<Anchor> way;
    for (const auto& item : items) {
      if (auto anchor = make(pattern_of(item), subject_of(item))) way.push_back(*std::move(anchor));
    }
    if (way.size() == items.size() && std::ranges::find(ways, way) == ways.end()) {
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
