// What a worker's connections, groups and exchanges survive: reloads, drains, and their own ends.
#include "sluice/proxy/worker.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "proxy/filters/token_cache.h"
#include "support/certificates.h"
#include "support/json_web_token.h"
#include "support/proxy_rig.h"

namespace sluice::proxy {
namespace {

using observe::Metric;
using std::chrono::milliseconds;
using support::forward_all;
using support::Peer;
using support::ProxyRig;
using support::Server;

constexpr std::string_view get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// A configuration without targets that answers 200 "fixed".
std::string fixed(const std::string& more = {}) {
  return "listeners:\n"
         "  - { name: web, bind: \"127.0.0.1:0\", default_action: { fixed_response: { status: 200, "
         "body: fixed } } }\n" +
         more;
}

const std::string unused_group =
    "target_groups:\n  - { name: unused, targets: [ { address: \"127.0.0.1:1\" } ] }\n";

TEST(Worker, a_request_is_forwarded_and_its_answer_comes_back) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Peer client = rig.client();
  client.send(get);
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  EXPECT_TRUE(upstream.received().starts_with("GET /x HTTP/1.1\r\nHost: a\r\n"));
  upstream.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  EXPECT_EQ(rig.count(Metric::requests_total, {"web", "default", "targets", "2xx"}), 1);
  EXPECT_EQ(rig.count(Metric::target_connections_idle, {"targets"}), 1);
}

// ---------------------------------------------------------------- reload

TEST(Worker, an_idle_connection_lives_on_over_reloads) {
  ProxyRig rig;
  rig.apply(fixed());
  Peer client = rig.client();
  client.send(get);
  ASSERT_TRUE(rig.receives(client, "fixed"));
  for (int i = 0; i < 3; ++i) {
    rig.settle();
    EXPECT_EQ(rig.count(Metric::client_connections_idle, {"web"}), 1);
    // Each time another shape, so that nothing of the old view stays where it was.
    rig.apply(fixed(i % 2 == 0 ? unused_group : ""));
    client.forget();
    client.send(get);
    ASSERT_TRUE(rig.receives(client, "fixed"));
  }
  EXPECT_FALSE(client.has_ended());
  client.close();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 0; }));
  EXPECT_EQ(rig.count(Metric::client_connections_idle, {"web"}), 0);
  EXPECT_EQ(rig.count(Metric::client_connections, {"web"}), 0);
}

TEST(Worker, a_connection_that_has_not_sent_anything_yet_lives_on_over_a_reload) {
  ProxyRig rig;
  rig.apply(fixed());
  Peer client = rig.client();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 1; }));
  rig.apply(fixed(unused_group));
  client.send(get);
  ASSERT_TRUE(rig.receives(client, "fixed"));
}

TEST(Worker, a_handshake_under_way_lives_on_over_a_reload) {
  const support::CertificateAuthority authority;
  const support::CertificateDirectory files;
  const support::CertificateText text = authority.issue({.names = {"a"}});
  const std::string yaml =
      "listeners:\n"
      "  - name: web\n    bind: \"127.0.0.1:0\"\n    tls: { certificates: [ { cert: \"" +
      files.write("cert.pem", text.certificate) + "\", key: \"" + files.write("key.pem", text.key) +
      "\" } ] }\n";
  ProxyRig rig;
  rig.apply(yaml);
  Peer client = rig.client();
  client.send("\x16");  // the first byte of a handshake
  rig.settle();
  rig.apply(yaml + unused_group);
  rig.settle();
  client.close();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 0; }));
  EXPECT_EQ(rig.count(Metric::tls_handshake_failures_total, {"web", "tls_handshake_failed"}), 1);
}

TEST(Worker, tokens_of_keys_that_a_reload_takes_away_are_forgotten_by_it) {
  const support::SigningKey key = support::SigningKey::ed25519();
  const support::CertificateDirectory files;
  const auto guarded = [&](const std::string& name, const std::string& more = {}) {
    return "listeners:\n"
           "  - { name: web, bind: \"127.0.0.1:0\", default_action: { fixed_response: { status: "
           "200, body: fixed } }, filters: { jwt: { jwks: { file: \"" +
           files.write(name, support::key_set({key.jwk()})) +
           "\" }, issuer: a, audience: b } } }\n" + more;
  };
  ProxyRig rig;
  rig.apply(guarded("first.json"));
  Peer client = rig.client();
  client.send(
      "GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " +
      key.token(R"({"alg":"EdDSA"})", R"({"iss":"a","aud":"b","exp":99999999999})", "EdDSA") +
      "\r\n\r\n");
  ASSERT_TRUE(rig.receives(client, "fixed"));
  EXPECT_EQ(rig.worker().tokens().size(), 1U);
  rig.apply(guarded("first.json", unused_group));
  EXPECT_EQ(rig.worker().tokens().size(), 1U) << "the same keys";
  // Not only when somebody asks the others.
  rig.apply(guarded("second.json"));
  EXPECT_EQ(rig.worker().tokens().size(), 0U);
}

TEST(Worker, an_exchange_keeps_its_group_when_a_reload_removes_that) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Peer client = rig.client();
  client.send(get);
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  rig.apply(fixed());
  upstream.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  // Nobody can use the connection to that target any more.
  EXPECT_TRUE(rig.ends(upstream));
  EXPECT_EQ(rig.count(Metric::target_connections, {"targets"}), 0);
  EXPECT_EQ(rig.count(Metric::target_connections_idle, {"targets"}), 0);
  EXPECT_EQ(rig.count(Metric::target_active_requests, {"targets"}), 0);
  client.forget();
  client.send(get);
  ASSERT_TRUE(rig.receives(client, "fixed"));
}

TEST(Worker, an_exchange_whose_target_left_keeps_its_connection_to_the_end_only) {
  ProxyRig rig;
  Server leaves;
  Server stays;
  rig.apply(forward_all({leaves.port()}));
  Peer client = rig.client();
  client.send(get);
  Peer upstream = rig.accepted_by(leaves);
  ASSERT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  rig.apply(forward_all({stays.port()}));
  upstream.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  EXPECT_TRUE(rig.ends(upstream));
}

TEST(Worker, a_reload_keeps_the_idle_connections_of_targets_that_stay) {
  ProxyRig rig;
  Server target;
  Server other;
  rig.apply(forward_all({target.port()}));
  Peer client = rig.client();
  client.send(get);
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  upstream.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  rig.apply(forward_all({target.port()}, "timeouts: { connect: 3s }\n"));
  rig.settle();
  EXPECT_FALSE(upstream.has_ended());
  upstream.forget();
  client.send(get);
  EXPECT_TRUE(rig.receives(upstream, "\r\n\r\n"));
}

TEST(Worker,
     a_listener_that_is_gone_closes_its_idle_connections_and_ends_the_others_with_their_answer) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Peer idle = rig.client();
  Peer asking = rig.client();
  Peer busy = rig.client();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 3; }));
  busy.send(get);
  Peer upstream = rig.accepted_by(target);
  rig.apply(
      "listeners:\n  - { name: other, bind: \"127.0.0.1:0\", default_action: { fixed_response: { "
      "status: 200, body: other } } }\n");
  // One that is just sending a request gets its answer; the other is closed after a second.
  asking.send(get);
  Peer second = rig.accepted_by(target);
  second.send(answer);
  ASSERT_TRUE(rig.receives(asking, "\r\n\r\nok"));
  EXPECT_NE(asking.received().find("Connection: close\r\n"), std::string::npos);
  rig.pass_time(milliseconds(1100));
  EXPECT_TRUE(rig.ends(idle));
  upstream.send(answer);
  ASSERT_TRUE(rig.receives(busy, "\r\n\r\nok"));
  EXPECT_NE(busy.received().find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(rig.ends(busy));
  Peer client = rig.client("other");
  client.send(get);
  EXPECT_TRUE(rig.receives(client, "other"));
}

// ---------------------------------------------------------------- drain

TEST(Worker, draining_grants_idle_connections_one_more_request) {
  ProxyRig rig;
  rig.apply(fixed());
  Peer asks = rig.client();
  Peer silent = rig.client();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 2; }));
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  asks.send(get);
  ASSERT_TRUE(rig.receives(asks, "fixed"));
  EXPECT_NE(asks.received().find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(rig.ends(asks));
  rig.settle();
  EXPECT_FALSE(silent.has_ended());
  EXPECT_FALSE(drained);
  rig.pass_time(milliseconds(1100));
  EXPECT_TRUE(rig.ends(silent));
  EXPECT_TRUE(drained);
}

TEST(Worker, draining_without_connections_is_done_at_once) {
  ProxyRig rig;
  rig.apply(fixed());
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  EXPECT_TRUE(drained);
}

// Its head had promised to keep the connection before anybody knew of a drain.
TEST(Worker, a_connection_that_falls_idle_late_in_a_drain_does_not_hold_it_up) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Peer client = rig.client();
  client.send(get);
  Peer upstream = rig.accepted_by(target);
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha");
  ASSERT_TRUE(rig.receives(client, "ha"));
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  rig.pass_time(milliseconds(1100));
  EXPECT_FALSE(drained);
  upstream.send("lf");
  ASSERT_TRUE(rig.receives(client, "half"));
  rig.settle();
  rig.pass_time(milliseconds(3000));
  EXPECT_TRUE(drained);
  EXPECT_TRUE(rig.ends(client));
}

TEST(Worker, cutting_ends_every_connection_whatever_it_does) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Peer idle = rig.client();
  Peer in_head = rig.client();
  Peer waiting = rig.client();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 3; }));
  in_head.send("GET / HT");
  waiting.send(get);
  Peer upstream = rig.accepted_by(target);
  bool drained = false;
  rig.worker().drain(milliseconds(1000), [&drained] { drained = true; });
  rig.worker().cut();
  EXPECT_TRUE(rig.ends(idle));
  EXPECT_TRUE(rig.ends(in_head));
  EXPECT_TRUE(rig.ends(waiting));
  EXPECT_TRUE(drained);
}

// ---------------------------------------------------------------- ends of an exchange

TEST(Worker, a_total_timeout_while_the_target_has_the_word_is_504) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}, "timeouts: { total: 500ms }\n"));
  Peer client = rig.client();
  client.send(get);
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  rig.settle();
  rig.pass_time(milliseconds(600));
  ASSERT_TRUE(rig.receives(client, "\n"));
  EXPECT_TRUE(client.received().starts_with("HTTP/1.1 504 ")) << client.received();
  EXPECT_EQ(rig.count(Metric::exchange_ends_total, {"total_timeout"}), 1);
}

TEST(Worker, a_total_timeout_while_the_target_takes_no_more_is_504) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}, "timeouts: { total: 500ms }\n"));
  Peer client = rig.client();
  const std::string body(30'000'000, 'x');
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
              "\r\n\r\n");
  std::size_t sent = 0;
  Peer upstream = rig.accepted_by(target);
  // Until nobody takes any more: the target does not read.
  std::size_t before = 1;
  while (sent != before) {
    before = sent;
    const ssize_t taken = ::send(client.fd(), body.data() + sent, body.size() - sent, MSG_NOSIGNAL);
    if (taken > 0) sent += static_cast<std::size_t>(taken);
    rig.settle();
  }
  ASSERT_LT(sent, body.size());
  rig.pass_time(milliseconds(600));
  ASSERT_TRUE(rig.receives(client, "\n"));
  EXPECT_TRUE(client.received().starts_with("HTTP/1.1 504 ")) << client.received();
  EXPECT_EQ(rig.count(Metric::exchange_ends_total, {"total_timeout"}), 1);
}

TEST(Worker, a_bad_body_that_is_all_there_already_ends_the_exchange_at_once) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Peer client = rig.client();
  // More than is read with the head, so that the defect is found once the target is connected.
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\n" +
              std::string(0x8000, 'x') + "\r\nnonsense\r\n");
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(client, "\n"));
  EXPECT_TRUE(client.received().starts_with("HTTP/1.1 400 ")) << client.received();
  EXPECT_EQ(rig.count(Metric::exchange_ends_total, {"chunk_invalid"}), 1);
  EXPECT_TRUE(rig.ends(upstream));
}

TEST(Worker, a_body_over_the_limit_that_is_all_there_already_ends_the_exchange_at_once) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}, "limits: { body: 20KiB }\n"));
  Peer client = rig.client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n" +
              std::string(0x10000, 'x') + "\r\n0\r\n\r\n");
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(client, "\n"));
  EXPECT_TRUE(client.received().starts_with("HTTP/1.1 413 ")) << client.received();
  EXPECT_TRUE(rig.ends(upstream));
}

TEST(Worker, a_client_that_left_in_its_body_ends_the_exchange_at_once) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Peer client = rig.client();
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" +
              std::string(30'000, 'x'));
  client.shutdown_write();
  Peer upstream = rig.accepted_by(target);
  EXPECT_TRUE(rig.ends(upstream));
  EXPECT_TRUE(rig.ends(client));
  EXPECT_EQ(rig.count(Metric::exchange_ends_total, {"body_incomplete"}), 1);
}

// The log line of the first is written from what was received with it, while the second already
// waits in another buffer; and so many buffers are free that the first one's memory is not kept.
TEST(Worker, a_request_pipelined_behind_a_long_body_is_answered_and_the_first_is_logged) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}, "access_log: { path: /dev/null }\n"));
  Peer client = rig.client();
  const std::string body(40'000, 'x');
  client.send(
      "POST /first HTTP/1.1\r\nHost: a\r\nUser-Agent: tester\r\nContent-Length: 40000\r\n\r\n" +
      body + "GET /second HTTP/1.1\r\nHost: a\r\n\r\n");
  Peer upstream = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(upstream, "x"));
  ASSERT_TRUE(rig.waits_for([&] { return upstream.received().size() > body.size(); }));
  upstream.forget();
  upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
  ASSERT_TRUE(rig.receives(client, "o"));
  {
    std::vector<net::Buffer> many;
    for (int i = 0; i < 300; ++i) many.push_back(rig.worker().loop().buffers.borrow());
  }
  upstream.send("k");
  ASSERT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  EXPECT_TRUE(upstream.received().starts_with("GET /second ")) << upstream.received();
  upstream.send(answer);
  ASSERT_TRUE(rig.waits_for([&] {
    return rig.count(Metric::requests_total, {"web", "default", "targets", "2xx"}) == 2;
  }));
}

TEST(Worker, an_answer_cut_short_and_one_that_breaks_the_rules_are_told_apart) {
  for (const bool malformed : {false, true}) {
    ProxyRig rig;
    Server target;
    rig.apply(forward_all({target.port()}));
    Peer client = rig.client();
    client.send(get);
    Peer upstream = rig.accepted_by(target);
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
    ASSERT_TRUE(rig.receives(client, "ok\r\n"));
    if (malformed) upstream.send("nonsense\r\n");
    upstream.close();
    EXPECT_TRUE(rig.ends(client));
    EXPECT_FALSE(client.received().ends_with("0\r\n\r\n"));
    EXPECT_EQ(rig.count(Metric::exchange_ends_total, {"target_body_malformed"}), malformed ? 1 : 0);
    EXPECT_EQ(rig.count(Metric::exchange_ends_total, {"target_body_cut"}), malformed ? 0 : 1);
  }
}

// T7
TEST(Worker, a_connection_with_bytes_behind_the_answer_is_not_used_again) {
  for (const std::string_view stray :
       {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokX", "HTTP/1.1 204 No Content\r\n\r\nbody",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"}) {
    ProxyRig rig;
    Server target;
    rig.apply(forward_all({target.port()}));
    Peer client = rig.client();
    client.send(get);
    Peer upstream = rig.accepted_by(target);
    ASSERT_TRUE(rig.receives(upstream, "\r\n\r\n"));
    upstream.send(stray);
    EXPECT_TRUE(rig.ends(upstream)) << stray;
    EXPECT_EQ(rig.count(Metric::target_connections, {"targets"}), 0);
  }
}

TEST(Worker, a_request_that_died_on_a_kept_connection_is_sent_once_more_on_a_new_one) {
  ProxyRig rig;
  Server target;
  rig.apply(forward_all({target.port()}));
  Peer client = rig.client();
  client.send(get);
  Peer first = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(first, "\r\n\r\n"));
  first.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  client.forget();
  first.forget();
  client.send(get);
  ASSERT_TRUE(rig.receives(first, "\r\n\r\n"));
  first.close();
  Peer second = rig.accepted_by(target);
  ASSERT_TRUE(rig.receives(second, "\r\n\r\n"));
  second.send(answer);
  ASSERT_TRUE(rig.receives(client, "\r\n\r\nok"));
  EXPECT_EQ(rig.count(Metric::target_retries_total, {"targets"}), 1);
}

TEST(Worker, an_idle_client_is_closed_in_time_and_holds_no_buffer) {
  ProxyRig rig;
  rig.apply(fixed("timeouts: { client_idle: 10s }\n"));
  Peer client = rig.client();
  client.send(get);
  ASSERT_TRUE(rig.receives(client, "fixed"));
  rig.settle();
  EXPECT_EQ(rig.worker().loop().buffers.bytes_in_use(), 0U);
  rig.pass_time(milliseconds(9'000));
  EXPECT_FALSE(client.has_ended());
  rig.pass_time(milliseconds(1'100));
  EXPECT_TRUE(rig.ends(client));
}

TEST(Worker, connections_over_the_limit_are_closed_and_counted) {
  ProxyRig rig;
  rig.apply(fixed("limits: { connections: 2 }\n"));
  Peer first = rig.client();
  Peer second = rig.client();
  Peer third = rig.client();
  EXPECT_TRUE(rig.ends(third));
  EXPECT_EQ(rig.count(Metric::client_connections_rejected_total, {"web", "too_many_connections"}),
            1);
  EXPECT_FALSE(first.has_ended());
  first.close();
  ASSERT_TRUE(rig.waits_for([&] { return rig.worker().connection_count() == 1; }));
  Peer fourth = rig.client();
  fourth.send(get);
  EXPECT_TRUE(rig.receives(fourth, "fixed"));
}

TEST(Worker, the_date_is_an_imf_fixdate_of_now) {
  ProxyRig rig;
  rig.worker().loop().clock.set({}, base::WallTime(std::chrono::seconds(784'111'777)));
  EXPECT_EQ(rig.worker().http_date(), "Sun, 06 Nov 1994 08:49:37 GMT");  // RFC 9110 5.6.7
  rig.worker().loop().clock.set({}, base::WallTime(std::chrono::seconds(784'111'778)));
  EXPECT_EQ(rig.worker().http_date(), "Sun, 06 Nov 1994 08:49:38 GMT");
}

}  // namespace
}  // namespace sluice::proxy
