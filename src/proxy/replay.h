// Request bodies kept for another try: what was sent of them, as far as the group's
// `retry.body_buffer` allows.
#pragma once

#include "sluice/net/task.h"
#include "sluice/net/transfer.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Begins to keep, when the method may be repeated and the body may fit.
void begin_replay(Exchange& exchange);
// Adds content that is about to be sent; gives up keeping when it becomes too much.
void keep_for_replay(Exchange& exchange, const upstream::Runs& runs);
// What was kept, to the target of this try; with the end of the body when all of it was read.
[[nodiscard]] net::Task<net::Transfer> send_kept(Exchange& exchange);

// The request can be sent again from its beginning.
[[nodiscard]] bool can_rewind(const Exchange& exchange);
// The next try sends it from its beginning. Only when no try is under way.
void rewind_request(Exchange& exchange);

}  // namespace sluice::proxy
