// The client's side while the target has the request: a long body on its way in a coroutine of its
// own (the pump), and afterwards the watching for a client that leaves.
//
// While the pump runs it alone reads the client and writes the target. It ends the exchange through
// `pump_failure`, or stops quietly when the target takes no more: that may have answered already.
#pragma once

#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// A reason when the request's body broke a rule or a limit.
[[nodiscard]] observe::Reason body_defect(const Exchange& exchange);

// Starts the pump for what did not come with the head. It may have run to its end when this
// returns: then this is its failure, or none.
[[nodiscard]] observe::Reason start_pump(Exchange& exchange);

// The pump uses the exchange: nothing may go on to its end before the pump has.
[[nodiscard]] net::Task<> end_pump(Exchange& exchange);

// Events on the client's side while the target has the word. A FIN that came with the request only
// says that the client has nothing more to send; one that comes later is taken for leaving, as
// nginx and ALB do, unless the listener tolerates it. A reset always is. A client that has left
// already is only marked: `interruption` tells.
// No-ops while the pump runs: it reads the client itself.
void watch_client(Exchange& exchange);
void unwatch_client(Exchange& exchange);

}  // namespace sluice::proxy
