// Rules that no request can reach: they are no errors, but nobody writes them on purpose.
#pragma once

#include <vector>

#include "sluice/config/model.h"
#include "sluice/route/table.h"

namespace sluice::route {

// Warns, at the place of the rule, of conditions that never hold together, and of rules whose
// requests are all taken by one that is tried before; `rules` by priority, made of `sources`. What
// cannot be told without searching is not warned about.
void warn_of_unreachable(const std::vector<config::Rule>& sources, const std::vector<Rule>& rules,
                         config::Problems& problems);

}  // namespace sluice::route
