#include "proxy/filters/mirror.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

#include "proxy/amendments.h"
#include "sluice/base/text.h"

namespace sluice::proxy {
namespace {

using observe::Reason;
using route::Mirror;

// Of an answer that nobody gets; one that is longer costs its connection.
constexpr std::uint64_t answer_bytes_max = 1 * config::mebibyte;

// --- the head -----------------------------------------------------------------------------------

// They were for the connection to the first target, or say what the copy says itself.
bool is_left_out(std::string_view name, bool to_http2) {
  constexpr std::array<std::string_view, 5> names{"Connection", "Content-Length",
                                                  "Transfer-Encoding", "Trailer", "Upgrade"};
  const auto is_name = [name](std::string_view one) {
    return base::equals_ignoring_case(one, name);
  };
  return std::ranges::any_of(names, is_name) || (!to_http2 && is_name("TE"));
}

void read_pseudo_field(std::string_view text, SideRequestHead& head) {
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const std::string_view value = base::trim(text.substr(colon + 1));
  if (name == "method") head.method = value;
  if (name == "path") head.target = value;
  if (name == "authority") head.authority = value;
}

// A head that we wrote, taken apart; in either protocol's form (headers.h).
SideRequestHead read_head(std::string_view text, bool is_http2, bool to_http2) {
  SideRequestHead head;
  if (!is_http2) {
    const std::string_view line = text.substr(0, text.find("\r\n"));
    const std::size_t first = line.find(' ');
    const std::size_t last = line.rfind(' ');
    head.method = line.substr(0, first);
    head.target = line.substr(first + 1, last - first - 1);
    text.remove_prefix(line.size() + 2);
  }
  for_each_line(text, [&](const FieldLine& line) {
    if (line.name.empty()) return read_pseudo_field(line.value, head);
    if (base::equals_ignoring_case(line.name, "Host")) {
      head.authority = line.value;
    } else if (!is_left_out(line.name, to_http2)) {
      head.fields += line.text;
    }
  });
  return head;
}

// Where the configuration has targets called by their addresses, the copy's target has its own.
bool is_host_of_target(const Exchange& exchange) {
  const bool is_kept = exchange.model().forwarding.preserve_host && !exchange.request.host.empty();
  return !is_kept && !exchange.amendments->host;
}

// --- the body -----------------------------------------------------------------------------------

// As much as there is already: few pieces for a long body, and little memory for a short one.
net::Buffer next_piece(Exchange& exchange, const SideRequestBody& body) {
  const std::size_t kept = static_cast<std::size_t>(body.bytes);
  const std::size_t size = std::clamp(kept, net::BufferPool::smallest, net::BufferPool::largest);
  return exchange.worker().loop().buffers.borrow(size);
}

void append(Exchange& exchange, SideRequestBody& body, base::Bytes run) {
  while (!run.empty()) {
    if (body.pieces.empty() || body.pieces.back().free_space().empty()) {
      body.pieces.push_back(next_piece(exchange, body));
    }
    net::Buffer& piece = body.pieces.back();
    const std::size_t size = std::min(run.size(), piece.free_space().size());
    std::memcpy(piece.free_space().data(), run.data(), size);
    piece.commit(size);
    body.bytes += size;
    run = run.subspan(size);
  }
}

// --- its life -----------------------------------------------------------------------------------

observe::Counter& result_of(const MirrorCells& cells, Reason reason) {
  switch (reason) {
    case Reason::none: return *cells.answered;
    case Reason::target_try_timeout: return *cells.timed_out;
    case Reason::client_closed:
    case Reason::shutdown_deadline: return *cells.cancelled;
    default: return *cells.failed;
  }
}

net::Task<> send_copy(net::Loop& loop, std::unique_ptr<SideRequest> request, MirrorPlace /*place*/,
                      MirrorCells cells) {
  co_await loop.next_turn();  // the request itself goes first
  const Reason reason = co_await request->ask();
  result_of(cells, reason).add();
  if (reason != Reason::none) co_return;
  const bool is_whole = co_await request->read_body(answer_bytes_max, nullptr);
  if (is_whole) request->finish();
}

void launch(Exchange& exchange) {
  const std::unique_ptr<MirrorCopy> copy = std::move(exchange.amendments->copy);
  copy->unsent = nullptr;
  const SideRequest::Settings settings{.group = copy->settings->group,
                                       .timeout = copy->settings->timeout,
                                       .may_wait_for_room = false};
  auto request = std::make_unique<SideRequest>(exchange, settings, std::move(copy->head),
                                               std::move(copy->body));
  net::spawn(send_copy(exchange.worker().loop(), std::move(request), std::move(copy->place),
                       *exchange.rule->mirror));
}

void give_up(Exchange& exchange, observe::Counter* why) {
  exchange.amendments->copy->unsent = why;
  exchange.amendments->copy.reset();
}

MirrorCopy* copy_of(Exchange& exchange) {
  return exchange.amendments != nullptr ? exchange.amendments->copy.get() : nullptr;
}

// Over HTTP/2 the end of a body may come by itself, after its target has answered.
bool is_whole(const http::RequestHead& request, const MirrorCopy& copy) {
  if (request.framing == http::Framing::none) return true;
  return request.framing == http::Framing::length && copy.body.bytes == request.content_length;
}

bool is_drawn(Exchange& exchange, const Mirror& settings) {
  return settings.share == Mirror::share_whole ||
         exchange.worker().random().next() % Mirror::share_whole < settings.share;
}

}  // namespace

void begin_copy(Exchange& exchange) {
  Amendments* const amendments = exchange.amendments.get();
  const Mirror* const settings = exchange.rule->rule->filters.mirror.get();
  if (amendments == nullptr || settings == nullptr) return;
  if (std::exchange(amendments->copy_was_decided, true)) return;
  if (exchange.upgrade != Upgrade::none || !is_drawn(exchange, *settings)) return;
  const MirrorCells& cells = *exchange.rule->mirror;
  const http::RequestHead& request = exchange.request;
  if (request.framing == http::Framing::length && request.content_length > settings->body_bytes) {
    return cells.too_large->add();
  }
  if (!settings->load->enter(settings->in_flight)) return cells.too_many->add();
  const bool to_http2 = exchange.view->groups[settings->group]->settings().http2.is_enabled;
  SideRequestHead head = read_head(base::as_text(exchange.head_buffer.unread()),
                                   exchange.target->is_http2(), to_http2);
  if (is_host_of_target(exchange)) head.authority.clear();
  amendments->copy = std::make_unique<MirrorCopy>(
      MirrorPlace(settings->load), settings, std::move(head), SideRequestBody{},
      exchange.worker().loop().clock.now(), cells.incomplete);
  amendments->copy->body.is_there = request.framing != http::Framing::none;
  if (is_whole(request, *amendments->copy)) launch(exchange);
}

void copy_content(Exchange& exchange, const upstream::Runs& runs) {
  MirrorCopy* const copy = copy_of(exchange);
  if (copy == nullptr) return;
  if (copy->body.bytes + runs.bytes > copy->settings->body_bytes) {
    return give_up(exchange, exchange.rule->mirror->too_large);
  }
  // A client that drips its body would hold a place as long as it likes.
  const base::SteadyTime now = exchange.worker().loop().clock.now();
  if (now - copy->began >= copy->settings->timeout) {
    return give_up(exchange, exchange.rule->mirror->incomplete);
  }
  for (const base::Bytes run : runs.items) append(exchange, copy->body, run);
  if (is_whole(exchange.request, *copy)) launch(exchange);
}

void end_copy(Exchange& exchange) {
  if (copy_of(exchange) != nullptr) launch(exchange);
}

void restart_copy(Exchange& exchange) {
  MirrorCopy* const copy = copy_of(exchange);
  if (copy == nullptr) return;
  copy->body.pieces.clear();
  copy->body.bytes = 0;
}

}  // namespace sluice::proxy
