// Limits by the claim of a token where nobody verifies one: they never limit anybody.
#pragma once

#include <vector>

#include "sluice/config/model.h"
#include "sluice/config/node.h"
#include "sluice/route/table.h"

namespace sluice::route {

// `rules` are those of `listener` and its default, their filters complete. Records an error for a
// rule that names a limit by claim itself and has no jwt, and for the listener when none of those
// that take its limit has; a warning when some of them have not.
void report_claim_limits(const config::Listener& listener, const std::vector<Rule>& rules,
                         config::Problems& problems);

}  // namespace sluice::route
