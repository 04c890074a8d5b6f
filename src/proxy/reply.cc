#include "proxy/reply.h"
#include "proxy/amendments.h"
#include "proxy/filters.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "proxy/filters/error_pages.h"
#include "proxy/grpc.h"
#include "proxy/headers.h"
#include "sluice/http/h1_writer.h"
#include "sluice/http/uri.h"

namespace sluice::proxy {

namespace {

using observe::Reason;

struct OwnAnswer {
  std::uint16_t status;
  std::string_view content_type;
  std::string_view body;
  std::string_view location;      // empty: none
  std::string_view fields;        // whole lines of ours; empty: none
  std::string_view cookies = {};  // further ones, of stickiness, which no filter touches
  std::uint16_t status_told = 0;  // when it is not `status`, which is for the log; without a body
  bool is_protected = false;      // `fields` are not for filters to touch
};

// Of a large body, so that the client's time runs between two pieces that it takes, and no more
// than one of them is encrypted at a time.
constexpr std::size_t piece_bytes = 32 * 1024;

bool may_have_body(std::uint16_t status) { return status >= 200 && status != 204 && status != 304; }

// The next request begins where this body ends; a body not read yet would have to be read for
// nothing.
bool request_is_read(Exchange& exchange) {
  if (!exchange.request_understood || !exchange.body_begun) return false;
  upstream::Body& body = exchange.request_body();
  // What came with the head is at hand: a small body costs no connection.
  while (!body.is_finished() && exchange.pump == Exchange::Pump::unused && body.take().bytes > 0) {
  }
  return body.is_finished();
}

void write_head(Exchange& exchange, const OwnAnswer& answer) {
  net::Buffer& buffer = exchange.head_buffer;
  Amendments* amendments = exchange.amendments.get();
  if (amendments != nullptr) {
    amendments->is_own_answer = true;
    amendments->own_lines = answer.is_protected ? std::string_view{} : answer.fields;
    filter_answer(exchange, answer.status);
    amendments->own_lines = {};
  }
  const HeadAmendments* amended = amendments != nullptr ? &amendments->answer : nullptr;
  const std::size_t amended_bytes =
      amendments == nullptr ? 0
                            : amendments->answer.lines.size() + amendments->refusal_lines.size();
  const std::size_t needed = answer.location.size() + answer.content_type.size() +
                             answer.fields.size() + answer.cookies.size() + amended_bytes + 1024;
  if (!buffer.has_memory() || buffer.capacity() < needed) {
    buffer = exchange.worker().loop().buffers.borrow(needed);
  }
  buffer.consume(buffer.unread().size());
  http::H1Writer writer(buffer.free_space());
  const std::uint16_t status = answer.status_told != 0 ? answer.status_told : answer.status;
  put_status(exchange, writer, status, http::standard_reason_phrase(status));
  if (!is_dropped(amended, "Server")) writer.trusted_field("Server", "sluice");
  if (!is_dropped(amended, "Date")) writer.trusted_field("Date", exchange.worker().http_date());
  if (!answer.location.empty() && !is_dropped(amended, "Location")) {
    writer.field("Location", answer.location);
  }
  // What gRPC's clients, and those of a handshake, look for is not a filter's.
  write_lines(writer, answer.fields, answer.is_protected ? nullptr : amended);
  writer.trusted_text(answer.cookies);
  if (amendments != nullptr) {
    // Those of a preflight are the filter cors's own.
    write_lines(writer, amendments->refusal_lines,
                amendments->answer_status != 0 ? nullptr : amended);
    writer.trusted_text(amendments->answer.lines);
  }
  if (may_have_body(answer.status) && answer.status_told == 0) {
    if (!answer.body.empty() && !is_dropped(amended, "Content-Type")) {
      writer.field("Content-Type", answer.content_type);
    }
    writer.field("Content-Length", answer.body.size());
  }
  put_connection(exchange, writer);
  writer.end_head();
  buffer.commit(writer.overflowed() ? 0 : writer.size());
}

net::Task<After> send(Exchange& exchange, OwnAnswer answer) {
  exchange.status = answer.status;
  exchange.keep_connection = exchange.request_understood && exchange.request.persistent &&
                             !exchange.connection->must_close() && request_is_read(exchange);
  write_head(exchange, answer);
  const bool with_body =
      may_have_body(answer.status) && exchange.request.method != http::Method::head;
  base::Bytes left = with_body ? base::as_bytes(answer.body) : base::Bytes{};
  upstream::Sender& sender = exchange.client_side->sender();
  exchange.answer_begun = true;
  sender.set_head(exchange.head_buffer.unread(), false);
  net::Transfer sent = net::Transfer::ok;
  for (std::uint32_t writes = 1;; ++writes) {
    const base::Bytes piece = left.first(std::min(left.size(), piece_bytes));
    left = left.subspan(piece.size());
    upstream::Runs runs;
    if (!piece.empty()) runs.add(piece);
    sender.add(runs, left.empty(), {});
    sent = sender.start();
    if (sender.is_unfinished()) sent = co_await sender.finish();
    if (sent != net::Transfer::ok || left.empty()) break;
    if (writes % writes_per_turn == 0) co_await exchange.worker().loop().next_turn();
  }
  if (sent != net::Transfer::ok) {
    // The reason of the answer stays: it says why the exchange ended; that it was not read is no
    // news.
    if (exchange.reason == Reason::none) {
      set_end(exchange, sent == net::Transfer::expired ? Reason::client_write_timeout
                                                       : Reason::client_closed);
    }
    co_return After::cut;
  }
  co_return exchange.keep_connection ? After::keep : After::close;
}

// Clients of gRPC look for its status in an answer that is 200 and ends with its head.
net::Task<After> send_grpc_failure(Exchange& exchange, std::uint16_t status) {
  std::string fields = "Content-Type: application/grpc\r\ngrpc-status: ";
  fields += std::to_string(grpc_status(exchange.reason, status));
  fields.append("\r\ngrpc-message: ").append(observe::text(exchange.reason)).append("\r\n");
  const OwnAnswer answer{.status = status,
                         .content_type = {},
                         .body = {},
                         .location = {},
                         .fields = fields,
                         .status_told = 200,
                         .is_protected = true};
  co_return co_await send(exchange, answer);
}

// Behind the head of the target's answer the status goes into the trailers, where the target's own
// would have been: a stream that is reset says INTERNAL to clients, whatever the cause. What was
// left of a message is dropped by them.
net::Task<After> end_grpc_answer(Exchange& exchange) {
  std::string trailers = "grpc-status: ";
  trailers += std::to_string(grpc_status(exchange.reason, observe::status_of(exchange.reason)));
  trailers.append("\r\ngrpc-message: ").append(observe::text(exchange.reason)).append("\r\n");
  upstream::Sender& sender = exchange.client_side->sender();
  sender.add({}, true, trailers);
  net::Transfer sent = sender.start();
  if (sender.is_unfinished()) sent = co_await sender.finish();
  co_return sent == net::Transfer::ok ? After::close : After::cut;
}

// The client still reads, and has not been promised a length.
bool may_end_grpc_answer(const Exchange& exchange) {
  return is_grpc(exchange.request) && exchange.client_side->is_http2() &&
         exchange.answer.framing != http::Framing::length &&
         observe::side_of(exchange.reason) != observe::Side::client;
}

// What an answer to that has to tell besides its status.
std::string_view fields_with(Reason reason, bool is_http2) {
  switch (reason) {
    case Reason::method_not_allowed:
    case Reason::connect_refused: return "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n";
    // RFC 9110 7.8 and 15.5.22, RFC 6455 4.4.
    case Reason::websocket_version_not_supported:
      return is_http2 ? "Sec-WebSocket-Version: 13\r\n"
                      : "Connection: upgrade\r\nUpgrade: websocket\r\n"
                        "Sec-WebSocket-Version: 13\r\n";
    // Worth another attempt soon: targets come back, queues empty (RFC 9110 10.2.3).
    case Reason::forward_auth_unavailable:
    case Reason::no_target:
    case Reason::target_queue_full:
    case Reason::target_queue_timeout: return "Retry-After: 1\r\n";
    default: return {};
  }
}

Denial* denial_of(const Exchange& exchange) {
  const bool is_denied = exchange.reason == Reason::forward_auth_denied;
  return is_denied ? exchange.amendments->denial.get() : nullptr;
}

// Unless the rule has pages in the place of others' answers.
bool keeps_denial(const Exchange& exchange) {
  return !exchange.rule->rule->filters.error_pages ||
         !exchange.rule->rule->filters.error_pages->intercept;
}

// To the client of an extended CONNECT a 2xx would say that its WebSocket is open (RFC 8441 5).
void put_page(const Exchange& exchange, const route::ErrorPages::Page& page, OwnAnswer& answer) {
  const std::uint16_t told = page.status.value_or(answer.status);
  if (told >= 400 || exchange.request.connect_protocol.empty()) answer.status = told;
  answer.content_type = page.content_type;
  answer.body = page.body;
}

// The port that the client used: of its Host, else of where it connected to.
std::uint16_t port_of(const Exchange& exchange) {
  const std::string_view host = exchange.request.host;
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
    const std::optional<std::uint64_t> port = base::parse_decimal(host.substr(colon + 1));
    if (port.has_value() && *port > 0 && *port <= 65535) return static_cast<std::uint16_t>(*port);
  }
  if (!host.empty()) return exchange.connection->is_tls() ? 443 : 80;
  return exchange.connection->destination_port();
}

}  // namespace

std::string_view error_page(std::uint16_t status) {
  static const std::map<std::uint16_t, std::string> pages = [] {
    std::map<std::uint16_t, std::string> made;
    for (std::uint16_t code = 400; code < 600; ++code) {
      const std::string_view phrase = http::standard_reason_phrase(code);
      if (!phrase.empty()) made[code] = std::to_string(code) + " " + std::string(phrase) + "\n";
    }
    return made;
  }();
  const auto page = pages.find(status);
  return page == pages.end() ? std::string_view{} : std::string_view(page->second);
}

net::Task<After> fail(Exchange& exchange, Reason reason) {
  set_end(exchange, reason);
  Denial* const denial = denial_of(exchange);
  const std::uint16_t status =
      denial != nullptr ? denial->status : observe::status_of(exchange.reason);
  if (exchange.answer_begun) {
    if (may_end_grpc_answer(exchange)) co_return co_await end_grpc_answer(exchange);
    const bool framed =
        exchange.answer.framing == http::Framing::length || exchange.request.minor_version > 0;
    co_return framed ? After::cut : After::abort;
  }
  if (status == 0 || status == 499) {  // the client left: there is nobody to tell
    exchange.status = status;
    co_return After::cut;
  }
  if (is_grpc(exchange.request)) co_return co_await send_grpc_failure(exchange, status);
  OwnAnswer answer{.status = status,
                   .content_type = "text/plain",
                   .body = error_page(status),
                   .location = {},
                   .fields = fields_with(exchange.reason, exchange.client_side->is_http2()),
                   .is_protected = exchange.reason == Reason::websocket_version_not_supported};
  if (denial != nullptr) {
    answer.fields = denial->lines;
    answer.content_type = denial->content_type;
    answer.body = denial->body;
  }
  if (const route::ErrorPages::Page* page =
          denial == nullptr || !keeps_denial(exchange) ? page_for(exchange, status) : nullptr) {
    if (denial != nullptr) {
      denial->leave_body_out();
      answer.fields = denial->lines;
    }
    put_page(exchange, *page, answer);
  }
  co_return co_await send(exchange, answer);
}

net::Task<After> redirect(Exchange& exchange, const route::Redirect& action) {
  const route::RedirectInput input{.protocol = exchange.scheme(),
                                   .host = http::host_without_port(exchange.request.host),
                                   .port = port_of(exchange),
                                   .path = exchange.request.path,
                                   .query = exchange.request.query};
  const std::optional<std::string> location = action.location(input);
  if (!location.has_value()) co_return co_await fail(exchange, Reason::redirect_too_long);
  const OwnAnswer answer{.status = action.status,
                         .content_type = "text/plain",
                         .body = {},
                         .location = *location,
                         .fields = {}};
  co_return co_await send(exchange, answer);
}

net::Task<After> respond(Exchange& exchange, const route::FixedResponse& action) {
  const OwnAnswer answer{.status = action.status,
                         .content_type = action.content_type,
                         .body = *action.body,
                         .location = {},
                         .fields = {}};
  co_return co_await send(exchange, answer);
}

net::Task<After> respond_without_body(Exchange& exchange, std::uint16_t status) {
  const OwnAnswer answer{
      .status = status, .content_type = {}, .body = {}, .location = {}, .fields = {}};
  co_return co_await send(exchange, answer);
}

net::Task<After> respond_with_page(Exchange& exchange, const route::ErrorPages::Page& page,
                                   std::uint16_t status, std::string fields) {
  OwnAnswer answer{.status = status,
                   .content_type = {},
                   .body = {},
                   .location = {},
                   .fields = fields,
                   .cookies = exchange.cookie_lines};
  put_page(exchange, page, answer);
  co_return co_await send(exchange, answer);
}

}  // namespace sluice::proxy
