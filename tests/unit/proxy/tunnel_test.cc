// An upgraded connection's times and ends, with a clock that passes when the test says so.
#include "proxy/tunnel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "support/proxy_rig.h"

namespace sluice::proxy {
namespace {

using observe::Metric;
using std::chrono::milliseconds;
using std::chrono::seconds;
using support::forward_all;
using support::Peer;
using support::ProxyRig;
using support::Server;

constexpr std::string_view handshake =
    "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
constexpr std::string_view switching =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const std::string to_client_1001("\x88\x02\x03\xe9", 4);
const std::string to_client_1012("\x88\x02\x03\xf4", 4);
const std::string to_client_ping("\x89\x00", 2);
const std::string from_target_hello("\x81\x05hello", 7);
const std::string from_target_close("\x88\x02\x03\xf4", 4);
const std::string from_client_close("\x88\x82\0\0\0\0\x03\xf4", 8);  // masked with zeros

// An upgraded connection with both its ends.
struct Opened {
  Peer client;
  Peer target;
};

Opened open(ProxyRig& rig, Server& target) {
  Peer client = rig.client();
  client.send(handshake);
  Peer upstream = rig.accepted_by(target);
  EXPECT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  upstream.send(switching);
  EXPECT_TRUE(rig.receives(client, "\r\n\r\n"));
  EXPECT_TRUE(client.received().starts_with("HTTP/1.1 101 "));
  client.forget();
  upstream.forget();
  return {std::move(client), std::move(upstream)};
}

std::string settings(const std::string& websocket, const std::string& more = {}) {
  return ", websocket: { " + websocket + " }" + more;
}

double open_tunnels(const ProxyRig& rig) { return rig.count(Metric::tunnels, {"targets"}); }

bool is_gone(ProxyRig& rig) {
  return rig.waits_for([&] { return rig.worker().connection_count() == 0; });
}

TEST(Tunnel, passes_bytes_both_ways_and_holds_no_buffer_in_between) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Opened tunnel = open(rig, target);
  tunnel.target.send(from_target_hello);
  ASSERT_TRUE(rig.receives(tunnel.client, from_target_hello));
  tunnel.client.send(from_client_close.substr(0, 5));
  ASSERT_TRUE(rig.receives(tunnel.target, from_client_close.substr(0, 5)));
  rig.settle();
  EXPECT_EQ(rig.worker().loop().buffers.bytes_in_use(), 0U);
  EXPECT_EQ(open_tunnels(rig), 1);
}

TEST(Tunnel, a_silent_one_ends_with_a_close_frame_when_its_time_has_passed) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}, "", settings("idle_timeout: 10s")));
  Opened tunnel = open(rig, target);
  rig.pass_time(milliseconds(9800));
  EXPECT_EQ(tunnel.client.received(), "");
  rig.pass_time(milliseconds(300));
  EXPECT_EQ(tunnel.client.received(), to_client_1001);
  EXPECT_EQ(tunnel.target.received().size(), 8U) << "masked";
  // Neither answers: cut after the grace.
  rig.pass_time(milliseconds(4900));
  EXPECT_FALSE(tunnel.client.has_ended());
  rig.pass_time(milliseconds(200));
  ASSERT_TRUE(rig.ends(tunnel.client));
  ASSERT_TRUE(rig.ends(tunnel.target));
  ASSERT_TRUE(is_gone(rig));
  EXPECT_EQ(rig.count(Metric::tunnel_ends_total, {"targets", "tunnel_idle_timeout"}), 1);
  EXPECT_EQ(open_tunnels(rig), 0);
}

TEST(Tunnel, ends_as_soon_as_both_have_answered_our_close_frame) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}, "", settings("idle_timeout: 1s")));
  Opened tunnel = open(rig, target);
  rig.pass_time(milliseconds(1100));
  ASSERT_TRUE(rig.receives(tunnel.client, to_client_1001));
  tunnel.client.send(from_client_close);
  ASSERT_TRUE(rig.ends(tunnel.client));
  EXPECT_EQ(open_tunnels(rig), 1) << "the target has not answered";
  tunnel.target.send(from_target_close);
  ASSERT_TRUE(rig.ends(tunnel.target));
  ASSERT_TRUE(is_gone(rig));
  EXPECT_EQ(tunnel.client.received(), to_client_1001) << "nothing follows a close frame";
}

TEST(Tunnel, pings_both_sides_when_both_are_silent) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}, "", settings("ping_interval: 10s, idle_timeout: 25s")));
  Opened tunnel = open(rig, target);
  rig.pass_time(milliseconds(9800));
  EXPECT_EQ(tunnel.client.received(), "");
  rig.pass_time(milliseconds(300));
  EXPECT_EQ(tunnel.client.received(), to_client_ping);
  EXPECT_EQ(tunnel.target.received().size(), 6U) << "masked";
  rig.pass_time(milliseconds(10'100));
  EXPECT_EQ(tunnel.client.received(), to_client_ping + to_client_ping);
  rig.pass_time(seconds(5));
  EXPECT_EQ(tunnel.client.received(), to_client_ping + to_client_ping + to_client_1001);
}

TEST(Tunnel, lives_no_longer_than_its_lifetime_though_busy) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}, "", settings("lifetime: 10s, idle_timeout: 1h")));
  Opened tunnel = open(rig, target);
  tunnel.target.send(from_target_hello);
  ASSERT_TRUE(rig.receives(tunnel.client, from_target_hello));
  tunnel.client.forget();
  rig.pass_time(milliseconds(10'100));
  EXPECT_EQ(tunnel.client.received(), to_client_1001);
}

TEST(Tunnel, follows_reloads_and_keeps_no_former_configuration) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  const std::weak_ptr<const Snapshot> former = rig.snapshot();
  Opened tunnel = open(rig, target);
  rig.apply(forward_all({target.port()}, "limits: { connections: 9 }\n"));
  EXPECT_TRUE(former.expired());
  // Times that changed hold for open ones.
  rig.apply(forward_all({target.port()}, "", settings("idle_timeout: 3s")));
  rig.pass_time(milliseconds(3100));
  ASSERT_TRUE(rig.receives(tunnel.client, to_client_1001));
}

TEST(Tunnel, is_closed_within_the_window_before_its_targets_delay_is_over) {
  Server goes;
  Server stays;
  // delay 100 s, less 5 s for the peers: from 75 s to 95 s on.
  const std::string group =
      settings("close_window: 20s, idle_timeout: 1h", ", deregistration_delay: 100s");
  ProxyRig rig;
  rig.apply(forward_all({goes.port()}, "", group));
  std::vector<Opened> tunnels;
  for (int i = 0; i < 30; ++i) tunnels.push_back(open(rig, goes));
  rig.apply(forward_all({stays.port()}, "", group));
  rig.pass_time(milliseconds(74'800));
  for (Opened& tunnel : tunnels) EXPECT_EQ(tunnel.client.received(), "");
  std::size_t steps_with_some = 0;
  std::size_t closed = 0;
  for (int step = 0; step < 21; ++step) {
    rig.pass_time(seconds(1));
    const auto now = static_cast<std::size_t>(std::ranges::count_if(
        tunnels, [](Opened& tunnel) { return tunnel.client.received() == to_client_1012; }));
    if (now > closed) ++steps_with_some;
    closed = now;
  }
  EXPECT_EQ(closed, tunnels.size());
  EXPECT_GE(steps_with_some, 5U) << "spread, and not all at once";
}

TEST(Tunnel, a_close_is_called_off_when_its_target_is_back) {
  Server goes;
  Server stays;
  const std::string group = settings("close_window: 1s", ", deregistration_delay: 10s");
  ProxyRig rig;
  rig.apply(forward_all({goes.port()}, "", group));
  Opened tunnel = open(rig, goes);
  rig.apply(forward_all({stays.port()}, "", group));
  rig.apply(forward_all({goes.port(), stays.port()}, "", group));
  rig.pass_time(seconds(20));
  tunnel.target.send(from_target_hello);
  ASSERT_TRUE(rig.receives(tunnel.client, from_target_hello));
  tunnel.client.forget();
  rig.apply(forward_all({stays.port()}, "", group));
  rig.pass_time(seconds(30));
  EXPECT_EQ(tunnel.client.received(), to_client_1012);
}

TEST(Tunnel, a_drain_tells_it_within_the_window) {
  ProxyRig rig;
  Server target;
  rig.apply(
      forward_all({target.port()}, "shutdown: { deadline: 60s }\n", settings("close_window: 10s")));
  Opened tunnel = open(rig, target);
  bool drained = false;
  rig.worker().drain(seconds(1), [&drained] { drained = true; });
  rig.pass_time(milliseconds(10'100));
  ASSERT_TRUE(rig.receives(tunnel.client, to_client_1001));
  tunnel.client.send(from_client_close);
  tunnel.target.send(from_target_close);
  ASSERT_TRUE(rig.waits_for([&drained] { return drained; }));
}

TEST(Tunnel, both_ends_at_once_leave_nothing_behind) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  for (int i = 0; i < 4; ++i) {
    Opened tunnel = open(rig, target);
    // Before the loop turns again both have happened.
    i % 2 == 0 ? tunnel.client.reset() : tunnel.client.close();
    i / 2 == 0 ? tunnel.target.reset() : tunnel.target.close();
    ASSERT_TRUE(is_gone(rig));
  }
  EXPECT_EQ(open_tunnels(rig), 0);
  EXPECT_EQ(rig.count(Metric::target_active_requests, {"targets"}), 0);
}

TEST(Tunnel, a_cut_during_its_close_ends_it) {
  ProxyRig rig;
  Server target;
  rig.apply(
      forward_all({target.port()}, "shutdown: { deadline: 4s }\n", settings("close_window: 1s")));
  Opened tunnel = open(rig, target);
  rig.worker().drain(seconds(1), [] {});
  rig.pass_time(milliseconds(1100));
  ASSERT_TRUE(rig.receives(tunnel.client, to_client_1001));
  rig.worker().cut();
  ASSERT_TRUE(is_gone(rig));
  ASSERT_TRUE(rig.ends(tunnel.target));
}

}  // namespace
}  // namespace sluice::proxy
