// What comes before a connection, and exchanges in clear text; TLS is for integration tests.
#include "control/http_client.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <optional>
#include <string>
#include <utility>

#include "sluice/config/node.h"
#include "support/peer.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

HttpRequest request_to(std::string host) {
  config::Problems problems;
  HttpRequest request{.host = std::move(host),
                      .authority = "keys.test",
                      .path = "/",
                      .fields = {{"Accept", "application/json"}},
                      .tls = net::ClientTlsContext::load({}, problems),
                      .bytes_max = 1024};
  EXPECT_NE(request.tls, nullptr);
  return request;
}

net::Task<> keep(net::Loop& loop, net::Task<HttpAnswer> get, std::optional<HttpAnswer>& answer) {
  answer = co_await std::move(get);
  loop.stop();
}

HttpAnswer answer_of(std::string host) {
  net::Loop loop;
  std::optional<HttpAnswer> answer;
  net::spawn(keep(loop, http_get(loop, request_to(std::move(host)), 2000ms), answer));
  if (!answer) loop.run();
  EXPECT_TRUE(answer.has_value());
  return answer.value_or(HttpAnswer{});
}

TEST(HttpClient, instance_metadata_is_not_asked) {
  for (const char* host : {"169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"}) {
    EXPECT_EQ(answer_of(host).error, "the instance metadata address is not asked") << host;
  }
}

TEST(HttpClient, a_name_that_leads_nowhere_is_told) {
  const std::string error = answer_of("nowhere.invalid").error;
  EXPECT_TRUE(error.starts_with("cannot look up nowhere.invalid: ")) << error;
}

TEST(HttpClient, may_be_given_up_while_a_name_is_looked_up) {
  net::Loop loop;
  {
    net::Task<HttpAnswer> get = http_get(loop, request_to("nowhere.invalid"), 5000ms);
    get.await_suspend(std::noop_coroutine()).resume();
  }
  boost::asio::post(loop.context, [&loop] { loop.stop(); });
  loop.run();
}

net::Task<> keep(net::Task<HttpAnswer> ask, std::optional<HttpAnswer>& answer) {
  answer = co_await std::move(ask);
}

// One exchange in clear text with a server that the test plays.
struct Exchange {
  net::Loop loop;
  support::Server server;
  std::optional<HttpAnswer> answer;
  std::string received;

  HttpRequest request() {
    return {.host = "127.0.0.1", .port = server.port(), .authority = "api.test", .bytes_max = 100};
  }
  HttpAnswer run(net::Task<HttpAnswer> ask, const std::string& answered, std::string_view end) {
    net::spawn(keep(std::move(ask), answer));
    std::optional<support::Peer> peer;
    EXPECT_TRUE(support::run_until(loop, [&] {
      if (!peer) peer = server.accept();
      return peer && peer->received().ends_with(end);
    }));
    received = peer->received();
    peer->send(answered);
    peer->shutdown_write();
    EXPECT_TRUE(support::run_until(loop, [&] { return answer.has_value(); }));
    return answer.value_or(HttpAnswer{});
  }
};

TEST(HttpClient, sends_method_fields_and_content) {
  Exchange exchange;
  HttpRequest request = exchange.request();
  request.method = "POST";
  request.path = "/a?b=c";
  request.fields = {{"X-One", "1"}};
  request.content = "Action=Test";
  const HttpAnswer answer =
      exchange.run(http_ask(exchange.loop, std::move(request), 5000ms),
                   "HTTP/1.1 403 Forbidden\r\nDate: now\r\nContent-Length: 2\r\n\r\nno", "=Test");
  EXPECT_TRUE(exchange.received.starts_with("POST /a?b=c HTTP/1.1\r\nHost: api.test\r\n"));
  EXPECT_NE(exchange.received.find("\r\nContent-Length: 11\r\n"), std::string::npos);
  EXPECT_NE(exchange.received.find("\r\nX-One: 1\r\n\r\nAction=Test"), std::string::npos);
  EXPECT_EQ(answer.error, "");
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.content, "no");
  EXPECT_EQ(answer.date, "now");
}

TEST(HttpClient, a_put_without_content_says_so) {
  Exchange exchange;
  HttpRequest request = exchange.request();
  request.method = "PUT";
  const HttpAnswer answer = exchange.run(http_ask(exchange.loop, std::move(request), 5000ms),
                                         "HTTP/1.0 200 OK\r\n\r\ntoken", "\r\n\r\n");
  EXPECT_NE(exchange.received.find("\r\nContent-Length: 0\r\n"), std::string::npos);
  EXPECT_EQ(answer.content, "token");
}

TEST(HttpClient, a_document_is_an_answer_of_200) {
  Exchange exchange;
  const HttpAnswer answer = exchange.run(http_get(exchange.loop, exchange.request(), 5000ms),
                                         "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "\r\n\r\n");
  EXPECT_EQ(answer.error, "answered 302; redirects are not followed");
}

TEST(HttpClient, an_answer_over_its_bound_is_refused_and_keeps_its_status) {
  Exchange exchange;
  const HttpAnswer answer =
      exchange.run(http_ask(exchange.loop, exchange.request(), 5000ms),
                   "HTTP/1.1 500 No\r\n\r\n" + std::string(101, 'x'), "\r\n\r\n");
  EXPECT_EQ(answer.error, "the answer is larger than 100 bytes");
  EXPECT_EQ(answer.status, 500);
}

TEST(HttpClient, an_answer_that_breaks_off_is_none) {
  Exchange exchange;
  const HttpAnswer answer =
      exchange.run(http_ask(exchange.loop, exchange.request(), 5000ms),
                   "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "\r\n\r\n");
  EXPECT_EQ(answer.error, "the answer broke off");
}

TEST(HttpClient, a_value_that_would_end_its_line_is_not_sent) {
  Exchange exchange;
  HttpRequest request = exchange.request();
  request.fields = {{"X-One", "1\r\nX-Two: 2"}};
  net::spawn(keep(http_ask(exchange.loop, std::move(request), 5000ms), exchange.answer));
  EXPECT_TRUE(support::run_until(exchange.loop, [&] { return exchange.answer.has_value(); }));
  EXPECT_EQ(exchange.answer->error, "a field of the request is not printable");
}

}  // namespace
}  // namespace sluice::control
