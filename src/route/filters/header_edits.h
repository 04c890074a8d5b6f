// Reads what request_headers and response_headers have in common.
#pragma once

#include <memory>

#include "sluice/config/node.h"
#include "sluice/route/filters/header_edits.h"

namespace sluice::route {

// Null, with every problem recorded, when anything is wrong.
[[nodiscard]] std::shared_ptr<const HeaderEdits> read_header_edits(const config::Node& value,
                                                                   ValueTemplate::Place place,
                                                                   config::Problems& problems);

}  // namespace sluice::route
