// not: { path_prefix: /api } - the condition in it does not hold. May stand in `not` and `any`, up
// to condition_depth_max deep.
#include <utility>

#include "route/conditions/forms.h"
#include "route/conditions/makers.h"

namespace sluice::route {

std::unique_ptr<Condition> make_not(const config::Node& value, unsigned depth,
                                    config::Problems& problems) {
  auto inner = make_condition(value, problems, depth + 1);
  return inner ? std::make_unique<Not>(std::move(inner)) : nullptr;
}

}  // namespace sluice::route
