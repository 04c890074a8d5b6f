// any: [ { host: a.example }, { path_prefix: /b } ] - one of these conditions holds. May stand in
// `not` and `any`, up to condition_depth_max deep.
#include <utility>

#include "route/conditions/forms.h"
#include "route/conditions/makers.h"

namespace sluice::route {

std::unique_ptr<Condition> make_any(const config::Node& value, unsigned depth,
                                    config::Problems& problems) {
  if (value.kind() != config::Node::Kind::sequence || value.items().empty()) {
    value.error(
        "must be a list of at least one condition, not " +
            (value.kind() == config::Node::Kind::sequence ? "an empty list" : value.quoted()),
        problems);
    return nullptr;
  }
  std::vector<std::unique_ptr<Condition>> conditions;
  const std::vector<config::Node> items = value.items();
  for (const config::Node& item : items) {
    if (auto made = make_condition(item, problems, depth + 1)) {
      conditions.push_back(std::move(made));
    }
  }
  if (conditions.size() != items.size()) return nullptr;
  return std::make_unique<Group>(Condition::Form::any, std::move(conditions));
}

}  // namespace sluice::route
