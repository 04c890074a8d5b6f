// Whether a target is well: its state in ALB's words, why, and the thresholds between the states.
//
//   initial --one pass--> healthy --`unhealthy_threshold` failures in a row--> unhealthy
//   initial --`unhealthy_threshold` failures--> unhealthy
//   unhealthy --`healthy_threshold` passes in a row--> healthy
//
// A target that is new needs one pass only, as with ALB; a target that fell ill has to prove
// itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sluice::target {

enum class State : std::uint8_t {
  initial,  // registered, not yet checked
  healthy,
  unhealthy,
  draining,  // deregistered: what it has ends, nothing new comes
  unused,    // no rule forwards to its group
};

// ALB's reason codes, and ours for what ALB does not tell apart.
enum class StateReason : std::uint8_t {
  none,
  registration_in_progress,    // Elb.RegistrationInProgress
  initial_health_checking,     // Elb.InitialHealthChecking
  health_check_disabled,       // Target.HealthCheckDisabled: healthy, as nobody asks
  response_code_mismatch,      // Target.ResponseCodeMismatch
  timeout,                     // Target.Timeout
  deregistration_in_progress,  // Target.DeregistrationInProgress
  not_in_use,                  // Target.NotInUse
  internal_error,              // Elb.InternalError: we could not ask
  connection_refused,          // Target.ConnectionRefused
  connection_failed,           // Target.ConnectionFailed
  tls_failed,                  // Target.TlsFailed
  response_malformed,          // Target.ResponseMalformed
  response_too_large,          // Target.ResponseTooLarge
  response_body_mismatch,      // Target.ResponseBodyMismatch
  ejected_failures,            // Target.EjectedConsecutiveFailures
  ejected_5xx,                 // Target.EjectedConsecutive5xx
  ejected_error_rate,          // Target.EjectedErrorRate
  ejected_latency,             // Target.EjectedLatency
  last_ = ejected_latency,
};

[[nodiscard]] std::string_view text(State state);         // "healthy"
[[nodiscard]] std::string_view text(StateReason reason);  // "Target.Timeout"; "" for none

// Counts the results of one target's checks. Control thread; keeps counting over reloads.
class HealthCount {
 public:
  struct Thresholds {
    std::uint32_t healthy = 5;    // 1..100
    std::uint32_t unhealthy = 2;  // 1..100
  };

  // The state after this result, when it differs from `state`; `reason` is why a check failed, none
  // for a pass.
  [[nodiscard]] std::optional<State> after(State state, StateReason reason, Thresholds thresholds);
  void reset();

 private:
  std::uint32_t passes_ = 0;    // in a row
  std::uint32_t failures_ = 0;  // in a row
};

}  // namespace sluice::target
