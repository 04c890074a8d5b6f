// Digests that protocols ask for. Any thread.
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
// RFC 2104. The key and the code are the caller's to keep secret, and to wipe.
[[nodiscard]] bool hmac_sha256(std::string_view key, std::string_view text, Sha256& code);

}  // namespace sluice::net
