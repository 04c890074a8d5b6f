// Requests beside exchanges: whose end is whose, and that nothing is left of any.
#include "proxy/side_request.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "support/proxy_rig.h"

namespace sluice::proxy {
namespace {

using observe::Metric;
using std::chrono::milliseconds;
using support::Peer;
using support::ProxyRig;
using support::Server;

constexpr std::string_view get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// Groups "targets" and "side"; `filter` names the latter.
std::string with_filter(const Server& target, const Server& side, const std::string& filter,
                        const std::string& more = {}) {
  const auto group = [](const std::string& name, const Server& of, const std::string& keys) {
    return "  - { name: " + name +
           ", targets: [ { address: \"127.0.0.1:" + std::to_string(of.port()) + "\" } ]" + keys +
           " }\n";
  };
  return "listeners:\n"
         "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: targets }, filters: "
         "{ " +
         filter + " } }\ntarget_groups:\n" + group("targets", target, "") +
         group("side", side, more);
}

constexpr const char* asks = "forward_auth: { group: side, timeout: 1m }";
constexpr const char* copies = "mirror: { group: side, timeout: 1m }";

class SideRequests : public ::testing::Test {
 protected:
  double requests() { return rig.count(Metric::target_active_requests, {"side"}); }
  double connections() { return rig.count(Metric::target_connections, {"side"}); }
  double copied(std::string_view result) {
    return rig.count(Metric::mirrored_requests_total, {"side", result});
  }

  // A client's request that waits for the verdict; its question has arrived.
  std::pair<Peer, Peer> ask() {
    Peer client = rig.client();
    client.send(get);
    Peer service = rig.accepted_by(side);
    EXPECT_TRUE(rig.receives(service, "\r\n\r\n"));
    return {std::move(client), std::move(service)};
  }

  // A request that was answered, and its copy, which was not.
  std::pair<Peer, Peer> copy() {
    Peer client = rig.client();
    client.send(get);
    Peer upstream = rig.accepted_by(target);
    upstream.send(answer);
    EXPECT_TRUE(rig.receives(client, "\r\n\r\nok"));
    Peer shadow = rig.accepted_by(side);
    EXPECT_TRUE(rig.receives(shadow, "\r\n\r\n"));
    return {std::move(client), std::move(shadow)};
  }

  Server target;
  Server side;
  ProxyRig rig;
};

TEST_F(SideRequests, a_question_that_is_cut_ends_its_exchange) {
  rig.apply(with_filter(target, side, asks));
  auto [client, service] = ask();
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  rig.settle();
  EXPECT_FALSE(drained);
  rig.worker().cut();
  EXPECT_TRUE(rig.ends(client));
  EXPECT_TRUE(rig.ends(service));
  EXPECT_TRUE(drained);
  EXPECT_EQ(requests(), 0);
  EXPECT_EQ(rig.count(Metric::exchange_ends_total, {"shutdown_deadline"}), 1);
}

TEST_F(SideRequests, a_client_that_leaves_ends_its_question) {
  rig.apply(with_filter(target, side, asks));
  auto [client, service] = ask();
  client.reset();
  EXPECT_TRUE(rig.ends(service));
  EXPECT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 0; }));
  EXPECT_EQ(requests(), 0);
  EXPECT_EQ(connections(), 0);
}

TEST_F(SideRequests, a_question_has_a_time_of_its_own) {
  rig.apply(with_filter(target, side, asks));
  auto [client, service] = ask();
  rig.settle();
  rig.pass_time(milliseconds(61'000));
  ASSERT_TRUE(rig.receives(client, "504 Gateway Timeout\n"));
  EXPECT_TRUE(rig.ends(service));
  EXPECT_EQ(rig.count(Metric::exchange_ends_total, {"forward_auth_timeout"}), 1);
  EXPECT_EQ(requests(), 0);
}

TEST_F(SideRequests, what_is_left_of_a_verdict_is_read_beside_the_request) {
  rig.apply(with_filter(target, side, asks));
  auto [client, service] = ask();
  service.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
  Peer upstream = rig.accepted_by(target);
  upstream.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  EXPECT_EQ(requests(), 1) << "the rest has not come yet";
  service.send("lf");
  ASSERT_TRUE(rig.waits_for([&] { return requests() == 0; }));
  EXPECT_FALSE(service.has_ended());
  EXPECT_EQ(rig.count(Metric::target_connections_idle, {"side"}), 1);
}

TEST_F(SideRequests, a_verdict_without_end_holds_up_no_drain) {
  rig.apply(with_filter(target, side, asks));
  auto [client, service] = ask();
  service.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
  Peer upstream = rig.accepted_by(target);
  upstream.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  client.close();
  EXPECT_TRUE(rig.waits_for([&] { return drained; }));
  EXPECT_TRUE(rig.ends(service));
  EXPECT_EQ(requests(), 0);
}

TEST_F(SideRequests, a_copy_outlives_its_client_and_its_configuration) {
  rig.apply(with_filter(target, side, copies));
  auto [client, shadow] = copy();
  client.close();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 0; }));
  rig.apply(
      "listeners:\n"
      "  - { name: web, bind: \"127.0.0.1:0\", default_action: { fixed_response: { status: 200 } } "
      "}\n");
  EXPECT_EQ(requests(), 1);
  shadow.send(answer);
  ASSERT_TRUE(rig.waits_for([&] { return requests() == 0; }));
  EXPECT_EQ(copied("answered"), 1);
  EXPECT_TRUE(rig.ends(shadow)) << "nobody keeps connections of a group that is gone";
}

TEST_F(SideRequests, a_copy_is_given_up_when_its_time_is_over) {
  rig.apply(with_filter(target, side, copies));
  auto [client, shadow] = copy();
  rig.settle();
  rig.pass_time(milliseconds(61'000));
  EXPECT_TRUE(rig.ends(shadow));
  EXPECT_EQ(copied("timed_out"), 1);
  EXPECT_EQ(requests(), 0);
}

TEST_F(SideRequests, copies_end_when_the_last_client_of_a_drain_has_gone) {
  rig.apply(with_filter(target, side, copies));
  auto [client, shadow] = copy();
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  rig.settle();
  EXPECT_FALSE(shadow.has_ended());
  client.close();
  EXPECT_TRUE(rig.waits_for([&] { return drained; }));
  EXPECT_TRUE(rig.ends(shadow));
  EXPECT_EQ(copied("cancelled"), 1);
  EXPECT_EQ(requests(), 0);
}

TEST_F(SideRequests, copies_without_any_client_end_when_a_drain_begins) {
  rig.apply(with_filter(target, side, copies));
  auto [client, shadow] = copy();
  client.close();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 0; }));
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  EXPECT_TRUE(drained);
  EXPECT_TRUE(rig.ends(shadow));
  EXPECT_EQ(copied("cancelled"), 1);
}

TEST_F(SideRequests, a_copy_ends_with_a_cut_as_far_as_it_has_come) {
  rig.apply(with_filter(target, side, copies));
  Peer client = rig.client();
  client.send(get);
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  rig.worker().cut();
  EXPECT_TRUE(rig.waits_for([&] { return drained; }));
  EXPECT_TRUE(rig.ends(client));
  EXPECT_EQ(copied("cancelled"), 1);
  EXPECT_EQ(requests(), 0);
}

TEST_F(SideRequests, no_memory_of_a_body_is_kept_after_its_copy) {
  rig.apply(with_filter(target, side, copies));
  const std::string body(40'000, 'b');
  Peer client = rig.client();
  client.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n");
  client.send(body);
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(upstream, body));
  upstream.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  Peer shadow = rig.accepted_by(side);
  ASSERT_TRUE(rig.receives(shadow, body));
  client.close();
  shadow.send(answer);
  ASSERT_TRUE(rig.waits_for([&] { return requests() == 0; }));
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().loop().buffers.bytes_in_use() == 0; }));
  EXPECT_EQ(copied("answered"), 1);
}

}  // namespace
}  // namespace sluice::proxy
