// What the context of targets needs, so that its sessions tell their cache of new tickets.
#pragma once

#include "net/tls_openssl.h"

namespace sluice::net {

// Not called, a context keeps no tickets and asks for none.
void use_session_reuse(SSL_CTX& context);

}  // namespace sluice::net
