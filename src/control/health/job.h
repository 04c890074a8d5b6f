// The health checks of one target, one after the other.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "control/health/plan.h"
#include "control/health/slots.h"
#include "sluice/control/health_checker.h"
#include "sluice/net/deadline.h"
#include "sluice/net/task.h"
#include "sluice/observe/metrics.h"
#include "sluice/target/target.h"

namespace sluice::control::health {

// Of one group, looked up once; they live as long as the registry.
struct HealthCells {
  HealthCells(observe::Cells& cells, const std::string& group);

  observe::Counter& successes;
  observe::Counter& failures;
  observe::Histogram& seconds;
};

struct Job {
  // `on_due` gets the job.
  Job(net::DeadlineWheel& deadlines, net::Deadline::Callback on_due, void* of_checker,
      std::shared_ptr<target::Target> of_target)
      : checker(of_checker), target(std::move(of_target)), timer(deadlines, on_due, this) {}

  // Since it was made a check was begun.
  [[nodiscard]] bool has_begun() const { return task.has_value(); }

  void* const checker;
  const std::shared_ptr<target::Target> target;
  // Of the plan in force; changed by each.
  const HealthPlan::Group* planned = nullptr;
  HealthCells* cells = nullptr;
  Slots::Lane* lane = nullptr;  // of its group

  target::HealthCount count;
  HealthChecker::Detail detail;
  // ALB: who is registered while nobody else is well starts at full share, for somebody must carry
  // the traffic; whoever falls ill is asked anew.
  bool ramps = false;

  base::SteadyTime due{};      // of the next check, or of the one under way
  base::SteadyTime started{};  // of the one under way, or the last
  net::Deadline timer;         // of the next one
  bool waiting = false;        // due, but too many are under way
  bool running = false;
  bool was_excused = false;  // its last timeout was not held against it
  // The check under way; the frame of the last one stays until the next. Destroying it gives the
  // check up, with its descriptor.
  std::optional<net::Task<>> task;
};

}  // namespace sluice::control::health
