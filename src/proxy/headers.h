// The heads we send: the client's towards the target, the target's towards the client.
//
// What passes and what does not (RFC 9110 7.6; T9, T10, T11): every field as sent, less
// hop-by-hop fields and those that Connection nominates (protected names excepted), less aliases of
// names that we set or trust, less forwarding fields from peers that are not trusted, plus ours.
#pragma once

#include "sluice/net/buffer.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Decides the client's address from the peer and, when the peer is trusted, X-Forwarded-For.
void identify_client(Exchange& exchange);

// X-Request-Id: a trusted peer's own, or a new one.
void identify_request(Exchange& exchange);

// Writes the request head for the target into exchange.head_buffer.
void write_request_head(Exchange& exchange);

// Writes the answer's head for the client into exchange.head_buffer. `chunked`: the body is sent
// so.
void write_answer_head(Exchange& exchange, bool chunked);

// The 101 that begins a tunnel, into exchange.head_buffer.
void write_switching_head(Exchange& exchange);

// A 1xx that passes on (103), into exchange.head_buffer.
void write_informational_head(Exchange& exchange);

}  // namespace sluice::proxy
