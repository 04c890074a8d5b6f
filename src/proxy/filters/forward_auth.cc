#include "proxy/filters/forward_auth.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proxy/amendments.h"
#include "proxy/headers.h"
#include "proxy/interrupt.h"
#include "proxy/nominations.h"
#include "proxy/request_pump.h"
#include "proxy/side_request.h"
#include "sluice/base/text.h"
#include "sluice/http/h1_writer.h"
#include "sluice/observe/log.h"
#include "sluice/route/filters/header_edits.h"

namespace sluice::proxy {
namespace {

using http::FieldName;
using observe::Reason;
using route::ForwardAuth;

// Room that the lines of ours may take, beside what they have of the request.
constexpr std::size_t own_bytes_max = 4096;

bool is_listed(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::any_of(
      names, [&](const std::string& one) { return base::equals_ignoring_case(one, name); });
}

void append_line(std::string& lines, std::string_view name, std::string_view value) {
  lines.append(name).append(": ").append(value).append("\r\n");
}

// --- the question -------------------------------------------------------------------------------

// As the target will be asked, unless a later filter rewrites it: in normal form, so that nobody is
// let in to another place than the service was told of, and without a token that jwt hides.
std::string uri_of(const Exchange& exchange) {
  const http::RequestHead& request = exchange.request;
  std::string uri(request.path);
  const std::optional<std::string>& amended = exchange.amendments->query;
  const std::string_view query = amended ? std::string_view(*amended) : request.query;
  if (amended ? !query.empty() : request.has_query) uri.append("?").append(query);
  return uri;
}

// The proxy in front knows the host that the client asked for, if it is one of ours.
std::string_view host_of(const Exchange& exchange) {
  const std::string_view arrived = exchange.request.fields.value(FieldName::x_forwarded_host);
  return exchange.peer_is_trusted && !arrived.empty() ? arrived : exchange.request.host;
}

// Lines of our own about the request. Nothing when they do not fit.
std::optional<std::string> own_lines(const Exchange& exchange, const std::string& uri) {
  const http::RequestHead& request = exchange.request;
  const std::size_t needed = 3 * exchange.request_head_bytes + uri.size() +
                             exchange.connection->client_certificate_fields().size() +
                             own_bytes_max;
  net::Buffer buffer = exchange.worker().loop().buffers.borrow(needed);
  http::H1Writer writer(buffer.free_space());
  // The handshake of a WebSocket is a GET, also where HTTP/2 calls it CONNECT (RFC 8441 5).
  writer.field("X-Forwarded-Method",
               request.connect_protocol.empty() ? request.method_text : "GET");
  if (const std::string_view host = host_of(exchange); !host.empty()) {
    writer.field("X-Forwarded-Host", host);
  }
  writer.field("X-Forwarded-Uri", uri);
  if (exchange.model().forwarding.forwarded_for == config::ForwardedFor::preserve) {
    for (const http::Field& field : request.fields) {
      if (field.known == FieldName::x_forwarded_for) writer.field(field.name, field.value);
    }
  }
  write_who_asks(exchange, nullptr, writer);
  if (writer.overflowed()) return std::nullopt;
  return std::string(base::as_text(writer.bytes()));
}

// Of the request as the filters before left it: what jwt says of the user, not what the client
// does.
void append_listed(const Exchange& exchange, const std::vector<std::string>& names,
                   std::string& lines) {
  if (names.empty()) return;
  const HeadAmendments& amended = exchange.amendments->request;
  for (const http::Field& field : passing_request_fields(exchange)) {
    if (!is_listed(names, field.name) || amended.drops(field.name)) continue;
    append_line(lines, field.name, field.value);
  }
  for_each_line(amended.lines, [&](const FieldLine& line) {
    if (is_listed(names, line.name)) lines += line.text;
  });
}

std::optional<SideRequestHead> question(const Exchange& exchange, const ForwardAuth& settings) {
  SideRequestHead head;
  head.method = "GET";
  if (exchange.model().forwarding.preserve_host) head.authority = exchange.request.host;
  const std::string uri = uri_of(exchange);
  head.target = settings.path.empty() ? uri : settings.path;
  if (head.target == "*") head.target = "/";  // which is for OPTIONS only (RFC 9112 3.2.4)
  std::optional<std::string> lines = own_lines(exchange, uri);
  if (!lines) return std::nullopt;
  head.fields = *std::move(lines);
  append_listed(exchange, settings.request_headers, head.fields);
  return head;
}

// --- the answer ---------------------------------------------------------------------------------

bool is_permission(std::uint16_t status) { return status >= 200 && status < 300; }

// A client can provoke 400, 414 or 431 with what it sends, and must not pass by that.
bool is_denial(const http::ResponseHead& answer, bool fail_open) {
  switch (answer.status) {
    case 401:
    case 403: return true;
    case 301:
    case 302:
    case 303:
    case 307:
    case 308: return answer.fields.find(FieldName::location) != nullptr;
    default: return fail_open && answer.status >= 400 && answer.status < 500;
  }
}

template <typename Visit>
void for_each_listed(const http::ResponseHead& answer, const std::vector<std::string>& names,
                     Visit visit) {
  if (names.empty()) return;
  const Nominations nominations(answer.fields);
  for (const http::Field& field : answer.fields) {
    if (is_listed(names, field.name) && !nominations.has(field.name)) visit(field);
  }
}

// What the service alone may say is never the client's word (T10), whatever the verdict.
void drop_spoofed(Exchange& exchange, const ForwardAuth& settings) {
  for (const std::string& name : settings.answer_headers) exchange.amendments->request.drop(name);
}

// False: it is too much.
bool tell_target(Exchange& exchange, const ForwardAuth& settings,
                 const http::ResponseHead& answer) {
  std::string lines;
  for_each_listed(answer, settings.answer_headers,
                  [&](const http::Field& field) { append_line(lines, field.name, field.value); });
  if (lines.size() > route::HeaderEdits::lines_bytes_max) return false;
  drop_spoofed(exchange, settings);
  exchange.amendments->request.lines += lines;
  return true;
}

std::unique_ptr<Denial> denial_of(const ForwardAuth& settings, const http::ResponseHead& answer) {
  auto denial = std::make_unique<Denial>();
  const bool is_refusal = answer.status < 400 || answer.status == 401 || answer.status == 403;
  denial->status = is_refusal ? answer.status : 403;
  for_each_listed(answer, settings.denied_headers, [&](const http::Field& field) {
    if (field.known == FieldName::content_type) {
      denial->content_type = field.value;
    } else {
      append_line(denial->lines, field.name, field.value);
    }
  });
  if (denial->content_type.empty()) denial->content_type = "text/plain";
  return denial;
}

// The verdict is the head; a body that breaks off or is too long is left out. What describes it
// goes with it.
net::Task<std::unique_ptr<Denial>> read_denial(SideRequest& request, const ForwardAuth& settings) {
  std::unique_ptr<Denial> denial = denial_of(settings, request.answer());
  const bool is_whole = co_await request.read_body(settings.answer_bytes, &denial->body);
  if (is_whole) {
    request.finish();
  } else {
    denial->leave_body_out();
  }
  co_return denial;
}

// --- without a verdict --------------------------------------------------------------------------

// `reason`: why there is no answer; none: what it says is none.
Reason failure_of_service(Reason reason) {
  switch (reason) {
    case Reason::target_try_timeout:
    case Reason::target_connect_timeout:
    case Reason::target_tls_timeout:
    case Reason::target_response_timeout:
    case Reason::target_ping_timeout: return Reason::forward_auth_timeout;
    case Reason::no_target:
    case Reason::target_queue_full:
    case Reason::target_queue_timeout:
    case Reason::target_connect_refused:
    case Reason::target_connect_failed:
    case Reason::target_tls_failed:
    case Reason::target_deregistered:
    case Reason::descriptors_exhausted: return Reason::forward_auth_unavailable;
    default: return Reason::forward_auth_failed;
  }
}

Reason give_up(Exchange& exchange, const ForwardAuth& settings, Reason why, std::uint16_t status) {
  const ForwardAuthCells& cells = *exchange.rule->forward_auth;
  const Reason reason = failure_of_service(why);
  if (observe::log_enabled(observe::Level::debug)) {
    const std::string detail =
        why == Reason::none ? "status " + std::to_string(status) : std::string(observe::text(why));
    observe::log(observe::Level::debug, std::string(observe::text(reason)) + ": request " +
                                            observe::escaped(exchange.request_id) + ": " +
                                            settings.group_name + ": " + detail);
  }
  if (!settings.fail_open) {
    cells.failed->add();
    return reason;
  }
  cells.failed_open->add();
  drop_spoofed(exchange, settings);
  return Reason::none;
}

}  // namespace

net::Task<Reason> ask_service(Exchange& exchange, const ForwardAuth& settings) {
  std::optional<SideRequestHead> head = question(exchange, settings);
  if (!head) co_return give_up(exchange, settings, Reason::internal_error, 0);
  const SideRequest::Settings side{.group = settings.group, .timeout = settings.timeout};
  auto request = std::make_unique<SideRequest>(exchange, side, *std::move(head));
  Amendments& amendments = *exchange.amendments;
  amendments.asked = request.get();
  const base::SteadyTime began = base::Steady::now();
  watch_client(exchange);
  Reason reason = end_of_all_tries(exchange);
  if (reason == Reason::none) reason = co_await request->ask();
  const bool is_denied = reason == Reason::none && is_denial(request->answer(), settings.fail_open);
  if (is_denied) amendments.denial = co_await read_denial(*request, settings);
  unwatch_client(exchange);
  amendments.asked = nullptr;
  amendments.asked_for += base::Steady::now() - began;
  const Reason ended = end_of_all_tries(exchange);
  if (ended != Reason::none) co_return ended;
  const ForwardAuthCells& cells = *exchange.rule->forward_auth;
  if (is_denied) {
    cells.denied->add();
    co_return Reason::forward_auth_denied;
  }
  if (reason != Reason::none) co_return give_up(exchange, settings, reason, 0);
  const std::uint16_t status = request->answer().status;
  const bool is_allowed =
      is_permission(status) && tell_target(exchange, settings, request->answer());
  SideRequest::let_go(std::move(request));
  if (!is_allowed) co_return give_up(exchange, settings, Reason::none, status);
  cells.allowed->add();
  co_return Reason::none;
}

}  // namespace sluice::proxy
