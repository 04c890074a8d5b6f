// Rules whose filters both want the field Authorization for themselves: no request could pass both.
#pragma once

#include <vector>

#include "sluice/config/model.h"
#include "sluice/config/node.h"
#include "sluice/route/table.h"

namespace sluice::route {

// `rules` are those of `listener` and its default, their filters complete. Records an error for the
// rule that names one of basic_auth and jwt itself, or for the listener that has both.
void report_two_authorizations(const config::Listener& listener, const std::vector<Rule>& rules,
                               config::Problems& problems);

}  // namespace sluice::route
