// How conditions relate: whether one is wider than another, or both never hold together.
//
// "True" is certain, "false" may mean that it cannot be told.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sluice/route/condition.h"

namespace sluice::route {

// Every request that matches `narrow` matches `wide`.
[[nodiscard]] bool covers(const Condition& wide, const Condition& narrow);

// No request matches both.
[[nodiscard]] bool excludes(const Condition& one, const Condition& other);

using Conditions = std::vector<std::unique_ptr<Condition>>;

// The same of all conditions of a rule together.
[[nodiscard]] bool covers(const Conditions& wide, const Conditions& narrow);

// A quick look before `covers`: false only if `wide.needs` has a bit that `narrow.has` lacks.
struct CoverageMarks {
  std::uint64_t needs = 0;
  std::uint64_t has = 0;
};
[[nodiscard]] CoverageMarks coverage_marks(const Conditions& conditions);

}  // namespace sluice::route
