// DNS names as they appear in certificates and in the server name of a handshake.
#pragma once

#include <string_view>

namespace sluice::net {

// Labels of letters, digits, `-` and `_`, each 1..63 long, 253 in all; not an IPv4 address. Any
// case, no final dot.
[[nodiscard]] bool is_host_name(std::string_view text);

// A host name, or `*.` in front of one: RFC 6125 6.4.3, the only form browsers honour.
[[nodiscard]] bool is_certificate_name(std::string_view text);

}  // namespace sluice::net
