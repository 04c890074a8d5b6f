// The health checks of one snapshot, group by group.
#pragma once

#include <memory>
#include <vector>

#include "control/health/check.h"
#include "control/health/settings.h"
#include "sluice/control/health_checker.h"
#include "sluice/upstream/group.h"

namespace sluice::control {

struct HealthPlan {
  struct Group {
    std::shared_ptr<const upstream::GroupSettings> group;
    std::shared_ptr<const health::Check> check;  // null: its targets are not checked
    health::Settings settings;
  };
  std::vector<Group> groups;
};

}  // namespace sluice::control
