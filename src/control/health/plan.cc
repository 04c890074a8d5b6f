#include "control/health/plan.h"

#include <sys/socket.h>

#include <algorithm>

namespace sluice::control {

namespace {

void check_port(const config::Node& node, const upstream::GroupSettings& group,
                config::Problems& problems) {
  const auto port = node.get("port");
  if (!port) return;
  for (const auto& member : group.targets->members) {
    if (member.target->endpoint().family() != AF_UNIX) continue;
    port->error("target " + member.target->id() + " is a Unix socket, which has no ports",
                problems);
    return;
  }
}

void read_check(const config::Node& node, HealthPlan::Group& planned, config::Problems& problems) {
  planned.settings = health::read_settings(node,
                                           planned.group->is_grpc          ? "grpc"
                                           : planned.group->tls != nullptr ? "https"
                                                                           : "http",
                                           problems);
  check_port(node, *planned.group, problems);
  if (planned.settings.kind == nullptr) return;
  planned.check = planned.settings.kind->make({node, planned.settings, *planned.group}, problems);
}

}  // namespace

std::shared_ptr<const HealthPlan> HealthChecker::prepare(const proxy::Snapshot& snapshot,
                                                         config::Problems& problems) {
  auto plan = std::make_shared<HealthPlan>();
  for (const auto& group : snapshot.groups) plan->groups.push_back({.group = group});
  for (const config::TargetGroup& configured : snapshot.model.target_groups) {
    if (!configured.health_check.has_value()) continue;
    const auto planned = std::ranges::find_if(plan->groups, [&](const HealthPlan::Group& each) {
      return each.group->name == configured.name;
    });
    if (planned != plan->groups.end()) read_check(*configured.health_check, *planned, problems);
  }
  return problems.has_errors() ? nullptr : plan;
}

}  // namespace sluice::control
