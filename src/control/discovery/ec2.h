// Targets that are EC2 instances, found by their tags: `ec2: { tags: { Role: api }, port: 8080 }`.
#pragma once

#include "control/discovery/provider.h"

namespace sluice::control::discovery {

[[nodiscard]] std::shared_ptr<const Source> read_ec2_source(const config::Node& node,
                                                            config::Problems& problems);

}  // namespace sluice::control::discovery
