// From OpenSSL's objects to the facts.
#pragma once

#include <memory>

#include "net/tls_openssl.h"
#include "sluice/net/client_certificate.h"

namespace sluice::net {

// Null when the client of this server's session showed no certificate.
[[nodiscard]] std::unique_ptr<const ClientCertificate> read_client_certificate(SSL& session);

}  // namespace sluice::net
