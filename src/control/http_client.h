// One bounded exchange over HTTP/1.1, for what the control plane needs from servers it does not
// trust: documents (keys of tokens), APIs of the cloud, the metadata service of the instance.
//
// Bounded in time, from the look-up of the name to the last byte, and in bytes. Redirects are not
// followed, connections are not kept, and the instance metadata addresses are not asked, whatever
// name leads there (T23), unless they are what the caller means. Names are looked up on a thread of
// Asio's: nothing blocks. Control thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/net/loop.h"
#include "sluice/net/task.h"
#include "sluice/net/tls_context.h"

namespace sluice::control {

// Values of fields and the content may be secrets: they are wiped when the exchange is over.
struct HttpRequest {
  std::string method = "GET";  // GET, POST or PUT
  std::string host;            // to look up, for SNI and verification; IPv6 without brackets
  std::uint16_t port = 443;
  std::string authority;   // for the field Host
  std::string path = "/";  // and query
  // Besides Host, User-Agent, Content-Length and Connection. Visible ASCII and spaces only.
  std::vector<std::pair<std::string, std::string>> fields;
  std::string content;
  std::shared_ptr<const net::ClientTlsContext> tls;  // null: in clear text
  std::size_t bytes_max = 0;                         // of the answer's content
  bool is_for_metadata = false;  // `host` is the metadata service, in numbers; nobody else may
};

struct HttpAnswer {
  int status = 0;       // 0: no answer came
  std::string content;  // all of it, when there is no error
  std::string date;     // the field Date as it came; empty: none
  std::string error;    // why there is no answer, or not all of it; printable
};

// Whatever its status is, an answer is one.
[[nodiscard]] net::Task<HttpAnswer> http_ask(net::Loop& loop, HttpRequest request,
                                             config::Milliseconds timeout);

// For a document: the status is 200 and `content` all of it, or there is an `error`.
[[nodiscard]] net::Task<HttpAnswer> http_get(net::Loop& loop, HttpRequest request,
                                             config::Milliseconds timeout);

}  // namespace sluice::control
