// Moving a request to a target and its answer back, both ways at once, with back-pressure.
//
// A body is read, written, and only then read on: awaiting the write is the flow control. A request
// body that came whole with its head goes out in the same write; a longer one has a coroutine of
// its own (the pump), so that an answer may begin while the body still flows.
#pragma once

#include "proxy/choose_group.h"
#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// To the group that choose_group has set.
[[nodiscard]] net::Task<After> forward(Exchange& exchange, GroupSession group_session);

}  // namespace sluice::proxy
