// Session tickets sealed with keys of our own instead of OpenSSL's, which would be different in
// every context.
#pragma once

#include "net/tls_openssl.h"

namespace sluice::net {

// From now on tickets of `context` are sealed and opened with `keys`, which must outlive the
// context and every session made from it. False when memory is short.
[[nodiscard]] bool use_ticket_keys(SSL_CTX& context, TicketKeys& keys);

}  // namespace sluice::net
