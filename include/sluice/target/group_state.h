// Live state of a target group over all workers: who may be chosen, and who was ejected.
//
// Identity is the group's name (registry.h); it outlives configurations. Workers report how tries
// ended and read `generation`; when that has moved they work out anew who is eligible
// (eligible.h). The control thread publishes members, sets health, ends ejections, and takes the
// changes for events, log and metrics. One mutex, never taken for a request that went well.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/config/model.h"
#include "sluice/target/target_set.h"
#include "sluice/target/waiters.h"

namespace sluice::target {

// How a try at a target ended, as far as that says something about the target.
enum class Outcome : std::uint8_t {
  success,
  server_error,  // a complete answer of 500..599
  failure,       // refused, reset before the answer, broken off in it
  timeout,       // no answer in time, or one that is malformed: it may be the request's fault
};

// Something that happened to a target, for events, log and metrics.
struct Change {
  enum class Kind : std::uint8_t { state, ejected, probing, restored };
  Kind kind = Kind::state;
  std::shared_ptr<Target> target;
  State state = State::initial;              // after it
  State former = State::initial;             // before it
  StateReason reason = StateReason::none;    // why; of probing and restored: why it was ejected
  std::chrono::milliseconds ejected_for{0};  // kind ejected
  base::WallTime at{};
};

// What is to become of a target.
struct StateChange {
  Target* target = nullptr;  // never null when it is used
  State state = State::initial;
  StateReason reason = StateReason::none;
  bool ramps = false;  // slow start, when it becomes healthy (see begins_ramp)
};

class GroupState {
 public:
  explicit GroupState(std::string name) : name_(std::move(name)) {}
  GroupState(const GroupState&) = delete;
  GroupState& operator=(const GroupState&) = delete;

  [[nodiscard]] const std::string& name() const { return name_; }

  // Moves whenever the answer of `eligible` may have changed. Acquire: what moved it is seen.
  [[nodiscard]] std::uint64_t generation() const {
    return generation_.load(std::memory_order_acquire);
  }

  // --- any worker
  // A try has ended. Ejects a healthy target at once when its run of failures is long enough, no
  // more of the group than allowed would be out of service (ejected, unhealthy or initial), and as
  // many would be left as keep it from failing open. `was_probe`: this try had the right of
  // `take_probe`; its result restores the target or ejects it again, and frees the right. While a
  // target is ejected or probing the results of other tries only count in its totals: they were
  // begun before.
  void report(Target& target, Outcome outcome, bool was_probe, base::SteadyTime now);

  // Requests that wait for a target with room.
  [[nodiscard]] Waiters& waiters() { return waiters_; }

  // Takes the one request that a probing target may have; true for one caller, until `report`, or
  // `give_up_probe` when the try told nothing.
  [[nodiscard]] static bool take_probe(Target& target);
  static void give_up_probe(Target& target);

  // --- control thread
  // The members that count for shares and medians, and how to judge them; `members` is not null.
  // Ejections of targets that left are forgotten. When fewer may be out now, the next `advance`
  // restores those whose time ends first. A group of which fewer are well than `fail_open` asks for
  // would send its requests to all, so an ejection never brings it about.
  void apply(std::shared_ptr<const TargetSet> members, const config::PassiveHealth& settings,
             std::chrono::milliseconds slow_start, const config::FailOpen& fail_open = {});
  // The state of one target, member or not; no-op when it is the same, and only the reason is kept
  // when that alone differs. Leaving `healthy` ends slow start and, without a change of its own,
  // ejection; becoming it begins slow start when `ramps` (see begins_ramp). Restores others that
  // were ejected when too few are left in service.
  void set_state(Target& target, State state, StateReason reason, bool ramps, base::SteadyTime now,
                 base::WallTime wall);
  // The same for many, at the cost of one look at all members.
  void set_states(std::span<const StateChange> changes, base::SteadyTime now, base::WallTime wall);
  // A passing active check turns an ejection for failures into probing at once: one request finds
  // out. Not one for 5xx, rate or latency: those are about what a check does not ask.
  void check_passed(Target& target, base::SteadyTime now);
  // Time passes: ejections become probing, unused probing ends, windows are judged, slow starts
  // complete. To be called at least each 100 ms.
  void advance(base::SteadyTime now);
  // Target::share of a member was changed (anomaly.h).
  void shares_changed() { move(); }
  // What happened since the last call, in order; at most `changes_max`, older ones are dropped
  // first.
  [[nodiscard]] std::vector<Change> take_changes();
  static constexpr std::size_t changes_max = 131'072;  // a large group may change as a whole

  // For status.
  [[nodiscard]] std::size_t ejected_count() const;

 private:
  struct Record {  // of a member, behind the mutex
    std::shared_ptr<Target> target;
    std::uint32_t weight = 1;           // 0: it takes no work, and is not ejected
    base::SteadyTime until{};           // end of the ejection, or of waiting for somebody to probe
    std::uint32_t ejections = 0;        // lately: each doubles the time of the next
    base::SteadyTime well_since{};      // end of the last ejection
    std::uint64_t window_requests = 0;  // Target::total_requests when the window began
    std::uint64_t window_errors = 0;
    std::uint64_t window_answers = 0;
    std::uint64_t window_latency = 0;
  };
  struct Counts {  // of members with a weight that are registered
    std::size_t well = 0;
    std::size_t out = 0;  // unhealthy, initial, ejected or probing
  };

  static void begin_ramp(Target& target, base::SteadyTime now);
  [[nodiscard]] static bool in_service(const Record& record);
  [[nodiscard]] static std::uint64_t window_requests(const Record& record);
  [[nodiscard]] StateReason count_in_runs(Target& target, Outcome outcome) const;

  // All below need the mutex.
  [[nodiscard]] Record* find(const Target& target);
  // False: its state was that before.
  bool change_state(const StateChange& change, base::SteadyTime now, base::WallTime wall);
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] bool is_within_limits(const Counts& counts) const;
  [[nodiscard]] bool may_eject_one() const;
  void note_may_eject() { may_eject_.store(may_eject_one(), std::memory_order_relaxed); }
  [[nodiscard]] bool end_probe(Target& target, Outcome outcome, base::SteadyTime now);
  void eject_if_allowed(Record& record, StateReason reason, base::SteadyTime now);
  void eject(Record& record, StateReason reason, base::SteadyTime now);
  void begin_probing(Record& record, base::SteadyTime now);
  void restore(Record& record, base::SteadyTime now);
  void end_ejection(Record& record, base::SteadyTime now);
  static void begin_anew(Record& record);
  static void begin_window(Record& record);
  void restore_surplus(base::SteadyTime now);
  void advance_ejections(base::SteadyTime now);
  void complete_ramps(base::SteadyTime now);
  void judge_window(base::SteadyTime now);
  void judge_errors(base::SteadyTime now);
  void judge_latency(base::SteadyTime now);
  [[nodiscard]] bool is_enough(std::uint64_t requests) const;
  void add_ejection_change(const Record& record, Change::Kind kind, StateReason reason,
                           std::chrono::milliseconds time);
  void add_change(Change change);  // moves the generation
  void move() { generation_.fetch_add(1, std::memory_order_release); }

  const std::string name_;
  std::atomic<std::uint64_t> generation_{1};
  // Read by `report` without the mutex; written with it.
  std::atomic<std::uint32_t> failures_to_eject_{0};       // 0: off
  std::atomic<std::uint32_t> timeouts_to_eject_{0};       // 0: off
  std::atomic<std::uint32_t> server_errors_to_eject_{0};  // 0: off
  // Else failing tries of all workers would queue for the mutex to learn that nobody may go.
  std::atomic<bool> may_eject_{false};
  Waiters waiters_;
  mutable std::mutex mutex_;
  std::shared_ptr<const TargetSet> members_ = std::make_shared<const TargetSet>();
  config::PassiveHealth settings_;
  config::FailOpen fail_open_;
  std::chrono::milliseconds slow_start_{0};
  std::vector<Record> records_;  // one for each of members_, in their order
  std::unordered_map<const Target*, std::size_t> index_of_;  // in records_
  std::size_t ejected_ = 0;                                  // records that are ejected or probing
  std::optional<base::SteadyTime> window_began_;
  std::deque<Change> changes_;
};

}  // namespace sluice::target
