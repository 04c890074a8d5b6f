// What becomes of requests that wait for their password: nobody verifies any here.
#include "proxy/filters/basic_auth.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "support/proxy_rig.h"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using observe::Metric;
using support::Peer;
using support::ProxyRig;

constexpr std::string_view asking =  // alice:wrong
    "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWxpY2U6d3Jvbmc=\r\n\r\n";
constexpr std::string_view open = "GET /open HTTP/1.1\r\nHost: a\r\n\r\n";

std::string guarded(const std::string& more = {}) {
  return "listeners:\n"
         "  - name: web\n"
         "    bind: \"127.0.0.1:0\"\n"
         "    filters: { basic_auth: { users: { alice: "
         "\"$2y$04$MuqL1RdfhIm.SpGXbs5EeOVN0nzWupNp9a5VRjkf5ggWBvw2z.wKS\" }" +
         more +
         " } }\n"
         "    rules:\n"
         "      - priority: 1\n"
         "        conditions: [ { path: /open } ]\n"
         "        filters: { basic_auth: off }\n"
         "        action: { fixed_response: { status: 200, body: open } }\n"
         "    default_action: { fixed_response: { status: 200, body: inside } }\n";
}

class BasicAuthWaiting : public testing::Test {
 protected:
  // A client whose request waits.
  Peer waiting_client() {
    const double before = waiting();
    Peer client = rig_.client();
    client.send(asking);
    EXPECT_TRUE(rig_.waits_for([&] { return waiting() == before + 1; }));
    return client;
  }
  double waiting() const { return rig_.count(Metric::basic_auth_waiting); }
  double ends(std::string_view reason) const {
    return rig_.count(Metric::exchange_ends_total, {reason});
  }

  ProxyRig rig_;
};

TEST_F(BasicAuthWaiting, others_are_served_meanwhile) {
  rig_.apply(guarded());
  Peer waits = waiting_client();
  Peer other = rig_.client();
  other.send(open);
  EXPECT_TRUE(rig_.receives(other, "open"));
  EXPECT_EQ(waits.received(), "");
}

TEST_F(BasicAuthWaiting, it_is_503_when_that_takes_too_long) {
  rig_.apply(guarded());
  Peer waits = waiting_client();
  rig_.pass_time(29s);
  rig_.settle();
  EXPECT_EQ(waits.received(), "");
  rig_.pass_time(2s);
  ASSERT_TRUE(rig_.receives(waits, "503 Service Unavailable\n"));
  EXPECT_NE(waits.received().find("Retry-After: 1\r\n"), std::string::npos);
  EXPECT_EQ(ends("basic_auth_unavailable"), 1);
  EXPECT_EQ(waiting(), 0);
}

TEST_F(BasicAuthWaiting, beyond_the_queue_and_beyond_those_who_may_wait_it_is_503_at_once) {
  rig_.apply(guarded(", queue: 1, waiting: 2"));
  const Peer first = waiting_client();
  Peer other = rig_.client();
  other.send("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YWxpY2U6b3RoZXI=\r\n\r\n");
  EXPECT_TRUE(rig_.receives(other, "503 Service Unavailable\n"));
  const Peer second = waiting_client();  // with the same password
  Peer third = rig_.client();
  third.send(asking);
  EXPECT_TRUE(rig_.receives(third, "503 Service Unavailable\n"));
  EXPECT_EQ(ends("basic_auth_unavailable"), 2);
}

TEST_F(BasicAuthWaiting, a_client_that_leaves_is_forgotten_at_the_end_of_its_wait) {
  rig_.apply(guarded());
  Peer waits = waiting_client();
  waits.reset();
  rig_.settle();
  rig_.pass_time(31s);
  EXPECT_TRUE(rig_.waits_for([&] { return rig_.worker().connection_count() == 0; }));
  EXPECT_EQ(waiting(), 0);
}

TEST_F(BasicAuthWaiting, a_cut_ends_it_at_once) {
  rig_.apply(guarded());
  const Peer waits = waiting_client();
  rig_.worker().drain(1ms, [] {});
  rig_.settle();
  EXPECT_EQ(waiting(), 1);
  rig_.worker().cut();
  EXPECT_TRUE(rig_.waits_for([&] { return rig_.worker().connection_count() == 0; }));
  EXPECT_EQ(ends("shutdown_deadline"), 1);
  EXPECT_EQ(waiting(), 0);
}

TEST_F(BasicAuthWaiting, a_reload_without_the_filter_lets_it_wait_on) {
  rig_.apply(guarded());
  Peer waits = waiting_client();
  rig_.apply(
      "listeners:\n  - { name: web, bind: \"127.0.0.1:0\", default_action: "
      "{ fixed_response: { status: 200, body: changed } } }\n");
  Peer other = rig_.client();
  other.send(open);
  EXPECT_TRUE(rig_.receives(other, "changed"));
  EXPECT_EQ(waits.received(), "");
  rig_.pass_time(31s);
  EXPECT_TRUE(rig_.receives(waits, "503 Service Unavailable\n"));
}

}  // namespace
}  // namespace sluice::proxy
