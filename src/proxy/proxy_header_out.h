// The header of the PROXY protocol that tells a target whose connection it gets.
#pragma once

#include <string>

#include "sluice/config/model.h"
#include "sluice/proxy/connection.h"

namespace sluice::proxy {

// Empty: off. It names both ends of the client's connection as we know them: the client, and where
// he connected to; in version 2 also how he came by TLS. Not the client that a trusted proxy names
// in X-Forwarded-For: that is another connection's.
[[nodiscard]] std::string proxy_header_of(const Connection& connection,
                                          config::ProxyHeaderVersion version);

}  // namespace sluice::proxy
