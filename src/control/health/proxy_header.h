// The header of the PROXY protocol that a check begins with where the group's traffic begins with
// one: it speaks for us (LOCAL; version 1: UNKNOWN), not for a client.
#pragma once

#include <string>

#include "sluice/config/model.h"
#include "sluice/net/stream.h"

namespace sluice::control::health {

// Empty: off.
[[nodiscard]] std::string own_proxy_header(config::ProxyHeaderVersion version);
// A few bytes on a fresh connection: false when the kernel does not take them.
[[nodiscard]] bool send_proxy_header(net::Stream& stream, const std::string& header);

}  // namespace sluice::control::health
