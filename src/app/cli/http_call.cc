#include "app/cli/http_call.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "app/cli/words.h"
#include "sluice/base/version.h"
#include "sluice/net/asio_task.h"

namespace sluice::app::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Protocol = asio::generic::stream_protocol;
using Socket = asio::basic_stream_socket<Protocol, net::Executor>;
using Resolver = asio::ip::basic_resolver<asio::ip::tcp, net::Executor>;

constexpr std::uint32_t head_bytes_max = 16 * 1024;
constexpr std::size_t buffer_bytes_max = 64 * 1024;
constexpr unsigned http_1_1 = 11;

constexpr auto as_values = asio::as_tuple(asio::use_awaitable_t<net::Executor>{});

http::request<http::string_body> request_of(const AdminAddress& address, const HttpCall& call) {
  http::request<http::string_body> request;
  request.version(http_1_1);
  request.method_string(call.method);
  request.target(call.path);
  request.set(http::field::host, address.host_field);
  request.set(http::field::user_agent, "sluice/" + std::string(base::version));
  request.set(http::field::accept, "application/json, application/problem+json");
  request.set(http::field::connection, "close");
  if (!call.token.empty()) {
    request.set(http::field::authorization, "Bearer " + std::string(call.token));
  }
  if (!call.body.empty()) {
    request.set(http::field::content_type, "application/json");
    request.body() = call.body;
  }
  request.prepare_payload();
  return request;
}

net::AsioTask<std::vector<Protocol::endpoint>> endpoints_of(const AdminAddress& address,
                                                            error_code& error) {
  std::vector<Protocol::endpoint> endpoints;
  if (!address.unix_path.empty()) {
    endpoints.emplace_back(asio::local::stream_protocol::endpoint(address.unix_path));
    co_return endpoints;
  }
  const net::Executor executor = co_await asio::this_coro::executor;
  Resolver resolver(executor);
  const auto flags = Resolver::numeric_service;
  const auto found = co_await resolver.async_resolve(address.host, address.port, flags, as_values);
  error = std::get<0>(found);
  for (const auto& each : std::get<1>(found)) endpoints.emplace_back(each.endpoint());
  co_return endpoints;
}

std::string text_of(const error_code& error) {
  if (error == http::error::body_limit) {
    return "its answer is longer than " + std::to_string(answer_bytes_max >> 20) + " MiB";
  }
  if (error == http::error::end_of_stream || error == asio::error::eof ||
      error == http::error::partial_message) {
    return "it closed the connection before its answer was complete";
  }
  if (error.category() == http::make_error_code(http::error::bad_version).category()) {
    return "it does not answer in HTTP/1.1 (" + error.message() + ")";
  }
  return error.message();
}

net::AsioTask<> exchange(const AdminAddress& address, const HttpCall& call, HttpAnswer& answer) {
  const net::Executor executor = co_await asio::this_coro::executor;
  error_code error;
  const std::vector<Protocol::endpoint> endpoints = co_await endpoints_of(address, error);
  if (error) {
    answer.error = "cannot look up " + shown(address.host) + ": " + error.message();
    co_return;
  }
  Socket socket(executor);
  const auto connected = co_await asio::async_connect(socket, endpoints, as_values);
  error = std::get<0>(connected);
  if (error) {
    answer.is_refused = error == asio::error::connection_refused ||
                        error == boost::system::errc::no_such_file_or_directory;
    answer.error = error.message();
    co_return;
  }
  // Whoever answers early and closes may break the writing; what it said counts all the same.
  http::request<http::string_body> request = request_of(address, call);
  co_await http::async_write(socket, request, as_values);
  beast::flat_buffer buffer(buffer_bytes_max);
  http::response_parser<http::string_body> parser;
  parser.header_limit(head_bytes_max);
  parser.body_limit(answer_bytes_max);
  const auto read = co_await http::async_read(socket, buffer, parser, as_values);
  error = std::get<0>(read);
  if (error) {
    answer.error = text_of(error);
    co_return;
  }
  answer.body = std::move(parser.get().body());
  answer.status = parser.get().result_int();
}

}  // namespace

HttpAnswer call(const AdminAddress& address, const HttpCall& call,
                std::chrono::milliseconds timeout) {
  HttpAnswer answer;
  asio::io_context context(1);  // gone before the answer that its coroutine writes to
  net::spawn(context, exchange(address, call, answer));
  context.run_for(timeout);
  if (!context.stopped()) return {.error = "no answer within " + shown(timeout)};
  return answer;
}

}  // namespace sluice::app::cli
