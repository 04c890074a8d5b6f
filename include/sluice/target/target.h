// One target of one group: who it is, and the live state that outlives every configuration.
//
// Identity is (group name, address as configured): the same address in two groups is two targets,
// for their health must not mix. Held by shared_ptr: by the sets of its group, by the exchanges
// that use it, by the pools of the workers. Identity and endpoint never change; a name that
// resolves anew makes a new Target (registry.h). The live cells may be used by all threads, with
// relaxed order: each is a figure of its own and orders nothing else.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "sluice/net/endpoint.h"
#include "sluice/target/health.h"

namespace sluice::target {

// What passive health makes of a target (group_state.h).
enum class Ejection : std::uint8_t {
  none,
  ejected,  // takes no work
  probing,  // takes one request at a time, to find out
};

class Target : public std::enable_shared_from_this<Target> {
 public:
  // `id` is the address as configured, in canonical text: `10.0.1.11:8080`, `unix:/run/app.sock`.
  Target(std::string group, std::string id, const net::Endpoint& endpoint)
      : group_(std::move(group)), id_(std::move(id)), endpoint_(endpoint) {}
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  [[nodiscard]] const std::string& group() const { return group_; }
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] const net::Endpoint& endpoint() const { return endpoint_; }

 private:
  const std::string group_;
  const std::string id_;
  const net::Endpoint endpoint_;

 public:
  // Live state, on cache lines of its own, so that counting does not evict the identity that every
  // worker reads.
  static constexpr std::size_t cache_line = 64;

  // --- seldom written: by the control thread, or under the mutex of GroupState
  // 0..999. For status and metrics; balancers read TargetSet::Member::weight, which is constant for
  // the lifetime of their schedule.
  alignas(cache_line) std::atomic<std::uint32_t> weight{1};
  std::atomic<State> state{State::initial};
  std::atomic<StateReason> reason{StateReason::registration_in_progress};
  std::atomic<std::int64_t> state_since{0};  // wall clock, seconds since 1970; 0: never set
  // When slow start began, in nanoseconds of the steady clock; 0: full share.
  std::atomic<std::int64_t> ramp_began{0};
  // Of its weight, in thousandths: lowered by anomaly mitigation.
  std::atomic<std::uint32_t> share{1000};
  std::atomic<Ejection> ejection{Ejection::none};
  std::atomic<StateReason> ejection_reason{StateReason::none};  // none: not ejected, nor probing
  std::atomic<bool> probe_taken{false};  // while probing: somebody is finding out

  // --- written by every worker for every request
  // Exchanges that chose this target and have not ended, over all workers.
  alignas(cache_line) std::atomic<std::int32_t> active_requests{0};
  std::atomic<std::int32_t> connections{0};  // open, over all workers
  std::atomic<std::uint32_t> failures_in_a_row{0};
  std::atomic<std::uint32_t> timeouts_in_a_row{0};
  std::atomic<std::uint32_t> server_errors_in_a_row{0};
  // Tries that ended and those of them that failed, late or by a 5xx, too; they only grow.
  std::atomic<std::uint64_t> total_requests{0};
  std::atomic<std::uint64_t> total_errors{0};
  // Peak-sensitive moving average of the time to the answer's head (latency.h), and when it was
  // last fed; nanoseconds, 0: unknown.
  std::atomic<std::int64_t> latency{0};
  std::atomic<std::int64_t> latency_at{0};
  // Answers whose time was taken, and the sum of these times in nanoseconds; they only grow, and
  // the sum may wrap around: differences are what counts.
  std::atomic<std::uint64_t> total_answers{0};
  std::atomic<std::uint64_t> total_latency{0};
};

}  // namespace sluice::target
