// The heads we send: the client's towards the target, the target's towards the client.
//
// What passes and what does not (RFC 9110 7.6; T9, T10, T11): every field as sent, less
// hop-by-hop fields and those that Connection nominates (protected names excepted), less aliases of
// names that we set or trust, less forwarding fields from peers that are not trusted, plus ours.
//
// For HTTP/2 a head is written as lines, too: `:status: 200`, then the fields, names in any case.
// The sender of the stream takes them apart again (upstream/h2_lines.h), so that what passes is
// decided by one piece of code.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sluice/http/h1_writer.h"
#include "sluice/net/buffer.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

struct HeadAmendments;

// The fields of the request, and of the target's answer, that pass to the other side when no filter
// is asked. Views: as long as the heads.
[[nodiscard]] std::vector<http::Field> passing_request_fields(const Exchange& exchange);
[[nodiscard]] std::vector<http::Field> passing_answer_fields(const Exchange& exchange);
// Of the request those of one name, in any case; little work where none has it.
[[nodiscard]] std::vector<http::Field> passing_request_fields(const Exchange& exchange,
                                                              std::string_view name);

// Writes the request head for the target into exchange.head_buffer.
void write_request_head(Exchange& exchange, bool to_http2);

// Writes the answer's head for the client into exchange.head_buffer. `chunked`: the body is sent
// so.
void write_answer_head(Exchange& exchange, bool chunked);

// The head that begins a tunnel, 101 or over HTTP/2 200, into exchange.head_buffer.
void write_switching_head(Exchange& exchange);

// A 1xx that passes on (103), into exchange.head_buffer.
void write_informational_head(Exchange& exchange);

// The status of an answer to the client, and what tells an HTTP/1 client how its connection goes
// on.
void put_status(const Exchange& exchange, http::H1Writer& writer, std::uint16_t status,
                std::string_view phrase);
void put_connection(const Exchange& exchange, http::H1Writer& writer);

// Whether a filter takes away, or writes itself, what we would write. Null: no filter does.
[[nodiscard]] bool is_dropped(const HeadAmendments* amended, std::string_view name);
// What a target is told of the client and the request, less what is dropped: X-Forwarded-For,
// -Proto and -Port, the fields of the client's certificate, X-Request-Id, traceparent.
void write_who_asks(const Exchange& exchange, const HeadAmendments* amended,
                    http::H1Writer& writer);
// Whole lines of ours, less those.
void write_lines(http::H1Writer& writer, std::string_view lines, const HeadAmendments* amended);

// Nobody told how long the body is.
[[nodiscard]] inline bool has_unknown_length(const http::RequestHead& head) {
  return head.framing == http::Framing::chunked;
}
[[nodiscard]] inline bool has_unknown_length(const http::ResponseHead& head) {
  return head.framing == http::Framing::chunked || head.framing == http::Framing::until_close;
}

// The trailers that pass, as field lines; nearly always none. Between HTTP/2 and HTTP/2 all do, for
// gRPC lives by them; elsewhere those that `forwarding.trailers` names (T4).
[[nodiscard]] std::string request_trailers(Exchange& exchange);
[[nodiscard]] std::string answer_trailers(Exchange& exchange);

}  // namespace sluice::proxy
