// What the fields of an HTTP/2 message mean: the same RequestHead and ResponseHead that the
// HTTP/1 parser makes, under the same rules, and what HTTP/2 adds to them (RFC 9113 8, T5).
//
// Plain functions on decoded fields. Views point into the H2Fields, which must outlive the head.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/http/h2_session.h"
#include "sluice/http/message.h"
#include "sluice/observe/reason.h"

namespace sluice::http {

// Fills `head` (cleared before) and says what is wrong with it: none, or the reason of a refusal
// with a status (bad_path, host_invalid, ...), or h2_malformed_head, a stream error without one.
// `ends`: no content follows. `joined_cookie` holds the crumbs of Cookie joined by "; "
// (RFC 9113 8.2.3), and must live as long as the head. Pseudo-header fields are not among
// head.fields; Host is, from `:authority` where the client sent no Host. Content of unknown
// length is Framing::chunked; of an extended CONNECT it is none, for what follows is the tunnel's.
// `:scheme` may be http or https whatever `is_tls` says. Of a refused head, method and target are
// there for the log.
[[nodiscard]] observe::Reason read_request_head(const H2Fields& fields, bool ends, bool is_tls,
                                                RequestHead& head, std::string& joined_cookie);

// The same for an answer; 101 is refused (RFC 9113 8.6). `method`: of the request. Framing is none
// where no content can follow: HEAD, 1xx, 204, 304, and `ends` without a Content-Length.
[[nodiscard]] observe::Reason read_response_head(const H2Fields& fields, bool ends, Method method,
                                                 ResponseHead& head);

// Trailers: pseudo-header and connection-specific fields are h2_malformed_head, what belongs into
// a head is dropped (RFC 9110 6.5.1).
[[nodiscard]] observe::Reason read_trailers(const H2Fields& fields, Fields& trailers);

}  // namespace sluice::http
