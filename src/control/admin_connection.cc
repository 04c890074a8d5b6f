#include "control/admin_connection.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/serializer.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdio>
#include <ctime>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "control/admin_event_stream.h"
#include "sluice/base/text.h"
#include "sluice/net/endpoint.h"

namespace sluice::control {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::chrono::seconds linger_timeout{1};
constexpr std::uint32_t header_limit = 16 * 1024;
constexpr std::uint64_t body_limit = 64 * 1024;
constexpr std::size_t read_size = 4 * 1024;
constexpr std::size_t buffer_limit = 64 * 1024;  // more than one header
constexpr std::string_view continue_response = "HTTP/1.1 100 Continue\r\n\r\n";

// After a cut connection a browser comes back in two seconds. The comment shows at once that all is
// well.
constexpr std::string_view stream_begin = "retry: 2000\n: events of sluice\n\n";
constexpr std::string_view stream_keep_alive = ":\n\n";

using Parser = http::request_parser<http::string_body>;
using Response = http::response<http::string_body>;

// Errors as values: on an admin connection every one of them is ordinary.
constexpr auto as_values = asio::as_tuple(asio::use_awaitable_t<net::Executor>{});

// IMF-fixdate (RFC 9110 5.6.7).
std::string http_date() {
  constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                 days[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                                 months[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900,
                                 utc.tm_hour, utc.tm_min, utc.tm_sec);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::vector<std::string_view> values_of(const http::fields& fields, std::string_view name) {
  std::vector<std::string_view> values;
  const auto range = fields.equal_range(name);
  for (auto field = range.first; field != range.second; ++field) {
    const auto value = field->value();
    values.emplace_back(value.data(), value.size());
  }
  return values;
}

// Who is at the other end.
struct Peer {
  std::string text = "nobody known";
  std::optional<unsigned> uid;
};

Peer peer_of(AdminConnection::Socket& socket, bool is_unix_socket) {
  const int descriptor = socket.native_handle();
  if (is_unix_socket) {
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
      return {.text = "unix", .uid = {}};
    }
    return {.text = "unix (uid " + std::to_string(credentials.uid) + ")", .uid = credentials.uid};
  }
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* const data = reinterpret_cast<sockaddr*>(&address);
  if (::getpeername(descriptor, data, &size) != 0) return {};
  return {.text = net::Endpoint::from(data, size).text(), .uid = {}};
}

AdminRequest request_from(const Parser::value_type& message, bool is_unix_socket,
                          const Peer& peer) {
  const auto method = message.method_string();
  const auto target = message.target();
  return {.method = {method.data(), method.size()},
          .target = {target.data(), target.size()},
          .is_http_1_0 = message.version() < 11,
          .source = {.host = values_of(message, "Host"),
                     .origin = values_of(message, "Origin"),
                     .fetch_site = values_of(message, "Sec-Fetch-Site"),
                     .is_unix_socket = is_unix_socket},
          .accept = values_of(message, "Accept"),
          .last_event_id = values_of(message, "Last-Event-ID"),
          .authorization = values_of(message, "Authorization"),
          .content_type = values_of(message, "Content-Type"),
          .body = message.body(),
          .peer = peer.text,
          .peer_uid = peer.uid};
}

// What to answer to bytes that are no request; nothing when there is nobody to answer.
std::optional<AdminReply> reply_to(const error_code& error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message) return {};
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return problem(431, "the request line and all fields must fit in 16 KiB");
  }
  if (error == http::error::body_limit) return problem(413, "a body may have 64 KiB");
  if (error.category() == error_code(http::error::bad_method).category()) {
    return problem(400, "not an HTTP/1.1 request: " + error.message());
  }
  return {};  // gone, reset, too slow
}

Response response_from(AdminReply reply, bool is_http_1_0, bool keep_alive) {
  Response response(static_cast<http::status>(reply.status), is_http_1_0 ? 10 : 11);
  response.set(http::field::server, "sluice");
  response.set(http::field::date, http_date());
  response.set(http::field::content_type, reply.content_type);
  response.set(http::field::cache_control, "no-store");
  response.set("X-Content-Type-Options", "nosniff");
  if (!reply.allow.empty()) response.set(http::field::allow, reply.allow);
  if (!reply.location.empty()) response.set(http::field::location, reply.location);
  if (reply.asks_for_token) {
    response.set(http::field::www_authenticate, "Bearer realm=\"sluice admin\"");
  }
  response.body() = std::move(reply.body);
  response.keep_alive(keep_alive);
  // Events end with the connection: they have no length.
  if (reply.events == nullptr) response.prepare_payload();
  return response;
}

// What ends the waiting of a stream of events. Shared with the read that watches the peer, which
// ends some time after the connection.
struct StreamWait {
  explicit StreamWait(const net::Executor& executor) : timer(executor) {}
  void wake() { timer.cancel(); }

  asio::basic_waitable_timer<std::chrono::steady_clock,
                             asio::wait_traits<std::chrono::steady_clock>, net::Executor>
      timer;
  std::array<char, 1024> received{};
  AdminConnection::Socket* watched = nullptr;  // null: the connection has ended, or is about to
  bool is_peer_gone = false;
};

// Otherwise who left would keep its place until the next write fails. What it sends is ignored.
void watch_peer(const std::shared_ptr<StreamWait>& wait) {
  const auto bytes = asio::buffer(wait->received);
  wait->watched->async_read_some(bytes, [wait](const error_code& error, std::size_t /*size*/) {
    if (wait->watched == nullptr) return;
    if (!error) return watch_peer(wait);
    wait->is_peer_gone = true;
    wait->wake();
  });
}

}  // namespace

struct AdminConnection::Impl {
  Impl(Socket socket, bool is_unix, Answer answer_request, AdminTimes allowed)
      : stream(std::move(socket)),
        is_unix_socket(is_unix),
        peer(peer_of(stream.socket(), is_unix)),
        answer(std::move(answer_request)),
        times(allowed) {}

  net::AsioTask<bool> wait_for_request();
  net::AsioTask<error_code> read_request();
  net::AsioTask<bool> serve_request();
  net::AsioTask<AdminReply> wait_for(std::shared_ptr<AdminPending> pending);
  net::AsioTask<bool> write_reply(AdminReply reply, bool is_head, bool keep_alive);
  net::AsioTask<> write_events(std::shared_ptr<AdminEventStream> events);
  void begin_waiting() {
    is_waiting = true;
    waiting_since = std::chrono::steady_clock::now();
  }
  net::AsioTask<> close_gently();
  void wake_stream() const {
    if (stream_wait != nullptr) stream_wait->wake();
    if (reply_wait != nullptr) reply_wait->wake();
  }

  beast::basic_stream<Protocol, net::Executor> stream;
  const bool is_unix_socket;
  const Peer peer;
  Answer answer;
  const AdminTimes times;
  beast::flat_buffer buffer{buffer_limit};
  std::optional<Parser> parser;
  std::optional<Response> response;
  std::optional<http::response_serializer<http::string_body>> serializer;
  std::shared_ptr<StreamWait> stream_wait;  // null: there is no stream of events
  std::shared_ptr<StreamWait> reply_wait;   // null: no reply is waited for
  std::string stream_batch;
  bool is_idle = true;
  bool is_waiting = true;
  std::chrono::steady_clock::time_point waiting_since = std::chrono::steady_clock::now();
  bool is_finishing = false;
  bool is_cut = false;
};

AdminConnection::AdminConnection(Socket socket, bool is_unix_socket, Answer answer,
                                 AdminTimes times)
    : impl_(std::make_unique<Impl>(std::move(socket), is_unix_socket, std::move(answer), times)) {}

AdminConnection::~AdminConnection() = default;

bool AdminConnection::is_waiting() const { return impl_->is_waiting; }

std::chrono::steady_clock::time_point AdminConnection::waiting_since() const {
  return impl_->waiting_since;
}

void AdminConnection::finish() {
  impl_->is_finishing = true;
  impl_->wake_stream();
  if (impl_->is_idle) cut();
}

void AdminConnection::cut() {
  impl_->is_cut = true;
  impl_->stream.close();
  impl_->wake_stream();
}

net::AsioTask<> AdminConnection::run() {
  for (;;) {
    const bool has_request = co_await impl_->wait_for_request();
    if (!has_request || impl_->is_cut) break;
    const bool goes_on = co_await impl_->serve_request();
    if (!goes_on || impl_->is_cut || impl_->is_finishing) break;
  }
  co_await impl_->close_gently();
}

// The idle time is another than the request's: it ends with the first byte.
net::AsioTask<bool> AdminConnection::Impl::wait_for_request() {
  if (buffer.size() > 0) co_return true;  // pipelined
  is_idle = true;
  begin_waiting();
  stream.expires_after(times.idle);
  const auto read = co_await stream.async_read_some(buffer.prepare(read_size), as_values);
  is_idle = false;
  buffer.commit(std::get<1>(read));
  co_return !std::get<0>(read);
}

net::AsioTask<error_code> AdminConnection::Impl::read_request() {
  parser.emplace();
  parser->header_limit(header_limit);
  parser->body_limit(body_limit);
  stream.expires_after(times.request);
  begin_waiting();
  const auto head = co_await http::async_read_header(stream, buffer, *parser, as_values);
  if (std::get<0>(head) || parser->is_done()) co_return std::get<0>(head);
  // RFC 9110 10.1.1. A body that is too long was refused with the header already.
  if (base::equals_ignoring_case(parser->get()[http::field::expect], "100-continue")) {
    const auto bytes = asio::buffer(continue_response);
    const auto written = co_await asio::async_write(stream, bytes, as_values);
    if (std::get<0>(written)) co_return std::get<0>(written);
  }
  const auto body = co_await http::async_read(stream, buffer, *parser, as_values);
  co_return std::get<0>(body);
}

// False: the connection is to be closed.
net::AsioTask<bool> AdminConnection::Impl::serve_request() {
  const error_code error = co_await read_request();
  is_waiting = false;
  if (is_cut) co_return false;
  if (error) {
    std::optional<AdminReply> reply = reply_to(error);
    // After a mistake nobody knows where the next request begins.
    if (reply) co_await write_reply(std::move(*reply), false, false);
    co_return false;
  }
  const bool is_head = parser->get().method() == http::verb::head;
  AdminReply reply = answer(request_from(parser->get(), is_unix_socket, peer));
  if (reply.pending != nullptr) {
    reply = co_await wait_for(reply.pending);
    if (is_cut) co_return false;
  }
  std::shared_ptr<AdminEventStream> events = reply.events;
  if (events != nullptr) {
    const bool has_begun = co_await write_reply(std::move(reply), true, false);
    if (has_begun && !is_head) co_await write_events(std::move(events));
    co_return false;
  }
  const bool keep_alive = parser->get().keep_alive() && !is_finishing;
  const bool is_written = co_await write_reply(std::move(reply), is_head, keep_alive);
  if (!is_written) co_return false;
  co_return keep_alive;
}

// Bounded: a disk that hangs must not hold all connections for ever.
net::AsioTask<AdminReply> AdminConnection::Impl::wait_for(std::shared_ptr<AdminPending> pending) {
  if (!pending->is_finished()) {
    reply_wait = std::make_shared<StreamWait>(stream.get_executor());
    pending->on_finished([wait = reply_wait] { wait->wake(); });
    reply_wait->timer.expires_after(times.pending);
    co_await reply_wait->timer.async_wait(as_values);
    pending->on_finished({});
    reply_wait.reset();
  }
  if (pending->is_finished()) co_return pending->take();
  co_return problem(503, "it takes too long; whether it was done will show later");
}

net::AsioTask<bool> AdminConnection::Impl::write_reply(AdminReply reply, bool is_head,
                                                       bool keep_alive) {
  const bool is_http_1_0 = parser->is_header_done() && parser->get().version() < 11;
  response.emplace(response_from(std::move(reply), is_http_1_0, keep_alive));
  serializer.emplace(*response);
  stream.expires_after(times.request);
  if (is_head) {  // the length of the body, and no body (RFC 9110 9.3.2)
    serializer->split(true);
    const auto written = co_await http::async_write_header(stream, *serializer, as_values);
    co_return !std::get<0>(written);
  }
  const auto written = co_await http::async_write(stream, *serializer, as_values);
  co_return !std::get<0>(written);
}

// Until the peer leaves or takes nothing for as long as a reply may take, or the connection is to
// end.
net::AsioTask<> AdminConnection::Impl::write_events(std::shared_ptr<AdminEventStream> events) {
  stream_wait = std::make_shared<StreamWait>(stream.get_executor());
  const std::shared_ptr<StreamWait> wait = stream_wait;
  events->on_new([wait] { wait->wake(); });
  wait->watched = &stream.socket();
  watch_peer(wait);
  stream_batch = stream_begin;
  while (!is_cut && !is_finishing && !wait->is_peer_gone) {
    if (!stream_batch.empty()) {
      stream.expires_after(times.request);
      const auto bytes = asio::buffer(stream_batch);
      const auto written = co_await asio::async_write(stream, bytes, as_values);
      if (std::get<0>(written)) break;
    }
    stream_batch = events->next();
    // What came during the write is in the batch; what comes from here on finds the timer set.
    if (!stream_batch.empty() || is_cut || is_finishing || wait->is_peer_gone) continue;
    wait->timer.expires_after(times.keep_alive);
    const auto waited = co_await wait->timer.async_wait(as_values);
    if (!std::get<0>(waited)) stream_batch = stream_keep_alive;
  }
  // The last read that watches the peer may not have ended: nothing else may read.
  wait->watched = nullptr;
  is_cut = true;
}

// Closing with unread bytes would reset the connection, and the peer might lose the reply that
// tells what is wrong (RFC 9112 9.6): shut our side, then read to the end for a while.
net::AsioTask<> AdminConnection::Impl::close_gently() {
  error_code ignored;
  stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  stream.expires_after(linger_timeout);
  for (bool is_open = !is_cut; is_open;) {
    buffer.clear();
    const auto read = co_await stream.async_read_some(buffer.prepare(read_size), as_values);
    is_open = !std::get<0>(read) && !is_cut;
  }
  stream.close();
}

}  // namespace sluice::control
