// Why a rule decides about a request: which rules were tried, in order, and what each of their
// conditions compared. For people; made on demand, on any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sluice::route {

// One condition, and what it found. `found` holds bytes of the request, which are not escaped: who
// prints it has to.
struct ConditionReport {
  std::string condition;  // `path_prefix: /api`
  std::string found;      // `"/index.html"`, or `nothing`
  bool holds = false;

  friend bool operator==(const ConditionReport&, const ConditionReport&) = default;
};

struct RuleReport {
  std::string rule;                         // its name; "default" for the default rule
  std::uint32_t priority = 0;               // 0 for the default rule
  std::vector<ConditionReport> conditions;  // all of them, in the order of the file
  bool decides = false;                     // all hold; true of the last report, and only of it

  friend bool operator==(const RuleReport&, const RuleReport&) = default;
};

// The rules that were tried, in that order; the last one decides. Never empty.
using Explanation = std::vector<RuleReport>;

}  // namespace sluice::route
