// Conditions that are made of conditions.
#include <algorithm>

#include "route/anchor.h"
#include "route/conditions/forms.h"

namespace sluice::route {

bool Not::matches(const MatchInput& input) const { return !inner_->matches(input); }

std::string Not::text() const { return "not (" + inner_->text() + ")"; }

std::string Not::compared(const MatchInput& input) const { return inner_->compared(input); }

std::vector<Anchors> Not::anchors() const { return {}; }

bool Group::matches(const MatchInput& input) const {
  const auto holds = [&](const auto& condition) { return condition->matches(input); };
  return form() == Form::any ? std::ranges::any_of(conditions_, holds)
                             : std::ranges::all_of(conditions_, holds);
}

std::string Group::text() const {
  std::string out = form() == Form::any ? "any (" : "all (";
  for (const auto& condition : conditions_) {
    if (&condition != &conditions_.front()) out += "; ";
    out += condition->text();
  }
  return out + ")";
}

std::string Group::compared(const MatchInput& input) const {
  std::string out;
  for (const auto& condition : conditions_) {
    if (!out.empty()) out += "; ";
    out += condition->compared(input);
  }
  return out;
}

// All: whatever can be looked for of one of them. Any: of each of them something; what can be
// looked for in another way still is once more.
std::vector<Anchors> Group::anchors() const {
  std::vector<Anchors> ways;
  if (form() == Form::all) {
    for (const auto& condition : conditions_) {
      for (Anchors& way : condition->anchors()) {
        for (Anchor& anchor : way) anchor.proves &= conditions_.size() == 1;
        ways.push_back(std::move(way));
      }
    }
    return ways;
  }
  Anchors first;
  Anchors last;
  for (const auto& condition : conditions_) {
    const std::vector<Anchors> own = condition->anchors();
    if (own.empty()) return {};
    first.insert(first.end(), own.front().begin(), own.front().end());
    last.insert(last.end(), own.back().begin(), own.back().end());
  }
  ways.push_back(std::move(first));
  if (last != ways.front()) ways.push_back(std::move(last));
  return ways;
}

}  // namespace sluice::route
