// The makers of all kinds of conditions, one per file of this folder, for the table in
// conditions.cc. Each returns null, with problems recorded, when it does not like its value.
#pragma once

#include <memory>

#include "sluice/route/condition.h"

namespace sluice::route {

std::unique_ptr<Condition> make_path(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_path_prefix(const config::Node& value, config::Problems& problems);
std::unique_ptr<Condition> make_source_ip(const config::Node& value, config::Problems& problems);

}  // namespace sluice::route
