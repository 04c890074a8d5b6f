// What comes before a connection; the rest is for integration tests, with real servers.
#include "control/https_get.h"

#include <gtest/gtest.h>

#include <coroutine>
#include <optional>
#include <utility>

#include "sluice/config/node.h"

namespace sluice::control {
namespace {

using namespace std::chrono_literals;

HttpsRequest request_to(std::string host) {
  config::Problems problems;
  HttpsRequest request{.host = std::move(host),
                       .authority = "keys.test",
                       .path = "/",
                       .accept = "application/json",
                       .tls = net::ClientTlsContext::load({}, problems),
                       .bytes_max = 1024};
  EXPECT_NE(request.tls, nullptr);
  return request;
}

net::Task<> keep(net::Loop& loop, net::Task<HttpsAnswer> get, std::optional<HttpsAnswer>& answer) {
  answer = co_await std::move(get);
  loop.stop();
}

HttpsAnswer answer_of(std::string host) {
  net::Loop loop;
  std::optional<HttpsAnswer> answer;
  net::spawn(keep(loop, https_get(loop, request_to(std::move(host)), 2000ms), answer));
  if (!answer) loop.run();
  EXPECT_TRUE(answer.has_value());
  return answer.value_or(HttpsAnswer{});
}

TEST(HttpsGet, instance_metadata_is_not_asked) {
  for (const char* host : {"169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254"}) {
    EXPECT_EQ(answer_of(host).error, "the instance metadata address is not asked") << host;
  }
}

TEST(HttpsGet, a_name_that_leads_nowhere_is_told) {
  const std::string error = answer_of("nowhere.invalid").error;
  EXPECT_TRUE(error.starts_with("cannot look up nowhere.invalid: ")) << error;
}

TEST(HttpsGet, may_be_given_up_while_a_name_is_looked_up) {
  net::Loop loop;
  {
    net::Task<HttpsAnswer> get = https_get(loop, request_to("nowhere.invalid"), 5000ms);
    get.await_suspend(std::noop_coroutine()).resume();
  }
  boost::asio::post(loop.context, [&loop] { loop.stop(); });
  loop.run();
}

}  // namespace
}  // namespace sluice::control
