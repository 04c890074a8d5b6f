// Which members of a set may take new work, and what share: health, ejection, slow start, anomaly
// mitigation and fail-open put together. A plain function of the targets' cells and the time.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/config/model.h"
#include "sluice/target/target_set.h"

namespace sluice::target {

struct Eligible {
  // In the order of the full set. Weights are the configured ones, or, while somebody has less than
  // its full share, hundredfold and reduced; never 0. When it fails open: the configured ones, for
  // a target that is unwell must not get more than one in its slow start.
  TargetSet set;
  // Members that are probing, in order; not in `set`, unless it fails open.
  std::vector<std::shared_ptr<Target>> probes;
  // Fewer were well than fail_open asks for, so all registered ones are in: initial, healthy and
  // unhealthy, ejected or not. Members of weight 0 count neither as well nor as registered.
  bool fails_open = false;
  // When shares change without anything happening (slow start, in steps of 5 percent, at least 100
  // ms away); nothing: not by themselves.
  std::optional<base::SteadyTime> changes_at;
};

struct EligibleSettings {
  config::FailOpen fail_open;
  std::chrono::milliseconds slow_start{0};
};

// The share that a target has at `now` in its slow start, in hundredths, 10..100: a straight line
// from a tenth. A target without a ramp has 100.
[[nodiscard]] std::uint32_t ramp_percent(const Target& target, std::chrono::milliseconds slow_start,
                                         base::SteadyTime now);

[[nodiscard]] Eligible eligible(const TargetSet& all, const EligibleSettings& settings,
                                base::SteadyTime now);

// ALB: a target ramps only when another one is healthy and not ramping; else it would take all the
// same.
[[nodiscard]] bool begins_ramp(const TargetSet& all, const Target& target,
                               std::chrono::milliseconds slow_start, base::SteadyTime now);

}  // namespace sluice::target
