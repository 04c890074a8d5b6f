// Which hosts may be asked for on a connection, whatever else is known of them: 421 (RFC 9110
// 15.5.20).
#pragma once

#include <string_view>

#include "net/tls_certificate_table.h"
#include "net/tls_openssl.h"
#include "sluice/config/model.h"

namespace sluice::net {

// `table` must live as long as the context.
[[nodiscard]] bool use_authority_check(SSL_CTX& context, const CertificateTable& table,
                                       config::CheckAuthority check);

// Whether a request for `host` (without port, any case) belongs on this session of a server, whose
// client asked for `server_name` (lower case, empty: for none).
[[nodiscard]] bool serves_authority(const SSL& session, std::string_view server_name,
                                    std::string_view host);

}  // namespace sluice::net
