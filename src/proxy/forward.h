// Moving a request to a target and its answer back, both ways at once, with back-pressure.
//
// A body is read, written, and only then read on: awaiting the write is the flow control. A request
// body that came whole with its head goes out in the same write; a longer one has a coroutine of
// its own (the pump), so that an answer may begin while the body still flows.
#pragma once

#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

[[nodiscard]] net::Task<After> forward(Exchange& exchange);

}  // namespace sluice::proxy
