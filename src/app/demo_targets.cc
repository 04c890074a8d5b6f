// The servers behind `sluice demo`. Boost.Beast and coroutines of the plainest kind: they are there
// to be balanced over, and share nothing with the data path.
#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "app/demo.h"
#include "sluice/base/text.h"
#include "sluice/net/asio_task.h"
#include "sluice/observe/log.h"

namespace sluice::app {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;
using Stream = beast::basic_stream<tcp, net::Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, net::Executor>;

constexpr std::array<std::string_view, 3> groups = {"api", "admin", "frontend"};

// Longer than Sluice keeps idle connections, so that it is never the target that closes first.
constexpr std::chrono::seconds idle_timeout{75};
constexpr std::chrono::seconds transfer_timeout{60};
constexpr std::uint64_t slow_max_ms = 10'000;
constexpr std::uint64_t slow_default_ms = 500;
constexpr std::uint64_t bytes_max = 1ULL << 30;
constexpr std::uint64_t bytes_default = 1'000;
constexpr std::size_t piece_size = 64 * 1024;
constexpr std::size_t message_max = 1024 * 1024;  // of the WebSocket

constexpr auto as_values = asio::as_tuple(asio::use_awaitable_t<net::Executor>{});

struct Target {
  std::string group;
  std::size_t number;                // from 1, for people
  std::optional<Acceptor> acceptor;  // none after stop
  std::uint16_t port = 0;
  bool is_failing = false;
};

// One thread serves all targets, so they may look at each other.
using Targets = std::vector<Target>;

// --- requests -----------------------------------------------------------------------------------

struct Request {
  http::verb verb = http::verb::unknown;
  std::string method;
  std::string path;
  std::string query;
  std::uint64_t body_bytes = 0;
  bool keep_alive = true;
  bool is_websocket = false;
  http::fields fields;
};

// /api/slow and /slow alike: a path is known by its end.
bool ends_at(const Request& request, std::string_view place) {
  return std::string_view(request.path).ends_with(place);
}

std::optional<std::string_view> parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.starts_with(name) && pair.substr(name.size()).starts_with('=')) {
      return pair.substr(name.size() + 1);
    }
  }
  return std::nullopt;
}

// `most` at most; nothing when the parameter is there and no number.
std::optional<std::uint64_t> number(const Request& request, std::string_view name,
                                    std::uint64_t otherwise, std::uint64_t most) {
  const auto text = parameter(request.query, name);
  if (!text) return otherwise;
  const auto value = base::parse_decimal(*text);
  if (!value) return std::nullopt;
  return std::min(*value, most);
}

// --- answers ------------------------------------------------------------------------------------

struct Reply {
  http::status status = http::status::ok;
  std::string content_type = "application/json";
  std::string body;
};

// Header values may have bytes that are no UTF-8, which JSON must be.
std::string json_text(std::string_view text) {
  const bool is_ascii = std::ranges::all_of(text, [](char c) { return (c & 0x80) == 0; });
  return is_ascii ? std::string(text) : observe::escaped(text, text.size());
}

Reply reply_json(http::status status, const boost::json::object& object) {
  return {.status = status, .body = boost::json::serialize(object) + "\n"};
}

boost::json::object introduction(const Target& target) {
  boost::json::object object;
  object["group"] = target.group;
  object["target"] = target.number;
  return object;
}

Reply mirror(const Target& target, const Request& request) {
  boost::json::object headers;
  for (const auto& field : request.fields) {
    const auto name = field.name_string();
    const std::string value = json_text({field.value().data(), field.value().size()});
    boost::json::value& entry = headers[{name.data(), name.size()}];
    entry = entry.is_string() ? std::string(entry.as_string()) + ", " + value : value;
  }
  boost::json::object object = introduction(target);
  object["method"] = request.method;
  object["path"] = json_text(request.path);
  object["query"] = json_text(request.query);
  object["body_bytes"] = request.body_bytes;
  object["headers"] = std::move(headers);
  return reply_json(http::status::ok, object);
}

Reply page(const Target& target) {
  return {.content_type = "text/html; charset=utf-8",
          .body = R"(<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Sluice demo</title>
<style>
  body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 36rem; margin: 12vh auto; padding: 0 1rem; color: #1d2b33 }
  h1 { font-weight: 600 }
  b { color: #0b6e8a }
</style>
<h1>It flows.</h1>
<p>This page came from <b>)" +
                  target.group + ", target " + std::to_string(target.number) +
                  R"(</b>. Load it again, and the other one may answer.</p>
<ul>
  <li><a href="/api/hello">/api/hello</a> goes to the group api, by its path</li>
  <li><a href="/admin/">/admin/</a> goes to the group admin, for private addresses only</li>
  <li><a href="/api/slow?ms=1500">/api/slow?ms=1500</a> takes its time</li>
</ul>
</html>
)"};
}

// Switches all targets of the group, whichever of them was asked, or the one that ?target= names.
Reply switch_failing(Targets& targets, const Target& asked, const Request& request) {
  const bool is_on = ends_at(request, "/fail/on");
  if (request.verb != http::verb::post) {
    return reply_json(http::status::method_not_allowed, {{"error", "use POST"}});
  }
  const auto chosen = number(request, "target", 0, targets.size());
  if (!chosen) return reply_json(http::status::bad_request, {{"error", "target is a number"}});
  for (Target& target : targets) {
    const bool is_meant = *chosen == 0 || *chosen == target.number;
    if (target.group == asked.group && is_meant) target.is_failing = is_on;
  }
  boost::json::object object = introduction(asked);
  object["failing"] = is_on;
  return reply_json(http::status::ok, object);
}

Reply fail(const Target& target) {
  boost::json::object object = introduction(target);
  object["failing"] = target.is_failing;
  return reply_json(target.is_failing ? http::status::internal_server_error : http::status::ok,
                    object);
}

Reply answer(Targets& targets, const Target& target, const Request& request) {
  if (target.group == "api") {
    if (ends_at(request, "/fail/on") || ends_at(request, "/fail/off")) {
      return switch_failing(targets, target, request);
    }
    if (ends_at(request, "/fail")) return fail(target);
  }
  return target.group == "frontend" ? page(target) : mirror(target, request);
}

// --- connections --------------------------------------------------------------------------------

class Connection {
 public:
  Connection(Targets& targets, Target& target, Stream::socket_type socket)
      : targets_(targets), target_(target), stream_(std::move(socket)) {}

  net::AsioTask<> run();

 private:
  using Parser = http::request_parser<http::buffer_body>;

  net::AsioTask<bool> read_request();
  net::AsioTask<bool> read_body(Parser& parser);
  net::AsioTask<bool> serve();
  net::AsioTask<> wait_as_told();
  net::AsioTask<bool> write(Reply reply);
  net::AsioTask<bool> write_bytes(std::uint64_t count);
  net::AsioTask<> echo();

  template <class Body>
  void prepare(http::response<Body>& response, const std::string& content_type);

  Targets& targets_;
  Target& target_;
  Stream stream_;
  beast::flat_buffer buffer_{piece_size};
  std::array<char, piece_size> piece_{};
  std::optional<Parser> parser_;
  Request request_;
  std::optional<http::response<http::string_body>> response_;
};

net::AsioTask<> Connection::run() {
  for (bool goes_on = true; goes_on;) {
    const bool is_read = co_await read_request();
    if (!is_read) break;
    if (request_.is_websocket && target_.group == "frontend" && ends_at(request_, "/ws")) {
      co_await echo();
      co_return;
    }
    goes_on = co_await serve();
  }
  boost::system::error_code ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

net::AsioTask<bool> Connection::read_request() {
  parser_.emplace();
  parser_->body_limit(boost::none);
  stream_.expires_after(idle_timeout);
  const auto head = co_await http::async_read_header(stream_, buffer_, *parser_, as_values);
  if (std::get<0>(head)) co_return false;
  const auto& message = parser_->get();
  const std::string target(message.target());
  const std::size_t path_end = std::min(target.find('?'), target.size());
  request_ = Request{.verb = message.method(),
                     .method = std::string(message.method_string()),
                     .path = target.substr(0, path_end),
                     .query = target.substr(std::min(path_end + 1, target.size())),
                     .keep_alive = message.keep_alive(),
                     .is_websocket = websocket::is_upgrade(message),
                     .fields = message.base()};
  if (request_.is_websocket) co_return true;
  co_return co_await read_body(*parser_);
}

// Counts the body and drops it: an upload of any size needs one piece of memory.
net::AsioTask<bool> Connection::read_body(Parser& parser) {
  while (!parser.is_done()) {
    parser.get().body().data = piece_.data();
    parser.get().body().size = piece_.size();
    stream_.expires_after(transfer_timeout);
    const auto read = co_await http::async_read(stream_, buffer_, parser, as_values);
    request_.body_bytes += piece_.size() - parser.get().body().size;
    const auto error = std::get<0>(read);
    if (error && error != http::error::need_buffer) co_return false;
  }
  co_return true;
}

// False: the connection is to be closed.
net::AsioTask<bool> Connection::serve() {
  if (ends_at(request_, "/slow")) co_await wait_as_told();
  if (ends_at(request_, "/bytes")) {
    const auto count = number(request_, "n", bytes_default, bytes_max);
    if (count) co_return co_await write_bytes(*count);
    Reply refusal = reply_json(http::status::bad_request, {{"error", "n is a number"}});
    co_return co_await write(std::move(refusal));
  }
  Reply reply = answer(targets_, target_, request_);
  co_return co_await write(std::move(reply));
}

net::AsioTask<> Connection::wait_as_told() {
  const auto milliseconds = number(request_, "ms", slow_default_ms, slow_max_ms);
  asio::steady_timer timer(stream_.get_executor());
  timer.expires_after(std::chrono::milliseconds(milliseconds.value_or(slow_default_ms)));
  co_await timer.async_wait(as_values);
}

template <class Body>
void Connection::prepare(http::response<Body>& response, const std::string& content_type) {
  response.set(http::field::server, "sluice-demo");
  response.set(http::field::content_type, content_type);
  response.set("X-Demo-Target", target_.group + "-" + std::to_string(target_.number));
  response.keep_alive(request_.keep_alive);
}

net::AsioTask<bool> Connection::write(Reply reply) {
  response_.emplace(reply.status, 11);
  prepare(*response_, reply.content_type);
  response_->body() = std::move(reply.body);
  response_->prepare_payload();
  stream_.expires_after(transfer_timeout);
  http::response_serializer<http::string_body> serializer(*response_);
  const bool is_head = request_.verb == http::verb::head;
  serializer.split(is_head);
  if (is_head) {
    const auto written = co_await http::async_write_header(stream_, serializer, as_values);
    co_return !std::get<0>(written) && request_.keep_alive;
  }
  const auto written = co_await http::async_write(stream_, serializer, as_values);
  co_return !std::get<0>(written) && request_.keep_alive;
}

net::AsioTask<bool> Connection::write_bytes(std::uint64_t count) {
  http::response<http::empty_body> head(http::status::ok, 11);
  prepare(head, "application/octet-stream");
  head.content_length(count);
  stream_.expires_after(transfer_timeout);
  http::response_serializer<http::empty_body> serializer(head);
  const auto written = co_await http::async_write_header(stream_, serializer, as_values);
  if (std::get<0>(written)) co_return false;
  if (request_.verb == http::verb::head) co_return request_.keep_alive;
  piece_.fill('s');
  for (std::uint64_t left = count; left > 0;) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, piece_.size()));
    stream_.expires_after(transfer_timeout);
    const auto bytes = asio::buffer(piece_.data(), size);
    const auto sent = co_await asio::async_write(stream_, bytes, as_values);
    if (std::get<0>(sent)) co_return false;
    left -= size;
  }
  co_return request_.keep_alive;
}

// The WebSocket has its own time-outs and pings.
net::AsioTask<> Connection::echo() {
  stream_.expires_never();
  websocket::stream<Stream> socket(std::move(stream_));
  socket.set_option(websocket::stream_base::timeout::suggested(beast::role_type::server));
  socket.read_message_max(message_max);
  const http::request<http::buffer_body>& upgrade = parser_->get();
  const http::request<http::empty_body> request(upgrade.base());
  const auto accepted = co_await socket.async_accept(request, as_values);
  beast::flat_buffer message;
  for (bool is_open = !std::get<0>(accepted); is_open; message.clear()) {
    const auto read = co_await socket.async_read(message, as_values);
    if (std::get<0>(read)) break;
    socket.text(socket.got_text());
    const auto written = co_await socket.async_write(message.data(), as_values);
    is_open = !std::get<0>(written);
  }
}

net::AsioTask<> serve(Targets& targets, Target& target, Stream::socket_type socket) {
  const auto connection = std::make_unique<Connection>(targets, target, std::move(socket));
  co_await connection->run();
}

net::AsioTask<> accept(asio::io_context& context, Targets& targets, Target& target) {
  for (;;) {
    auto accepted = co_await target.acceptor->async_accept(as_values);
    if (!std::get<0>(accepted)) {
      net::spawn(context, serve(targets, target, std::move(std::get<1>(accepted))));
      continue;
    }
    asio::steady_timer pause(context, std::chrono::milliseconds(100));  // out of descriptors
    co_await pause.async_wait(as_values);
  }
}

}  // namespace

struct DemoTargets::Impl {
  Impl() {
    targets.reserve(groups.size() * per_group);  // their coroutines hold references
    for (const std::string_view group : groups) {
      for (std::size_t index = 0; index < per_group; ++index) add(group, index + 1);
    }
    thread = std::thread([this] { context->run(); });
  }

  void add(std::string_view group, std::size_t target_number) {
    const tcp::endpoint anywhere(asio::ip::address_v4::loopback(), 0);
    try {
      Acceptor acceptor(*context, anywhere);
      const std::uint16_t port = acceptor.local_endpoint().port();
      targets.push_back({std::string(group), target_number, std::move(acceptor), port});
    } catch (const boost::system::system_error& error) {
      throw std::runtime_error("demo: no port for a target: " + error.code().message());
    }
    net::spawn(*context, accept(*context, targets, targets.back()));
  }

  // The coroutines, and with them their connections, end with the context that they wait in.
  void stop() {
    if (!thread.joinable()) return;
    context->stop();
    thread.join();
    for (Target& target : targets) target.acceptor.reset();
    context.reset();
  }

  std::optional<asio::io_context> context{std::in_place, 1};
  Targets targets;
  std::thread thread;
};

DemoTargets::DemoTargets() : impl_(std::make_unique<Impl>()) {}

DemoTargets::~DemoTargets() { stop(); }

std::uint16_t DemoTargets::port(std::string_view group, std::size_t index) const {
  for (const Target& target : impl_->targets) {
    if (target.group == group && target.number == index + 1) return target.port;
  }
  return 0;
}

void DemoTargets::stop() { impl_->stop(); }

}  // namespace sluice::app
