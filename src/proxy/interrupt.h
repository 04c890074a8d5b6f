// Ending what an exchange waits for on the target's side: the client left, a timeout passed, the
// target was deregistered.
//
// Who interrupts sets its mark first (client_left, total_expired, ...); the place that waited then
// asks `interruption` why. The exchange may be over when `interrupt` returns.
#pragma once

#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// True when something waited.
bool interrupt(Exchange& exchange);

// Why the exchange, or its current try, must not go on; none: it may.
[[nodiscard]] observe::Reason interruption(const Exchange& exchange);

// The same without what concerns the current try alone: another try could still help.
[[nodiscard]] observe::Reason end_of_all_tries(const Exchange& exchange);

// The deregistration delay of that pool's target is over: what the exchange has there ends.
void deregister(Exchange& exchange, const upstream::Pool& pool);

// The whole exchange's time, from its rule, group or the global setting.
void begin_total_deadline(Exchange& exchange);
// One try's time; ended by end_try_deadline when the answer's head is there.
void begin_try_deadline(Exchange& exchange);
void end_try_deadline(Exchange& exchange);

}  // namespace sluice::proxy
