// The filters of a rule, around its action.
#pragma once

#include "sluice/net/task.h"
#include "sluice/observe/reason.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Before the action: refuses (with a reason, for reply.h's `fail`), or notes in
// exchange.amendments what is to be changed. `none`: the action goes on.
[[nodiscard]] net::Task<observe::Reason> filter_request(Exchange& exchange);

// Once for an answer whose head is known and not yet written: the target's (exchange.answer), or
// one of our own, which has `status`. Notes in exchange.amendments what is to be changed.
void filter_answer(Exchange& exchange, std::uint16_t status);

}  // namespace sluice::proxy
