// All targets as the control thread sees them: registered ones, those that leave, and what happens
// to them.
//
// A configuration arrives in three steps. `prepare` finds what is wrong. `apply` comes before the
// workers get the snapshot, so that no worker meets a target whose state is not set. `in_force`
// comes when every worker has it: only then targets that left begin to drain, for a worker with the
// former snapshot still needs them. Every 100 ms ejections, slow starts and anomaly mitigation
// advance, and what changed becomes events, log lines and metrics. Control thread only.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/control/events.h"
#include "sluice/control/health_checker.h"
#include "sluice/control/target_status.h"
#include "sluice/net/deadline.h"
#include "sluice/net/loop.h"
#include "sluice/observe/metrics.h"
#include "sluice/proxy/snapshot.h"
#include "sluice/target/anomaly.h"
#include "sluice/upstream/group.h"

namespace sluice::control {

// What a snapshot wants of the targets.
struct TargetsPlan {
  std::vector<std::shared_ptr<const upstream::GroupSettings>> groups;
  std::shared_ptr<const HealthPlan> health;  // null: there are problems
};

class Targets {
 public:
  static constexpr std::chrono::milliseconds interval{100};
  // More changes than that at once are one line of the log together.
  static constexpr std::size_t told_singly_max = 20;

  // Loop, cells: the control thread's. All outlive it.
  Targets(net::Loop& loop, observe::Cells& cells, Events& events);
  ~Targets();
  Targets(const Targets&) = delete;
  Targets& operator=(const Targets&) = delete;

  // Everything that is wrong about the targets goes to `problems`; changes nothing. `snapshot` may
  // be one that is not going to be used because other things are wrong with it.
  [[nodiscard]] static TargetsPlan prepare(const proxy::Snapshot& snapshot,
                                           config::Problems& problems);
  // The states of all targets of the plan are set; a target that was leaving and is in the plan is
  // registered anew. Cannot fail. Returns the number of this change, one more than that of the
  // last.
  std::uint64_t apply(const TargetsPlan& plan);
  // The same for one group alone, which has other members; nothing when it is not configured.
  std::uint64_t apply(const std::shared_ptr<const upstream::GroupSettings>& settings);
  // Every worker has that change: what it does not have any more drains from now on, for the
  // deregistration delay of its last settings, or until it is idle.
  void in_force(std::uint64_t change);
  // No check and no timer any more; for the end of the process.
  void stop();

  // What the timer does, by the loop's clock.
  void advance();

  // --- status
  // In the order of the configuration, then those that were removed and have targets that leave.
  [[nodiscard]] std::vector<GroupStatus> groups() const;
  // Nothing: there is no such group.
  [[nodiscard]] std::optional<GroupStatus> group(std::string_view name) const;
  // Of one group, in the order of the configuration, then those that leave. Nothing: no such group.
  [[nodiscard]] std::optional<std::vector<TargetStatus>> targets(std::string_view group) const;
  // One of them.
  [[nodiscard]] std::optional<TargetStatus> target(std::string_view group,
                                                   std::string_view id) const;

 private:
  struct Leaving {
    std::shared_ptr<target::Target> target;
    target::TargetSet::Origin origin;
    std::uint64_t change = 0;  // that does not have it any more
    std::chrono::milliseconds delay{0};
    bool is_draining = false;  // every worker knows
    base::SteadyTime until{};  // of a draining one
    std::int32_t active = -1;  // requests at the last look; -1: not looked yet
  };
  struct Group {
    Group(observe::Cells& cells, const std::string& name);

    std::shared_ptr<const upstream::GroupSettings> settings;  // the last ones; not null once used
    bool is_registered = false;                               // in the configuration
    target::AnomalyMitigation anomaly;
    std::vector<Leaving> leaving;
    std::unordered_map<const target::Target*, base::WallTime> ejected_until;
    std::array<observe::Gauge*, target_states> targets_by_state;
    observe::Gauge& targets_ejected;
  };
  using Groups = std::map<std::string, Group, std::less<>>;

  void register_group(Group& group, const std::shared_ptr<const upstream::GroupSettings>& settings);
  // The `index`-th member of its last settings.
  void leave(Group& group, std::size_t index) const;
  void begin_draining(Group& group, std::uint64_t change);
  void advance(Group& group);
  void forget_left(Group& group);
  void take_changes(Group& group);
  // `is_one_of_many`: their lines are for debugging, and one line tells how many there were.
  void tell(Group& group, const target::Change& change, bool is_one_of_many);
  // `active`: requests that are cut.
  void tell_gone(const target::Target& target, std::int32_t active, bool is_one_of_many);
  static void show_counts(Group& group);
  [[nodiscard]] static std::array<std::size_t, target_states> counts_of(const Group& group);
  [[nodiscard]] GroupStatus status_of(const Group& group) const;
  [[nodiscard]] TargetStatus status_of(const Group& group, const Leaving& leaving,
                                       base::SteadyTime now) const;
  [[nodiscard]] TargetStatus status_of(const Group& group, const target::Target& target,
                                       const target::TargetSet::Origin& origin) const;

  net::Loop& loop_;
  observe::Cells& cells_;
  Events& events_;
  Groups groups_;
  std::vector<std::string> order_;  // names of the registered groups, as configured
  net::Deadline timer_;
  std::uint64_t change_ = 0;  // the last
  base::SteadyTime counts_shown_{};
  bool is_stopped_ = false;
  HealthChecker checker_;
};

}  // namespace sluice::control
