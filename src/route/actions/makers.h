// The makers of all kinds of actions, one per file of this folder, for the table in actions.cc.
// Each returns nothing, with problems recorded, when it does not like its value.
#pragma once

#include <optional>

#include "sluice/route/action.h"

namespace sluice::route {

std::optional<Action> make_forward(const config::Node& value, const GroupLookup& groups,
                                   config::Problems& problems);
std::optional<Action> make_redirect(const config::Node& value, const GroupLookup& groups,
                                    config::Problems& problems);
std::optional<Action> make_fixed_response(const config::Node& value, const GroupLookup& groups,
                                          config::Problems& problems);

}  // namespace sluice::route
