// Digests that protocols ask for. No secrets here. Any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace sluice::net {

// Sec-WebSocket-Accept for that Sec-WebSocket-Key, as sent without outer white space (RFC 6455
// 4.2.2): base64 of SHA-1, 28 characters. The key is not checked. Empty when memory is short.
[[nodiscard]] std::string sec_websocket_accept(std::string_view key);

using Sha256 = std::array<unsigned char, 32>;
// False when memory is short.
[[nodiscard]] bool sha256(std::string_view text, Sha256& digest);

}  // namespace sluice::net
