#include "proxy/headers.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "proxy/amendments.h"
#include "proxy/client_certificate.h"
#include "proxy/filters.h"
#include "proxy/identify.h"
#include "proxy/nominations.h"
#include "sluice/base/text.h"
#include "sluice/http/h1_writer.h"
#include "sluice/net/digest.h"

namespace sluice::proxy {

namespace {

using http::Field;
using http::FieldName;

constexpr std::string_view upgrade_fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
constexpr std::string_view websocket_key_name = "Sec-WebSocket-Key";
constexpr std::string_view websocket_accept_name = "Sec-WebSocket-Accept";
bool is_hop_by_hop_for_us(FieldName name) {
  return http::is_hop_by_hop(name) || name == FieldName::expect;
}

bool takes_trailers(const http::RequestHead& request) {
  bool found = false;
  for (const Field& field : request.fields) {
    if (field.known != FieldName::te) continue;
    http::for_each_element(field.value, [&found](std::string_view element) {
      if (base::equals_ignoring_case(element, "trailers")) found = true;
    });
  }
  return found;
}

void write_forwarded_for(const Exchange& exchange, http::H1Writer& writer) {
  const config::Forwarding& settings = exchange.model().forwarding;
  if (settings.forwarded_for != config::ForwardedFor::append) return;  // preserve, remove: not ours
  writer.trusted_text("X-Forwarded-For: ");
  if (exchange.peer_is_trusted) {
    for (const Field& field : exchange.request.fields) {
      if (field.known != FieldName::x_forwarded_for || field.value.empty()) continue;
      writer.trusted_text(field.value);
      writer.trusted_text(", ");
    }
  }
  const std::string& address = exchange.connection->client_address();
  const bool is_v6 = address.find(':') != std::string::npos;
  if (settings.client_port) {
    if (is_v6) writer.trusted_text("[");
    writer.trusted_text(address);
    writer.trusted_text(is_v6 ? "]:" : ":");
    writer.number(exchange.connection->client().port());
  } else {
    writer.trusted_text(address);
  }
  writer.end_field();
}

// The value that arrived when it came from a peer we trust, else our own.
void write_forwarded_facts(const Exchange& exchange, const HeadAmendments* amended,
                           http::H1Writer& writer) {
  if (!exchange.peer_is_trusted) {
    write_lines(writer, exchange.connection->forwarded_facts(), amended);
    return;
  }
  const http::Fields& fields = exchange.request.fields;
  const std::string_view protocol = fields.value(FieldName::x_forwarded_proto);
  if (!is_dropped(amended, "X-Forwarded-Proto")) {
    writer.trusted_field("X-Forwarded-Proto", protocol.empty() ? exchange.scheme() : protocol);
  }
  const std::string_view port = fields.value(FieldName::x_forwarded_port);
  if (is_dropped(amended, "X-Forwarded-Port")) return;
  if (port.empty()) {
    writer.field("X-Forwarded-Port", exchange.connection->destination_port());
  } else {
    writer.trusted_field("X-Forwarded-Port", port);
  }
}

// Whether a field of the request goes on to the target as it is; the rest is written by us or
// dropped.
bool passes_to_target(const Exchange& exchange, const Field& field,
                      const Nominations& nominations) {
  switch (field.known) {
    case FieldName::host:
    case FieldName::x_request_id:
    case FieldName::x_forwarded_proto:
    case FieldName::x_forwarded_port:
    case FieldName::traceparent: return false;
    case FieldName::x_forwarded_for:
      return exchange.model().forwarding.forwarded_for == config::ForwardedFor::preserve;
    case FieldName::forwarded:
    case FieldName::x_forwarded_host:
    case FieldName::x_real_ip: return exchange.peer_is_trusted;
    case FieldName::tracestate:
      return is_valid_traceparent(exchange.request.fields.value(FieldName::traceparent));
    case FieldName::trailer: return !exchange.model().forwarding.trailers.empty();
    case FieldName::content_length: return exchange.request.framing == http::Framing::length;
    case FieldName::other:
      return !is_client_certificate_field(field.name) && !http::is_alias_of_protected(field.name) &&
             !nominations.has(field.name);
    default: return !is_hop_by_hop_for_us(field.known) && !nominations.has(field.name);
  }
}

// Where filters may ask often, they are looked for once.
Nominations request_nominations(const Exchange& exchange) {
  Amendments* const amendments = exchange.amendments.get();
  if (amendments == nullptr) return Nominations(exchange.request.fields);
  if (!amendments->nominations) amendments->nominations.emplace(exchange.request.fields);
  return *amendments->nominations;
}

// What the target is asked for: the client's words, but for what a filter rewrote.
struct RequestLine {
  std::string_view host;
  std::string_view path;
  std::string_view query;
  bool has_query;
};

RequestLine line_for_target(const Exchange& exchange) {
  const http::RequestHead& request = exchange.request;
  RequestLine line{request.host, request.path, request.query, request.has_query};
  if (request.host.empty() || !exchange.model().forwarding.preserve_host) {
    line.host = exchange.pool->target().id();
  }
  const Amendments* amendments = exchange.amendments.get();
  if (amendments == nullptr) return line;
  if (amendments->host) line.host = *amendments->host;
  if (amendments->path) line.path = *amendments->path;
  if (amendments->query) {
    line.query = *amendments->query;
    line.has_query = !line.query.empty();
  }
  return line;
}

void put_h2_request_line(const Exchange& exchange, const RequestLine& line,
                         http::H1Writer& writer) {
  if (exchange.upgrade == Upgrade::websocket) {  // RFC 8441 4
    writer.trusted_field(":method", "CONNECT");
    writer.trusted_field(":protocol", "websocket");
  } else {
    writer.trusted_field(":method", exchange.request.method_text);
  }
  writer.trusted_field(":scheme", exchange.group_settings->tls != nullptr ? "https" : "http");
  writer.trusted_field(":authority", line.host);
  writer.trusted_text(":path: ");
  writer.trusted_text(line.path);
  if (line.has_query) {
    writer.trusted_text("?");
    writer.trusted_text(line.query);
  }
  writer.end_field();
}

std::string_view via(bool is_http2, std::uint8_t minor_version) {
  if (is_http2) return "2 sluice";
  return minor_version == 0 ? "1.0 sluice" : "1.1 sluice";
}

void put_request_head(Exchange& exchange, bool to_http2, http::H1Writer& writer) {
  const http::RequestHead& request = exchange.request;
  const config::Forwarding& settings = exchange.model().forwarding;
  const bool is_connect = !request.connect_protocol.empty();
  const bool asks_by_connect = to_http2 && exchange.upgrade == Upgrade::websocket;
  const RequestLine line = line_for_target(exchange);
  if (to_http2) {
    put_h2_request_line(exchange, line, writer);
  } else {
    // RFC 8441 5: an extended CONNECT is the GET of an HTTP/1 handshake.
    writer.request_line(is_connect ? "GET" : request.method_text, line.path, line.query,
                        line.has_query);
    if (request.fields.find(FieldName::host) == nullptr) writer.trusted_field("Host", line.host);
  }
  const HeadAmendments* amended =
      exchange.amendments != nullptr ? &exchange.amendments->request : nullptr;
  const Nominations nominations = request_nominations(exchange);
  for (const Field& field : request.fields) {
    if (field.known == FieldName::host) {
      if (!to_http2) writer.trusted_field(field.name, line.host);
    } else if (is_dropped(amended, field.name)) {
      continue;
    } else if ((is_connect || asks_by_connect) &&
               base::equals_ignoring_case(field.name, websocket_key_name)) {
      continue;  // ours follows, or there is none (RFC 8441 5)
    } else if (asks_by_connect && field.known == FieldName::content_length) {
      continue;  // what follows is the tunnel's
    } else if (passes_to_target(exchange, field, nominations)) {
      writer.trusted_field(field.name, field.value);
    }
  }
  // The one coding that HTTP/2 knows (RFC 9113 8.2.2), and gRPC asks for.
  if (to_http2 && takes_trailers(request)) writer.trusted_field("TE", "trailers");
  write_who_asks(exchange, amended, writer);
  if (settings.via && !is_dropped(amended, "Via"))
    writer.trusted_field("Via", via(request.http2, request.minor_version));
  if (amended != nullptr) writer.trusted_text(amended->lines);
  if (request.framing == http::Framing::chunked && !to_http2) {
    writer.trusted_field("Transfer-Encoding", "chunked");
  }
  if (exchange.upgrade == Upgrade::websocket && !to_http2) {
    writer.trusted_text(upgrade_fields);
    if (is_connect) {
      writer.trusted_field(websocket_key_name,
                           {exchange.websocket_key.data(), exchange.websocket_key.size()});
    }
  } else if (exchange.pool->proxy_protocol() != config::ProxyHeaderVersion::off ||
             (exchange.ends_connections && !to_http2)) {
    writer.trusted_field("Connection", "close");  // it is this client's, and not used again
  }
  writer.end_head();
}

bool passes_to_client(const Exchange& exchange, const Field& field,
                      const Nominations& nominations) {
  switch (field.known) {
    // Framing is decided once: the length passes where it describes what we send, or would send
    // (HEAD). A 204 must not have one (RFC 9110 8.6).
    case FieldName::content_length:
      return exchange.answer.framing == http::Framing::length ||
             (exchange.answer.framing == http::Framing::none && exchange.answer.status != 204);
    case FieldName::trailer: return !exchange.model().forwarding.trailers.empty();
    default: return !is_hop_by_hop_for_us(field.known) && !nominations.has(field.name);
  }
}

void put_answer_head(Exchange& exchange, bool chunked, http::H1Writer& writer) {
  const http::ResponseHead& answer = exchange.answer;
  put_status(exchange, writer, answer.status, answer.reason_phrase);
  const Nominations nominations(answer.fields);
  const HeadAmendments* amended =
      exchange.amendments != nullptr ? &exchange.amendments->answer : nullptr;
  bool has_date = false;
  for (const Field& field : answer.fields) {
    if (!passes_to_client(exchange, field, nominations)) continue;
    if (is_dropped(amended, field.name)) continue;
    has_date = has_date || field.known == FieldName::date;
    writer.trusted_field(field.name, field.value);
  }
  if (!has_date && !is_dropped(amended, "Date")) {
    writer.trusted_field("Date", exchange.worker().http_date());
  }
  if (exchange.model().forwarding.via && !is_dropped(amended, "Via")) {
    writer.trusted_field("Via", via(answer.http2, answer.minor_version));
  }
  writer.trusted_text(exchange.cookie_lines);
  if (amended != nullptr) writer.trusted_text(amended->lines);
  if (chunked && !exchange.client_side->is_http2()) {
    writer.trusted_field("Transfer-Encoding", "chunked");
  }
  put_connection(exchange, writer);
  writer.end_head();
}

// What a filter takes from a head does not come behind the body either.
std::string passing_trailers(const Exchange& exchange, const http::Fields& trailers, bool pass_all,
                             const HeadAmendments* amended) {
  std::string lines;
  const std::vector<std::string>& allowed = exchange.model().forwarding.trailers;
  for (const http::Field& field : trailers) {
    const bool is_allowed = pass_all || std::ranges::any_of(allowed, [&](const std::string& name) {
                              return base::equals_ignoring_case(field.name, name);
                            });
    if (!is_allowed || is_dropped(amended, field.name)) continue;
    lines.append(field.name).append(": ").append(field.value).append("\r\n");
  }
  return lines;
}

// Of a 1xx, or of the head that begins a tunnel.
void put_bodiless_fields(const Exchange& exchange, http::H1Writer& writer, bool with_accept) {
  const http::ResponseHead& answer = exchange.answer;
  const Nominations nominations(answer.fields);
  for (const Field& field : answer.fields) {
    if (!with_accept && base::equals_ignoring_case(field.name, websocket_accept_name)) continue;
    if (field.known == FieldName::content_length || is_hop_by_hop_for_us(field.known) ||
        nominations.has(field.name)) {
      continue;
    }
    writer.trusted_field(field.name, field.value);
  }
}

// Room that the fields we add may take, with the longest values they can have.
constexpr std::size_t added_bytes_max = 4096;

std::size_t size_of(const std::optional<std::string>& text) { return text ? text->size() : 0; }

// Writes with `put` into a buffer that is large enough for `source_bytes` and what we add.
template <typename Put>
void write_head(Exchange& exchange, std::size_t source_bytes, Put put) {
  net::Buffer& buffer = exchange.head_buffer;
  const std::size_t needed = 2 * source_bytes + added_bytes_max;
  if (!buffer.has_memory() || buffer.capacity() < needed) {
    buffer = exchange.worker().loop().buffers.borrow(needed);
  }
  buffer.consume(buffer.unread().size());
  http::H1Writer writer(buffer.free_space());
  put(writer);
  // Cannot overflow: every written field is a received one, or one of the few we add; an absolute
  // target or a list of forwarded addresses is at most written twice.
  buffer.commit(writer.overflowed() ? 0 : writer.size());
}

}  // namespace

std::vector<Field> passing_request_fields(const Exchange& exchange) {
  std::vector<Field> passing;
  const Nominations nominations = request_nominations(exchange);
  for (const Field& field : exchange.request.fields) {
    if (passes_to_target(exchange, field, nominations)) passing.push_back(field);
  }
  return passing;
}

std::vector<Field> passing_request_fields(const Exchange& exchange, std::string_view name) {
  std::vector<Field> passing;
  std::optional<Nominations> nominations;
  for (const Field& field : exchange.request.fields) {
    if (!base::equals_ignoring_case(field.name, name)) continue;
    if (!nominations) nominations = request_nominations(exchange);
    if (passes_to_target(exchange, field, *nominations)) passing.push_back(field);
  }
  return passing;
}

std::vector<Field> passing_answer_fields(const Exchange& exchange) {
  std::vector<Field> passing;
  const Nominations nominations(exchange.answer.fields);
  for (const Field& field : exchange.answer.fields) {
    if (passes_to_client(exchange, field, nominations)) passing.push_back(field);
  }
  return passing;
}

void write_request_head(Exchange& exchange, bool to_http2) {
  std::size_t source_bytes =
      exchange.request_head_bytes + exchange.connection->client_certificate_fields().size();
  if (const Amendments* amendments = exchange.amendments.get()) {
    source_bytes += amendments->request.lines.size() + size_of(amendments->path) +
                    size_of(amendments->query) + size_of(amendments->host);
  }
  write_head(exchange, source_bytes,
             [&](http::H1Writer& writer) { put_request_head(exchange, to_http2, writer); });
}

void write_answer_head(Exchange& exchange, bool chunked) {
  std::size_t source_bytes = exchange.target->head_bytes() + exchange.cookie_lines.size();
  if (exchange.amendments != nullptr) {
    exchange.amendments->is_own_answer = false;
    filter_answer(exchange, exchange.answer.status);
    source_bytes += exchange.amendments->answer.lines.size();
  }
  write_head(exchange, source_bytes, [&exchange, chunked](http::H1Writer& writer) {
    put_answer_head(exchange, chunked, writer);
  });
}

void write_switching_head(Exchange& exchange) {
  const std::size_t source_bytes = exchange.target->head_bytes() + exchange.cookie_lines.size();
  write_head(exchange, source_bytes, [&exchange](http::H1Writer& writer) {
    const http::ResponseHead& answer = exchange.answer;
    // Over HTTP/2 a WebSocket begins with 200, and nobody proves with a key that he meant it
    // (RFC 8441 5).
    const bool is_http1 = !exchange.client_side->is_http2();
    put_status(exchange, writer, is_http1 ? 101 : 200,
               answer.http2 ? "Switching Protocols" : answer.reason_phrase);
    put_bodiless_fields(exchange, writer, is_http1 && !answer.http2);
    writer.trusted_text(exchange.cookie_lines);
    if (is_http1) writer.trusted_text(upgrade_fields);
    if (is_http1 && answer.http2) {
      const http::Field* const key = exchange.request.fields.find(websocket_key_name);
      writer.trusted_field(websocket_accept_name,
                           net::sec_websocket_accept(key != nullptr ? key->value : ""));
    }
    writer.end_head();
  });
}

void put_status(const Exchange& exchange, http::H1Writer& writer, std::uint16_t status,
                std::string_view phrase) {
  if (!exchange.client_side->is_http2()) return writer.status_line(status, phrase);
  writer.trusted_text(":status: ");
  writer.number(status);
  writer.end_field();
}

bool is_dropped(const HeadAmendments* amended, std::string_view name) {
  return amended != nullptr && amended->drops(name);
}

void write_who_asks(const Exchange& exchange, const HeadAmendments* amended,
                    http::H1Writer& writer) {
  if (!is_dropped(amended, "X-Forwarded-For")) write_forwarded_for(exchange, writer);
  write_forwarded_facts(exchange, amended, writer);
  write_lines(writer, exchange.connection->client_certificate_fields(), amended);
  if (!is_dropped(amended, "X-Request-Id")) {
    writer.trusted_field("X-Request-Id", exchange.request_id);
  }
  if (!is_dropped(amended, "traceparent")) {
    write_traceparent(exchange, writer, exchange.request.fields.value(FieldName::traceparent));
  }
}

void write_lines(http::H1Writer& writer, std::string_view lines, const HeadAmendments* amended) {
  if (amended == nullptr || amended->dropped.empty()) return writer.trusted_text(lines);
  for_each_line(lines, [&](const FieldLine& line) {
    if (!amended->drops(line.name)) writer.trusted_text(line.text);
  });
}

void put_connection(const Exchange& exchange, http::H1Writer& writer) {
  if (exchange.client_side->is_http2()) return;
  if (!exchange.keep_connection) {
    writer.trusted_field("Connection", "close");
  } else if (exchange.request.minor_version == 0) {
    writer.trusted_field("Connection", "keep-alive");
  }
}

std::string request_trailers(Exchange& exchange) {
  const http::Fields& trailers = exchange.request_body().trailers();
  if (trailers.size() == 0) return {};
  const bool all = exchange.client_side->is_http2() && exchange.target->is_http2();
  const Amendments* amendments = exchange.amendments.get();
  return passing_trailers(exchange, trailers, all,
                          amendments != nullptr ? &amendments->request : nullptr);
}

std::string answer_trailers(Exchange& exchange) {
  const http::Fields& trailers = exchange.target->body().trailers();
  if (trailers.size() == 0) return {};
  const bool all = exchange.client_side->is_http2() && exchange.target->is_http2();
  const Amendments* amendments = exchange.amendments.get();
  return passing_trailers(exchange, trailers, all,
                          amendments != nullptr ? &amendments->answer : nullptr);
}

void write_informational_head(Exchange& exchange) {
  write_head(exchange, exchange.target->head_bytes(), [&exchange](http::H1Writer& writer) {
    put_status(exchange, writer, exchange.answer.status, exchange.answer.reason_phrase);
    put_bodiless_fields(exchange, writer, true);
    writer.end_head();
  });
}

}  // namespace sluice::proxy
