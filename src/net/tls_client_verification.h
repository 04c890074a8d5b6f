// Mutual TLS: what a listener asks of its clients' certificates, and who is let in.
#pragma once

#include <chrono>

#include "net/tls_fingerprint.h"
#include "net/tls_openssl.h"
#include "sluice/config/model.h"

namespace sluice::net {

// Loads trust store and revocation lists, and sets the context up. All that decides about a client
// goes into `fingerprint`, and with it into the scope of tickets (T20). False, with everything that
// is wrong in `problems`, when a file cannot serve.
[[nodiscard]] bool use_client_verification(SSL_CTX& context,
                                           const config::ClientCertificates& settings,
                                           Fingerprint& fingerprint, config::Problems& problems);

// True in mode `verify`: whoever completed the handshake has proved who they are.
[[nodiscard]] bool verifies_clients(const SSL& session);

// Why a server's handshake failed: no certificate, or one that is not accepted. Looks at OpenSSL's
// error queue, so ask before that is emptied.
[[nodiscard]] bool is_client_certificate_refusal(const SSL& session);

// A ticket of a verified client resumes while everything that the verification rested on holds: the
// certificates of its chain and the revocation lists. For tests.
[[nodiscard]] bool may_resume(const SSL_CTX& context, SSL_SESSION& ticket,
                              std::chrono::system_clock::time_point now);

}  // namespace sluice::net
