// Redirects that bring a client back to the rule that sent it.
#pragma once

#include <vector>

#include "sluice/config/model.h"
#include "sluice/config/node.h"
#include "sluice/route/table.h"

namespace sluice::route {

// Records an error for each redirect of `rules`, those of `listener` by priority, that certainly
// comes back to its own rule, and a warning for one that may: as far as host and path tell. What
// other conditions ask for a client may bring along again.
void report_redirect_loops(const config::Listener& listener, const std::vector<Rule>& rules,
                           config::Problems& problems);

}  // namespace sluice::route
