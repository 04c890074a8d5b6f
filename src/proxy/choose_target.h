// Which target takes the next try: session, probing, balancer, and the wait for one with room.
#pragma once

#include "proxy/stickiness.h"
#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// None: exchange.pool and exchange.reservation are the choice, and the former ones are released.
// Otherwise nothing has changed: no_target, or target_queue_full when none has room or others are
// waiting already.
[[nodiscard]] observe::Reason choose_at_once(Exchange& exchange, const StickySession& session);

// After target_queue_full: in the group's queue, until one has room or the time is over. Who waits
// must hold no reservation: two requests could wait for each other's.
[[nodiscard]] net::Task<observe::Reason> wait_for_target(Exchange& exchange,
                                                         const StickySession& session);

// Without waiting, for a second try beside the first.
[[nodiscard]] upstream::Picked pick_another(Exchange& exchange);

// exchange.pool is tried now: no other try of this exchange takes it.
void note_tried(Exchange& exchange, const target::Target& target);
// It was not tried after all.
void forget_tried(Exchange& exchange, const target::Target& target);

}  // namespace sluice::proxy
