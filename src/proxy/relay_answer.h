// The answer on its way to the client, with back-pressure: what was read is written before more is
// read.
#pragma once

#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// From the head in exchange.answer to the end of its body. None: it arrived whole.
[[nodiscard]] net::Task<observe::Reason> relay_answer(Exchange& exchange);

}  // namespace sluice::proxy
