// The name of a target group, where a rule's action or filter has one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "sluice/config/node.h"
#include "sluice/route/action.h"

namespace sluice::route {

struct GroupName {
  std::size_t index;  // as GroupLookup counts
  std::string name;
};

// Nothing, with the problem recorded, when there is no such group.
[[nodiscard]] std::optional<GroupName> read_group_name(const config::Node& value,
                                                       const GroupLookup& groups,
                                                       config::Problems& problems);

}  // namespace sluice::route
