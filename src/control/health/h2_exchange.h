// One request of a check over HTTP/2, on a connection of its own.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "control/health/check.h"
#include "control/health/time_left.h"
#include "sluice/http/h2_session.h"
#include "sluice/http/message.h"
#include "sluice/net/stream.h"
#include "sluice/net/task.h"

namespace sluice::control::health {

// Views outlive the exchange.
struct H2Request {
  http::Method method = http::Method::get;
  std::string_view method_text = "GET";
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;
  std::string_view fields;  // lines, each with CRLF
  std::string_view content;
  bool wants_content = false;  // false: the answer's head is enough
};

// The heads' views point into their fields.
struct H2Answer {
  http::H2Fields head_fields;
  http::ResponseHead head;
  std::string content;
  http::H2Fields trailer_fields;
  http::Fields trailers;
};

// A connection on which HTTP/2 is spoken: with ALPN over TLS (`tls` not null), by prior knowledge
// otherwise. `stream` is null when there is none.
struct H2Dialed {
  std::unique_ptr<net::Stream> stream;
  Finding finding;
};
[[nodiscard]] net::Task<H2Dialed> dial_http2(net::Loop& loop, Subject subject,
                                             std::shared_ptr<const net::ClientTlsContext> tls,
                                             config::Milliseconds timeout);

// Passed: `answer` is complete as far as it was wanted.
[[nodiscard]] net::Task<Finding> exchange_http2(net::Stream& stream, H2Request request,
                                                H2Answer& answer, TimeLeft left);

// As ALB: the port is left out when it is the scheme's.
[[nodiscard]] std::string authority_of(const Subject& subject, bool is_tls);

}  // namespace sluice::control::health
