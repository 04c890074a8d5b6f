// The X-Amzn-Mtls-* fields, as ALB writes them: who the client is, told to targets.
#pragma once

#include <string>
#include <string_view>

#include "sluice/base/text.h"
#include "sluice/net/client_certificate.h"

namespace sluice::proxy {

inline constexpr std::string_view client_certificate_prefix = "x-amzn-mtls-";

// Only Sluice writes these: one from a client is never passed on, on no listener and whoever sends
// it (T11).
[[nodiscard]] inline bool is_client_certificate_field(std::string_view name) {
  return name.size() >= client_certificate_prefix.size() &&
         base::equals_ignoring_case(name.substr(0, client_certificate_prefix.size()),
                                    client_certificate_prefix);
}

// Whole lines. Of a verified certificate its serial number, names, validity and itself; of any
// other the chain as it was sent, for the target to judge.
[[nodiscard]] std::string make_client_certificate_fields(const net::ClientCertificate& certificate);

}  // namespace sluice::proxy
