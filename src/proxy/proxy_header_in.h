// The header of the PROXY protocol at the start of a client's connection: read before TLS, to the
// byte, from peers that may send one.
#pragma once

#include "sluice/net/task.h"
#include "sluice/proxy/connection.h"

namespace sluice::proxy {

// For a listener whose proxy_protocol is not off. True: the connection goes on, and knows its
// client. False: it ends, without a word to the peer; why is counted and logged, unless the peer
// left, or was silent where it may be, before it had sent anything. The connection outlives it.
[[nodiscard]] net::Task<bool> read_proxy_header(Connection& connection);

}  // namespace sluice::proxy
