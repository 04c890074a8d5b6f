// Who asks, and the names under which a request can be found again: its id and its trace.
#pragma once

#include <string_view>

#include "sluice/http/h1_writer.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Decides the client's address from the peer and, when the peer is trusted, X-Forwarded-For.
void identify_client(Exchange& exchange);

// X-Request-Id: a trusted peer's own, or a new one.
void identify_request(Exchange& exchange);

// version-traceid-parentid-flags, lower-case hex, ids not all zero (W3C Trace Context 3.2).
[[nodiscard]] bool is_valid_traceparent(std::string_view value);

// The same trace with a parent id of ours; a trace of our own when the client brought none.
void write_traceparent(const Exchange& exchange, http::H1Writer& writer, std::string_view received);

}  // namespace sluice::proxy
