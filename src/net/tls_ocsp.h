// Answers of a certificate authority about one of our certificates (RFC 6960), to be handed on to
// clients in the handshake (stapling, RFC 6066 8).
#pragma once

#include "net/tls_certificate.h"

namespace sluice::net {

// Reads `certificate.files.ocsp` into `certificate.ocsp`. False, with an error in `problems`, when
// the file is no successful answer about this certificate. An answer whose time has passed, or that
// says "revoked", is a warning and left out.
[[nodiscard]] bool load_ocsp(Certificate& certificate, config::Problems& problems);

}  // namespace sluice::net
