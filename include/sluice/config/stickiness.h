// Reads the stickiness of a rule's action, whose YAML is the business of `route`; that of a target
// group is read with the group.
#pragma once

#include "sluice/config/model.h"
#include "sluice/config/node.h"

namespace sluice::config {

// `node` is a mapping; what is absent stays as it is, what is wrong is recorded and stays too.
// Control thread.
void read_group_stickiness(const Node& node, GroupStickiness& stickiness, Problems& problems);

}  // namespace sluice::config
