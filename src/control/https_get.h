// One GET over HTTPS, for documents that the control plane needs from servers it does not trust.
//
// Bounded in time, from the look-up of the name to the last byte, and in bytes. Redirects are not
// followed, and the instance metadata addresses are not asked, whatever name leads there (T23).
// Names are looked up on a thread of Asio's: nothing blocks. Control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "sluice/config/model.h"
#include "sluice/net/loop.h"
#include "sluice/net/task.h"
#include "sluice/net/tls_context.h"

namespace sluice::control {

struct HttpsRequest {
  std::string host;  // to look up, for SNI and verification; IPv6 without brackets
  std::uint16_t port = 443;
  std::string authority;  // for the field Host
  std::string path;       // and query
  std::string accept;
  std::shared_ptr<const net::ClientTlsContext> tls;
  std::size_t bytes_max = 0;  // of the content
};

struct HttpsAnswer {
  std::string content;
  std::string error;  // printable; empty: the answer was 200, and `content` is all of it
};

[[nodiscard]] net::Task<HttpsAnswer> https_get(net::Loop& loop, HttpsRequest request,
                                               config::Milliseconds timeout);

}  // namespace sluice::control
