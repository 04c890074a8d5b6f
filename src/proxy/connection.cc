#include "sluice/proxy/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "proxy/client_certificate.h"
#include "proxy/desync.h"
#include "proxy/h2_connection.h"
#include "proxy/handshake_room.h"
#include "proxy/interrupt.h"
#include "proxy/proxy_header_in.h"
#include "sluice/base/text.h"
#include "sluice/http/h1_parser.h"
#include "sluice/net/dial.h"
#include "sluice/net/listener.h"
#include "sluice/observe/log.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

namespace {

using net::Transfer;
using observe::Metric;
using observe::Reason;

// What a client may still send after our last answer before we stop listening to it.
constexpr std::chrono::milliseconds linger_time{2000};
// An idle connection of a worker or listener that is to end waits this long for one more request.
constexpr config::Milliseconds last_request_time{1000};
// A client that pipelines without end lets the others have their turn after so many.
constexpr std::uint32_t requests_per_turn = 32;
constexpr std::uint64_t linger_bytes = 16 * config::mebibyte;

constexpr std::string_view plain_request_answer =
    "HTTP/1.1 400 Bad Request\r\nServer: sluice\r\nContent-Type: text/plain\r\n"
    "Content-Length: 54\r\nConnection: close\r\n\r\n"
    "400 Bad Request: plain HTTP was sent to an HTTPS port\n";

constexpr std::string_view h2_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";  // RFC 9113 3.4

// The first byte of a TLS record that begins a handshake (RFC 8446 5.1); a letter begins an HTTP
// method.
bool is_plain_request(int fd) {
  char first = 0;
  if (::recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1) return false;
  return first >= 'A' && first <= 'Z';
}

// The empty line that may come before a request (RFC 9112 2.2), whole or in part, or nothing.
bool is_before_request(base::Bytes received) {
  return std::string_view("\r\n").starts_with(base::as_text(received));
}

}  // namespace

Connection::Connection(Worker& worker, std::shared_ptr<ListenerSlot> slot, net::OwnedFd fd,
                       const net::Endpoint& peer)
    : worker_(worker),
      slot_(std::move(slot)),
      stream_(worker.loop(), fd.release()),
      peer_(peer),
      peer_address_(peer.address_text()),
      accepted_at_(worker.loop().clock.now()) {
  slot_->listener->cells.connections_total.add();
  slot_->listener->cells.connections.add(1);
  worker_.add(*this);
}

Connection::~Connection() {
  h2_.reset();
  worker_.remove(*this);
  slot_->listener->cells.connections.add(-1);
}

net::Task<> Connection::serve(std::unique_ptr<Connection> connection) {
  Connection& self = *connection;
  if (self.slot_->listener->settings->proxy_protocol.mode != config::ProxyProtocolMode::off) {
    const bool is_known = co_await read_proxy_header(self);
    if (!is_known) co_return;
  }
  if (self.slot_->listener->settings->tls != nullptr) {
    const bool secured = co_await self.secure();
    if (!secured) co_return;
  }
  const bool is_http2 = co_await self.speaks_http2();
  if (is_http2) {
    self.h2_ = std::make_unique<H2Connection>(self);
    co_await self.h2_->serve(std::move(self.received));
    if (self.stream_.is_open() && !self.stream_.hung_up()) co_await self.linger();
    co_return;
  }
  After after = After::keep;
  while (after == After::keep) {
    if (!self.received.has_memory() || self.received.is_empty()) {
      // The idle state: no buffer, no exchange, no frame but this one.
      self.received.release();
      // The cell itself: a reload replaces the view, and the listener in it, while we wait.
      observe::Gauge& idle_connections = self.slot_->listener->cells.connections_idle;
      self.idle_ = true;
      idle_connections.add(1);
      self.stream_.set_read_deadline(self.idle_time());
      net::Wake wake = net::Wake::ready;
      if (!self.stream_.may_read()) wake = co_await self.stream_.wait_readable();
      self.stream_.clear_read_deadline();
      idle_connections.add(-1);
      self.idle_ = false;
      if (wake != net::Wake::ready) co_return;
    }
    after = co_await self.run_exchange();
    if (after == After::keep && self.requests_ % requests_per_turn == 0) {
      co_await self.worker_.loop().next_turn();
    }
  }
  if (after == After::cut) self.stream_.cut();
  if (after == After::abort) self.stream_.abort();
  if (after == After::close && self.has_unread_input()) co_await self.linger();
}

net::Endpoint Connection::destination() const {
  return named_ ? named_->destination : net::local_endpoint(stream_.fd());
}

std::uint16_t Connection::destination_port() const {
  return named_ ? named_->destination.port() : slot_->listener->settings->endpoint.port();
}

const std::string& Connection::forwarded_facts() const {
  return named_ ? named_->facts : slot_->listener->settings->forwarded_facts;
}

net::Task<bool> Connection::secure() {
  const std::shared_ptr<const View> view = slot_->view;  // over a reload
  const config::Milliseconds timeout = view->snapshot->model.timeouts.tls_handshake;
  const std::uint32_t at_a_time = view->snapshot->model.limits.tls_handshakes;
  const ListenerView& listener = *slot_->listener;
  const base::SteadyTime began = base::Steady::now();
  Reason failure = Reason::none;
  std::string text;

  stream_.set_read_deadline(timeout);
  net::Wake wake = net::Wake::ready;
  if (!stream_.may_read()) wake = co_await stream_.wait_readable();
  if (wake != net::Wake::ready) {
    failure = Reason::tls_handshake_timeout;
  } else if (is_plain_request(stream_.fd())) {
    failure = Reason::plain_request_on_tls_port;
    const std::array<base::Bytes, 1> pieces{base::as_bytes(plain_request_answer)};
    (void)stream_.try_write(pieces);  // a few bytes on a fresh connection: taken or not
    co_await linger();
  } else if (!co_await worker_.handshakes().enter(at_a_time, timeout)) {
    failure = Reason::too_many_handshakes;
  } else {
    stream_.use_tls(listener.settings->tls->new_session());
    net::HandshakeResult result =
        co_await net::handshake(stream_, timeout, &worker_.handshakes().gate());
    worker_.handshakes().leave();
    if (result.error == net::DialError::tls_timeout) failure = Reason::tls_handshake_timeout;
    if (result.error == net::DialError::tls_failed) {
      failure = stream_.refused_client_certificate() ? Reason::client_certificate_refused
                                                     : Reason::tls_handshake_failed;
    }
    text = std::move(result.error_text);
  }
  if (failure != Reason::none) {
    worker_.cells()
        .counter(Metric::tls_handshake_failures_total,
                 {listener.settings->name, observe::text(failure)})
        .add();
    worker_.cells().counter(Metric::events_total, {observe::text(failure)}).add();
    if (observe::log_enabled(observe::Level::debug)) {
      observe::log(observe::Level::debug, std::string(observe::text(failure)) + ": " +
                                              listener.settings->name + " client " +
                                              client().text() + " " + observe::escaped(text));
    }
    co_return false;
  }
  listener.cells.handshake_time.record(base::Steady::now() - began);
  worker_.cells()
      .counter(Metric::tls_handshakes_total, {listener.settings->name, stream_.tls_version(),
                                              stream_.tls_resumed() ? "yes" : "no"})
      .add();
  sni_ = base::to_lower(stream_.tls_server_name());
  if (const net::ClientCertificate* certificate = stream_.client_certificate()) {
    client_certificate_fields_ = make_client_certificate_fields(*certificate);
  }
  co_return true;
}

// Over TLS the two have agreed on it; in the clear the first bytes tell, where the listener lets
// them (prior knowledge, RFC 9113 3.3). What was read stays in `received`.
net::Task<bool> Connection::speaks_http2() {
  if (!slot_->listener->settings->http2) co_return false;
  if (stream_.is_tls()) co_return stream_.tls_alpn() == "h2";
  stream_.set_read_deadline(idle_time());
  for (;;) {
    const std::string_view read =
        received.has_memory() ? base::as_text(received.unread()) : std::string_view();
    if (read.size() >= h2_preface.size() || !h2_preface.starts_with(read)) {
      stream_.clear_read_deadline();
      co_return read.starts_with(h2_preface);
    }
    const Transfer got = co_await net::read_into(stream_, received, net::BufferPool::smallest);
    if (got != Transfer::ok) co_return false;  // the HTTP/1 side finds the same end
    if (read.empty()) stream_.set_read_deadline(header_timeout());
  }
}

net::Task<Reason> Connection::read_request_head(Exchange& exchange) {
  const config::Model& model = exchange.model();
  const config::Limits& limits = model.limits;
  http::H1Parser parser({.first_line_bytes = limits.request_line_bytes,
                         .field_bytes = limits.header_bytes,
                         .fields_bytes = limits.headers_bytes,
                         .field_count = limits.header_count});
  // One deadline for the whole head, however slowly it drips (T16).
  stream_.set_read_deadline(model.timeouts.client_header);
  Reason reason = Reason::none;
  for (;;) {
    if (received.has_memory() && !received.is_empty()) {
      const http::Progress progress = parser.parse(received.unread(), exchange.request);
      if (progress == http::Progress::complete) break;
      if (progress == http::Progress::failed) {
        reason = parser.reason();
        break;
      }
      if (received.free_space().empty()) {
        received.compact();
        if (received.free_space().empty() && !worker_.loop().buffers.grow(received)) {
          reason = Reason::headers_too_large;
          break;
        }
      }
    }
    const Transfer read = co_await net::read_into(stream_, received, net::BufferPool::smallest);
    if (read == Transfer::ok) continue;
    reason = read == Transfer::expired ? Reason::header_timeout : Reason::client_closed;
    break;
  }
  stream_.clear_read_deadline();
  exchange.request_head_bytes = parser.head_bytes();
  if (reason == Reason::none) co_return mitigate_desync(exchange);
  // Its end, or the deadline, came before the end of the head: all of it was looked at.
  const bool ended = parser.reason() == Reason::none;
  if (received.has_memory()) {
    const base::Bytes bytes = received.unread();
    exchange.request.desync = http::classify_desync(
        ended ? bytes : bytes.first(std::min(parser.examined_bytes(), bytes.size())), ended);
  }
  co_return reason;
}

net::Task<After> Connection::run_exchange() {
  std::unique_ptr<Exchange> exchange = worker_.take_exchange();
  H1Server& client = exchange->begin(*this, worker_.loop().clock.now());  // when the loop saw it
  exchange_ = exchange.get();
  const Reason defect = co_await read_request_head(*exchange);
  After after = After::cut;
  const bool nothing_came = !received.has_memory() || is_before_request(received.unread());
  // A keep-alive connection that ends without a byte of a request is no exchange.
  if (!(defect == Reason::client_closed && nothing_came)) {
    ++requests_;
    after = co_await run(*exchange, defect);
    unfinished_request_ = defect != Reason::none || !client.body().is_finished();
    client.consume_request();
  } else {
    after = After::close;
  }
  exchange_ = nullptr;
  worker_.give_back(std::move(exchange));
  co_return after;
}

bool Connection::must_close() const {
  if (slot_->is_draining || worker_.is_draining()) return true;
  const config::Limits& limits = slot_->view->snapshot->model.limits;
  if (limits.requests_per_connection != 0 && requests_ >= limits.requests_per_connection)
    return true;
  return limits.connection_lifetime > config::Milliseconds::zero() &&
         worker_.loop().clock.now() - accepted_at_ >= limits.connection_lifetime;
}

// A client whose last answer promised to go on, before anybody knew of the end, may be sending a
// request.
config::Milliseconds Connection::idle_time() const {
  const bool ending = slot_->is_draining || worker_.is_draining();
  const config::Milliseconds usual = slot_->view->snapshot->model.timeouts.client_idle;
  return ending ? std::min(usual, last_request_time) : usual;
}

config::Milliseconds Connection::header_timeout() const {
  return slot_->view->snapshot->model.timeouts.client_header;
}

config::Milliseconds Connection::client_write_timeout() const {
  return slot_->view->snapshot->model.timeouts.client_write;
}

bool Connection::has_unread_input() const {
  return (received.has_memory() && !received.is_empty()) || unfinished_request_ ||
         stream_.may_read();
}

// RFC 9112 9.6: closing at once, with input unread, could reset the connection and take our answer
// from the client before it has read it.
net::Task<> Connection::linger() {
  stream_.shutdown_write();
  stream_.set_read_deadline(linger_time);
  std::uint64_t dropped = 0;
  while (dropped < linger_bytes) {
    if (received.has_memory()) received.consume(received.unread().size());
    const Transfer read = co_await net::read_into(stream_, received, net::BufferPool::smallest);
    if (read != Transfer::ok) break;
    dropped += received.unread().size();
  }
  stream_.clear_read_deadline();
}

void Connection::announce_end() {
  if (h2_ != nullptr) h2_->end_soon();
}

void Connection::end_idle_soon() {
  if (h2_ != nullptr) h2_->end_soon();
  if (idle_) stream_.set_read_deadline(idle_time());
}

void Connection::close_if_idle() {
  if (h2_ != nullptr) h2_->end_when_idle();
  if (idle_) stream_.cancel_reader();
}

void Connection::end_exchange_with(const upstream::Pool& pool) {
  if (h2_ != nullptr) h2_->end_exchanges_with(pool);
  if (exchange_ != nullptr) deregister(*exchange_, pool);
}

void Connection::cut() {
  // Every coroutine of the exchange finds its end by itself: reads and writes fail, watchers fire.
  ::shutdown(stream_.fd(), SHUT_RDWR);
  if (idle_) stream_.cancel_reader();
}

}  // namespace sluice::proxy
