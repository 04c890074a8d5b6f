// Active health checks: every target of a group with `health_check` is asked at its interval, and
// its state follows the thresholds.
//
// Jobs belong to targets (shared_ptr identity), not to configurations: a reload that keeps a target
// keeps its state and counts; new settings hold from its next check on. A new target is asked at
// once and takes traffic after one pass. Checks run as coroutines on the control thread's loop,
// with bounded time, bytes and descriptors whatever the target does. Control thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "sluice/base/clock.h"
#include "sluice/config/model.h"
#include "sluice/net/loop.h"
#include "sluice/observe/metrics.h"
#include "sluice/proxy/snapshot.h"

namespace sluice::control {

// The checks of one snapshot, validated and compiled (matchers, expressions, TLS); nothing runs
// yet.
struct HealthPlan;

class HealthChecker {
 public:
  // Checks under way at a time; those beyond wait their turn.
  static constexpr std::size_t checks_max = 1000;

  // Loop, cells: the control thread's; they outlive the checker.
  HealthChecker(net::Loop& loop, observe::Cells& cells);
  ~HealthChecker();
  HealthChecker(const HealthChecker&) = delete;
  HealthChecker& operator=(const HealthChecker&) = delete;

  // Everything that can be wrong about `health_check` of any group goes to `problems`, with file,
  // line and what is allowed. Null when `problems` has errors. Changes nothing. Also what `sluice
  // check` uses.
  [[nodiscard]] static std::shared_ptr<const HealthPlan> prepare(const proxy::Snapshot& snapshot,
                                                                 config::Problems& problems);

  // The plan is in force: jobs of targets that left end (a check under way is given up), new ones
  // begin, others take their new settings. Sets the states of targets that are not checked: healthy
  // with Target.HealthCheckDisabled, or unused when no rule forwards to their group. Who is in a
  // group of the plan is registered: a target that was draining begins anew as initial. Targets in
  // no group are not touched, so to make them draining is the caller's part, after this.
  void apply(std::shared_ptr<const HealthPlan> plan);

  // One group of the plan in force has other members, with all else as it was; the same for them.
  void apply(const std::shared_ptr<const upstream::GroupSettings>& settings);

  // No check begins any more, those under way are given up at once. `apply` does nothing
  // afterwards. For the end of the process.
  void stop();

  // Of one target, for status; null when it is not checked. Valid until the loop's next turn.
  struct Detail {
    std::string text;             // what the last failed check said; empty: it passed
    base::WallTime last_check{};  // when it began; zero: none has ended yet
    std::chrono::nanoseconds took{0};
  };
  [[nodiscard]] const Detail* detail(const target::Target& target) const;

  // For status and tests.
  [[nodiscard]] std::size_t under_way() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace sluice::control
