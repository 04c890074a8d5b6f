// What a condition may look at: one request and the connection it came on.
#pragma once

#include <string_view>

#include "sluice/base/cidr.h"
#include "sluice/http/message.h"
#include "sluice/net/client_certificate.h"

namespace sluice::route {

// Valid for the duration of one Table::match.
struct MatchInput {
  const http::RequestHead& head;
  base::IpAddress client{};  // the peer, or the client that a trusted proxy named
  bool is_tls = false;
  std::string_view sni{};  // lower case; empty without TLS or when the client sent none
  const net::ClientCertificate* client_certificate = nullptr;  // null: it showed none
};

}  // namespace sluice::route
