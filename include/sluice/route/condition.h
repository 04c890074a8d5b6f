// A condition of a rule: the interface of all kinds.
//
// Built on the control thread from its configuration, then constant: `matches` is called by all
// workers at once, does not allocate and takes time linear in the request. To add a kind: one file
// in src/route/conditions, one row in conditions.cc, one test named after it.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "sluice/config/node.h"
#include "sluice/route/match_input.h"

namespace sluice::route {

class Condition {
 public:
  virtual ~Condition() = default;
  [[nodiscard]] virtual bool matches(const MatchInput& input) const = 0;
};

// `condition` is a mapping with one key, the kind. Null, with problems recorded, when the kind is
// unknown or does not like its value.
[[nodiscard]] std::unique_ptr<Condition> make_condition(const config::Node& condition,
                                                        config::Problems& problems);

// In the order of the table.
[[nodiscard]] std::vector<std::string_view> condition_names();

}  // namespace sluice::route
