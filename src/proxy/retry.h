// Judging a try: what it says about the target, and whether the request is sent to another one.
#pragma once

#include <optional>

#include "sluice/proxy/exchange.h"
#include "sluice/target/group_state.h"

namespace sluice::proxy {

// What kind of failure a try's end was, as `retry.on` has them.
enum class Failure : std::uint8_t { none, connect, reset, timeout, malformed };
// What is too large or too many for our limits is no failure: it would be so elsewhere, too.
[[nodiscard]] Failure failure_of(bool was_sent, observe::Reason reason);
[[nodiscard]] bool is_retried(const config::Retry& retry, Failure failure);

// The target closed the connection while it was idle, and that was not known yet.
[[nodiscard]] bool was_dead(const upstream::ClientSlot& client, observe::Reason reason);
// Nothing was done with the request, so its method does not matter.
[[nodiscard]] bool was_turned_away(const upstream::ClientSlot& client, observe::Reason reason);

// Of a try over `client` (without one when it had no connection) that ended with `reason`, or with
// the answer of that status when it is none. Nothing: it says nothing about its target (the client
// left, a limit of ours, a kept connection that had died of old age).
[[nodiscard]] std::optional<target::Outcome> outcome_of(const upstream::ClientSlot& client,
                                                        observe::Reason reason,
                                                        std::uint16_t status);
// Of a try of this exchange: none either when that had to end.
[[nodiscard]] std::optional<target::Outcome> outcome_of(const Exchange& exchange,
                                                        const upstream::ClientSlot& client,
                                                        observe::Reason reason,
                                                        std::uint16_t status);

// Tells passive health, and the latency average, how the try ended.
void report_try(Exchange& exchange, observe::Reason reason);

// A kept connection may die of old age in the moment it is used: nothing came back, and the whole
// request is still at hand. That says nothing about the target: it goes out once more on a new
// connection to the same one. Only methods that may be repeated (RFC 9112 9.3.1, RFC 9110 9.2.2):
// others could have been carried out.
[[nodiscard]] bool died_of_old_age(const Exchange& exchange, observe::Reason reason);

// The group's policy, the request and what has been sent allow another try after one that ended
// with `reason`, or with the status in exchange.answer when that is none. Does not look at the
// budget.
[[nodiscard]] bool may_try_again(const Exchange& exchange, observe::Reason reason);

// A request that could be tried again elsewhere may be spent on a target that is only tried out.
[[nodiscard]] bool may_probe(const Exchange& exchange);

}  // namespace sluice::proxy
