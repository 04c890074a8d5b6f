// One try: the request sent to one target, until the head of its answer is there.
#pragma once

#include "proxy/target_connection.h"
#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Tries the target that was chosen (exchange.pool). None: exchange.answer is the final head, or the
// one that begins the tunnel that was asked for. `target_queue_full`: it has no room after all, and
// was not tried. `fresh_only`: on a new connection.
[[nodiscard]] net::Task<observe::Reason> try_target(Exchange& exchange, bool fresh_only);

// Ends the try without its answer: the connection is closed, and what it cost is counted.
[[nodiscard]] net::Task<> abandon_try(Exchange& exchange);

// How this exchange opens a connection of `pool`; `since`: as in Connecting.
[[nodiscard]] Connecting connecting(const Exchange& exchange, const upstream::Pool& pool,
                                    base::SteadyTime since);
// Its request on that connection, with the limits that hold for it.
void begin_client(const Exchange& exchange, Connected connected, upstream::ClientSlot& client);
// Bytes and status class of a try whose client is given.
void count_try(Exchange& exchange, upstream::TargetClient& client, std::uint16_t status);

[[nodiscard]] observe::Reason client_write_failure(net::Transfer transfer);

}  // namespace sluice::proxy
