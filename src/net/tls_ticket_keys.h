// Session tickets sealed with keys of our own instead of OpenSSL's, which would be different in
// every context.
#pragma once

#include <memory>

#include "net/tls_fingerprint.h"
#include "net/tls_openssl.h"
#include "sluice/config/model.h"

namespace sluice::net {

// From now on tickets of `context` are sealed and opened with `keys`, which must outlive the
// context and every session made from it. False when memory is short.
[[nodiscard]] bool use_ticket_keys(SSL_CTX& context, TicketKeys& keys);

// No tickets at all: every handshake is a full one.
[[nodiscard]] bool use_no_tickets(SSL_CTX& context);

// Reads `settings.ticket_keys_file`: 1 to 16 lines, each the Base64 of 80 bytes: 16 that name the
// key, 32 for HMAC-SHA256, 32 for AES-256-CBC, in this order, as in nginx's files; empty lines and
// those that begin with `#` do not count. Null, with what is wrong in `problems`, never showing a
// key, when the file is anything else. `fingerprint` takes in its bytes.
[[nodiscard]] std::unique_ptr<TicketKeys> load_ticket_keys(const config::ServerTls& settings,
                                                           Fingerprint& fingerprint,
                                                           config::Problems& problems);

}  // namespace sluice::net
