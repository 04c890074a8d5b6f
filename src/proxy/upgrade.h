// Upgrades: what the client's request asks for, whether its handshake is sound, and whether the
// target's 101 accepts just that (T6; RFC 6455 4, RFC 9110 7.8).
#pragma once

#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Sets exchange.upgrade from the request and the group's settings. A reason: the handshake is wrong
// and is refused by us.
[[nodiscard]] observe::Reason judge_upgrade(Exchange& exchange);

// None: the 101 in exchange.answer accepts what exchange.upgrade asked for.
[[nodiscard]] observe::Reason judge_switch(const Exchange& exchange);

}  // namespace sluice::proxy
