// Upgrades: what the client's request asks for, whether its handshake is sound, and whether the
// target's answer accepts just that (T6; RFC 6455 4, RFC 8441, RFC 9110 7.8).
//
// A handshake is a GET with Upgrade that is answered 101 in HTTP/1, and an extended CONNECT that is
// answered 2xx in HTTP/2; on either side it is the one that is spoken there.
#pragma once

#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Sets exchange.upgrade from the request and the group's settings. A reason: the handshake is wrong
// and is refused by us.
[[nodiscard]] observe::Reason judge_upgrade(Exchange& exchange);

// The head in exchange.answer is the one that begins a tunnel: any 101, or of an HTTP/2 target a
// 2xx where a WebSocket was asked for.
[[nodiscard]] bool begins_tunnel(const Exchange& exchange);

// None: the head that begins a tunnel accepts what exchange.upgrade asked for.
[[nodiscard]] observe::Reason judge_switch(const Exchange& exchange);

}  // namespace sluice::proxy
