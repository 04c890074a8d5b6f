#include "sluice/target/health.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace sluice::target {
namespace {

struct Row {
  StateReason reason;
  std::string_view text;
};

constexpr std::size_t reason_count = static_cast<std::size_t>(StateReason::last_) + 1;

constexpr std::array<Row, reason_count> rows = {{
    {StateReason::none, ""},
    {StateReason::registration_in_progress, "Elb.RegistrationInProgress"},
    {StateReason::initial_health_checking, "Elb.InitialHealthChecking"},
    {StateReason::health_check_disabled, "Target.HealthCheckDisabled"},
    {StateReason::response_code_mismatch, "Target.ResponseCodeMismatch"},
    {StateReason::timeout, "Target.Timeout"},
    {StateReason::deregistration_in_progress, "Target.DeregistrationInProgress"},
    {StateReason::not_in_use, "Target.NotInUse"},
    {StateReason::internal_error, "Elb.InternalError"},
    {StateReason::connection_refused, "Target.ConnectionRefused"},
    {StateReason::connection_failed, "Target.ConnectionFailed"},
    {StateReason::tls_failed, "Target.TlsFailed"},
    {StateReason::response_malformed, "Target.ResponseMalformed"},
    {StateReason::response_too_large, "Target.ResponseTooLarge"},
    {StateReason::response_body_mismatch, "Target.ResponseBodyMismatch"},
    {StateReason::ejected_failures, "Target.EjectedConsecutiveFailures"},
    {StateReason::ejected_5xx, "Target.EjectedConsecutive5xx"},
    {StateReason::ejected_error_rate, "Target.EjectedErrorRate"},
    {StateReason::ejected_latency, "Target.EjectedLatency"},
}};

consteval bool complete_and_in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool says_something = rows[i].reason == StateReason::none || !rows[i].text.empty();
    if (rows[i].reason != static_cast<StateReason>(i) || !says_something) return false;
  }
  return true;
}
static_assert(complete_and_in_order(), "one row per StateReason, in the order of the enumeration");

}  // namespace

std::string_view text(State state) {
  switch (state) {
    case State::initial: return "initial";
    case State::healthy: return "healthy";
    case State::unhealthy: return "unhealthy";
    case State::draining: return "draining";
    case State::unused: return "unused";
  }
  return "-";
}

std::string_view text(StateReason reason) { return rows[static_cast<std::size_t>(reason)].text; }

std::optional<State> HealthCount::after(State state, StateReason reason, Thresholds thresholds) {
  if (state == State::draining || state == State::unused) return std::nullopt;
  std::optional<State> next;
  if (reason == StateReason::none) {
    failures_ = 0;
    ++passes_;
    const std::uint32_t enough = state == State::initial ? 1 : std::max(1u, thresholds.healthy);
    if (state != State::healthy && passes_ >= enough) next = State::healthy;
  } else {
    passes_ = 0;
    ++failures_;
    const std::uint32_t enough = std::max(1u, thresholds.unhealthy);
    if (state != State::unhealthy && failures_ >= enough) next = State::unhealthy;
  }
  if (next.has_value()) reset();
  return next;
}

void HealthCount::reset() {
  passes_ = 0;
  failures_ = 0;
}

}  // namespace sluice::target
