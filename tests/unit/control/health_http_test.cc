// http: what is asked, and what comes of every kind of answer.
#include "sluice/base/version.h"
#include "unit/control/health_support.h"

namespace sluice::control::testing {
namespace {

const std::string ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(HealthHttp, the_request_is_short_and_says_who_asks) {
  Probe probe("{}");
  probe.begin();
  support::Peer peer = probe.accept();
  EXPECT_EQ(probe.request(peer),
            "GET / HTTP/1.1\r\n"
            "Host: " +
                probe.server().endpoint().text() +
                "\r\n"
                "User-Agent: Sluice-HealthChecker/" +
                std::string(base::version) +
                "\r\n"
                "Connection: close\r\n\r\n");
  peer.send(ok);
  EXPECT_EQ(probe.finish().reason, StateReason::none);
}

TEST(HealthHttp, the_request_is_what_the_settings_say) {
  Probe probe(
      "{ method: POST, path: \"/health?a=b\", host: app.example, headers: { X-Key: secret, "
      "user-agent: me } }");
  probe.begin();
  support::Peer peer = probe.accept();
  EXPECT_EQ(probe.request(peer),
            "POST /health?a=b HTTP/1.1\r\nHost: app.example\r\nX-Key: secret\r\nuser-agent: me\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n");
  peer.send(ok);
  EXPECT_EQ(probe.finish().reason, StateReason::none);
}

TEST(HealthHttp, a_status_that_matches_passes_and_the_connection_is_closed) {
  Probe probe("{ matcher: [ 200, 300-302 ] }");
  EXPECT_EQ(probe.answered("HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n").reason,
            StateReason::none);
}

TEST(HealthHttp, another_status_fails_with_both_numbers) {
  Probe probe("{}");
  const Finding finding =
      probe.answered("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(finding.reason, StateReason::response_code_mismatch);
  EXPECT_EQ(finding.detail, "got 503, want 200");
}

TEST(HealthHttp, a_redirect_is_not_followed) {
  Probe probe("{ matcher: 200-299 }");
  const Finding finding = probe.answered(
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(finding.reason, StateReason::response_code_mismatch);
  EXPECT_EQ(finding.detail, "got 302, want 200-299");
  EXPECT_FALSE(probe.server().accept().has_value());
}

TEST(HealthHttp, answers_before_the_final_one_are_passed_over) {
  Probe probe("{}");
  EXPECT_EQ(probe.answered("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok).reason,
            StateReason::none);
}

TEST(HealthHttp, an_upgrade_that_nobody_asked_for_fails) {
  Probe probe("{}");
  EXPECT_EQ(probe
                .answered("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                          "Upgrade: x\r\n\r\n")
                .reason,
            StateReason::response_malformed);
}

TEST(HealthHttp, endless_answers_before_the_final_one_fail) {
  Probe probe("{}");
  std::string many;
  for (int i = 0; i < 17; ++i) many += "HTTP/1.1 103 Early Hints\r\n\r\n";
  EXPECT_EQ(probe.answered(many).reason, StateReason::response_too_large);
}

TEST(HealthHttp, a_port_where_nobody_listens_fails) {
  Probe probe("{}");
  probe.server().close();
  probe.begin();
  EXPECT_EQ(probe.finish().reason, StateReason::connection_refused);
}

TEST(HealthHttp, another_port_is_asked_when_the_settings_say_so) {
  support::Server other;
  Probe probe("{ port: " + std::to_string(other.port()) + " }");
  probe.begin();
  std::optional<support::Peer> peer;
  ASSERT_TRUE(support::run_until(probe.loop(), [&] {
    if (!peer.has_value()) peer = other.accept();
    return peer.has_value();
  }));
  EXPECT_NE(probe.request(*peer).find("Host: 127.0.0.1:" + std::to_string(other.port()) + "\r\n"),
            std::string::npos);
  peer->send(ok);
  EXPECT_EQ(probe.finish().reason, StateReason::none);
}

TEST(HealthHttp, a_server_that_says_nothing_times_out) {
  Probe probe("{ timeout: 700ms }");
  probe.begin();
  support::Peer peer = probe.accept();
  probe.request(peer);
  support::pass_time(probe.loop(), milliseconds(600));
  EXPECT_FALSE(probe.is_done());
  support::pass_time(probe.loop(), milliseconds(720));
  const Finding finding = probe.finish();
  EXPECT_EQ(finding.reason, StateReason::timeout);
  EXPECT_EQ(finding.detail, "no answer in time");
  EXPECT_TRUE(support::run_until(probe.loop(), [&] { return peer.has_ended(); }));
}

// Every byte is progress, and none puts off the end. In real time: what comes moves the clock back
// to it.
TEST(HealthHttp, a_head_that_drips_times_out_all_the_same) {
  Probe probe("{ timeout: 200ms }");
  probe.begin();
  support::Peer peer = probe.accept();
  probe.request(peer);
  peer.send("HTTP/1.1 200 OK\r\nX-Drip: ");
  base::SteadyTime last = base::Steady::now();
  ASSERT_TRUE(support::run_until(probe.loop(), [&] {
    if (base::Steady::now() - last >= milliseconds(10) && !probe.is_done()) {
      peer.send("a");
      last = base::Steady::now();
    }
    probe.loop().clock.refresh();
    probe.loop().deadlines.advance();
    return probe.is_done();
  }));
  EXPECT_EQ(probe.finish().reason, StateReason::timeout);
}

TEST(HealthHttp, the_body_is_not_even_read_when_nothing_asks_for_it) {
  Probe probe("{}");
  EXPECT_EQ(
      probe.answered("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nthe beginning").reason,
      StateReason::none);
}

TEST(HealthHttp, a_head_without_end_fails) {
  Probe probe("{}");
  probe.begin();
  support::Peer peer = probe.accept();
  probe.request(peer);
  peer.send("HTTP/1.1 200 OK\r\n");
  const std::string field = "X-Large: " + std::string(1000, 'a') + "\r\n";
  for (int i = 0; i < 100 && !probe.is_done(); ++i) {
    peer.send(field);
    support::settle(probe.loop());
  }
  EXPECT_EQ(probe.finish().reason, StateReason::response_too_large);
}

TEST(HealthHttp, the_banner_of_another_protocol_fails) {
  Probe probe("{}");
  EXPECT_EQ(probe.answered("SSH-2.0-OpenSSH_9.2\r\n").reason, StateReason::response_malformed);
}

TEST(HealthHttp, a_tls_server_on_the_port_fails) {
  Probe probe("{}");  // the alert of a TLS server that was sent clear text
  EXPECT_EQ(probe.answered(std::string("\x15\x03\x01\x00\x02\x02\x46", 7)).reason,
            StateReason::response_malformed);
}

TEST(HealthHttp, an_answer_that_targets_could_be_tricked_with_fails) {
  Probe probe("{}");
  EXPECT_EQ(probe
                .answered("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n"
                          "\r\n")
                .reason,
            StateReason::response_malformed);
}

TEST(HealthHttp, a_server_that_closes_at_once_fails) {
  Probe probe("{}");
  probe.begin();
  support::Peer peer = probe.accept();
  probe.request(peer);
  peer.close();
  EXPECT_EQ(probe.finish().reason, StateReason::connection_failed);
}

TEST(HealthHttp, a_server_that_resets_fails) {
  Probe probe("{}");
  probe.begin();
  support::Peer peer = probe.accept();
  peer.reset();
  EXPECT_EQ(probe.finish().reason, StateReason::connection_failed);
}

TEST(HealthHttp, a_head_that_breaks_off_fails) {
  Probe probe("{}");
  EXPECT_EQ(probe.answered("HTTP/1.1 200 OK\r\nConte", true).reason,
            StateReason::response_malformed);
}

// --- body_match ---------------------------------------------------------------------------------

TEST(HealthHttpBody, a_body_in_which_the_expression_is_found_passes) {
  Probe probe("{ body_match: '\"status\": *\"(up|ok)\"' }");
  EXPECT_EQ(
      probe.answered("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"status\": \"up\"}").reason,
      StateReason::none);
}

TEST(HealthHttpBody, it_may_be_chunked_or_end_with_the_connection) {
  Probe chunked("{ body_match: ^ready$ }");
  EXPECT_EQ(chunked
                .answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "2\r\nre\r\n3\r\nady\r\n0\r\n\r\n")
                .reason,
            StateReason::none);
  Probe closing("{ body_match: ^ready$ }");
  EXPECT_EQ(closing.answered("HTTP/1.1 200 OK\r\n\r\nready", true).reason, StateReason::none);
}

TEST(HealthHttpBody, another_body_fails) {
  Probe probe("{ body_match: ready }");
  EXPECT_EQ(probe.answered(ok).reason, StateReason::response_body_mismatch);
}

TEST(HealthHttpBody, no_body_is_an_empty_one) {
  Probe probe("{ matcher: 204, body_match: ready }");
  EXPECT_EQ(probe.answered("HTTP/1.1 204 No Content\r\n\r\n").reason,
            StateReason::response_body_mismatch);
}

TEST(HealthHttpBody, one_that_says_it_is_long_fails_before_it_comes) {
  Probe probe("{ body_match: ready }");
  EXPECT_EQ(probe.answered("HTTP/1.1 200 OK\r\nContent-Length: 262145\r\n\r\n").reason,
            StateReason::response_too_large);
}

TEST(HealthHttpBody, one_without_end_fails_at_the_limit) {
  Probe probe("{ body_match: ready }");
  probe.begin();
  support::Peer peer = probe.accept();
  probe.request(peer);
  peer.send("HTTP/1.1 200 OK\r\n\r\n");
  const std::string block(16 * 1024, 'a');
  int blocks = 0;
  for (; blocks < 100 && !probe.is_done(); ++blocks) {
    peer.send(block);
    ASSERT_TRUE(support::run_until(probe.loop(), [&] {
      support::settle(probe.loop());
      return true;
    }));
  }
  EXPECT_EQ(probe.finish().reason, StateReason::response_too_large);
  EXPECT_GT(blocks, 16);
  EXPECT_LT(blocks, 100);
}

TEST(HealthHttpBody, one_that_breaks_off_or_is_no_chunk_fails) {
  Probe cut("{ body_match: ready }");
  EXPECT_EQ(cut.answered("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nready", true).reason,
            StateReason::response_malformed);
  Probe garbage("{ body_match: ready }");
  EXPECT_EQ(garbage.answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nready").reason,
            StateReason::response_malformed);
}

TEST(HealthHttpBody, one_that_does_not_come_times_out) {
  Probe probe("{ timeout: 700ms, body_match: ready }");
  probe.begin();
  support::Peer peer = probe.accept();
  probe.request(peer);
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nrea");
  support::settle(probe.loop());
  EXPECT_FALSE(probe.is_done());
  support::pass_time(probe.loop(), milliseconds(720));
  EXPECT_EQ(probe.finish().reason, StateReason::timeout);
}

}  // namespace
}  // namespace sluice::control::testing
