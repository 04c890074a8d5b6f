// The heads we send, as whole texts: what passes, what does not, and what we add.
#include "proxy/headers.h"

#include "proxy/identify.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "support/proxy_rig.h"

namespace sluice::proxy {
namespace {

constexpr std::string_view target_id = "127.0.0.1:8081";

std::string configuration(const std::string& forwarding) {
  return "listeners:\n"
         "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: targets } }\n"
         "target_groups:\n"
         "  - { name: targets, targets: [ { address: \"127.0.0.1:8081\" } ] }\n" +
         (forwarding.empty() ? "" : "forwarding: { " + forwarding + " }\n");
}

// An exchange whose request has been read, ready to be forwarded.
class Forwarding {
 public:
  explicit Forwarding(const std::string& request, const std::string& forwarding = {},
                      std::string_view peer = "192.0.2.1") {
    config::Problems problems;
    snapshot_ = rig_.build(configuration(forwarding), problems);
    for (const config::Problem& problem : problems.sorted()) ADD_FAILURE() << problem.text();
    observe::Cells& cells = rig_.worker().cells();
    group_ = std::make_shared<upstream::Group>(rig_.worker().loop(), cells, snapshot_->groups[0]);
    auto slot = std::make_shared<ListenerSlot>();
    slot->name = "web";
    slot->view = std::make_shared<const View>(
        cells, snapshot_, std::vector<std::shared_ptr<upstream::Group>>{group_});
    slot->listener = &slot->view->listeners[0];
    support::Pair pair = support::unix_pair();
    connection_ = std::make_unique<Connection>(rig_.worker(), slot, std::move(pair.ours),
                                               *net::Endpoint::numeric(peer, 50'000));
    exchange.begin(*connection_, base::Steady::now());
    exchange.group = group_.get();
    exchange.group_settings = snapshot_->groups[0].get();
    exchange.pool = group_->pick({}).reservation.pool();
    net::Buffer& received = connection_->received;
    received = rig_.worker().loop().buffers.borrow(request.size());
    std::copy(request.begin(), request.end(), received.free_space().begin());
    received.commit(request.size());
    http::H1Parser parser({65536, 65536, 65536, 200});
    EXPECT_EQ(parser.parse(received.unread(), exchange.request), http::Progress::complete)
        << observe::text(parser.reason());
    exchange.request_head_bytes = parser.head_bytes();
    identify_client(exchange);
    identify_request(exchange);
  }
  ~Forwarding() { exchange.clear(); }
  Forwarding(const Forwarding&) = delete;
  Forwarding& operator=(const Forwarding&) = delete;

  std::string head(bool to_http2 = false) {
    write_request_head(exchange, to_http2);
    return std::string(base::as_text(exchange.head_buffer.unread()));
  }
  // The lines of the head with that name, in any case, as they stand.
  std::vector<std::string> lines(std::string_view name) {
    std::vector<std::string> out;
    const std::string text = head();
    std::size_t from = 0;
    for (std::size_t end = 0; (end = text.find("\r\n", from)) != std::string::npos;
         from = end + 2) {
      const std::string line = text.substr(from, end - from);
      if (base::equals_ignoring_case(line.substr(0, line.find(':')), name)) out.push_back(line);
    }
    return out;
  }

  Exchange exchange;

 private:
  support::ProxyRig rig_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::shared_ptr<upstream::Group> group_;
  std::unique_ptr<Connection> connection_;
};

using Lines = std::vector<std::string>;

std::string get(const std::string& fields) {
  return "GET /p?q=1 HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n";
}

const std::string trusting = "trusted_proxies: [192.0.2.0/24, 10.0.0.0/8]";

// ---------------------------------------------------------------- what passes

TEST(RequestHead, fields_pass_as_sent_and_in_order_and_ours_follow) {
  Forwarding forwarding(get("X-b:  spaced  value \r\nx-A: 1\r\nCookie: c=d\r\nX-b: again\r\n"));
  const std::string head = forwarding.head();
  EXPECT_TRUE(
      head.starts_with("GET /p?q=1 HTTP/1.1\r\n"
                       "Host: a.example\r\n"
                       "X-b: spaced  value\r\n"
                       "x-A: 1\r\n"
                       "Cookie: c=d\r\n"
                       "X-b: again\r\n"
                       "X-Forwarded-For: 192.0.2.1\r\n"
                       "X-Forwarded-Proto: http\r\n"))
      << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n"));
  EXPECT_EQ(head.find("Via"), std::string::npos);
}

TEST(RequestHead, a_handshake_is_an_extended_connect_towards_http_2) {
  Forwarding forwarding(
      get("Connection: Upgrade, X-Named\r\nX-Named: no\r\nUpgrade: websocket\r\n"
          "Content-Length: 0\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n"));
  forwarding.exchange.upgrade = Upgrade::websocket;
  const std::string head = forwarding.head(true);
  EXPECT_TRUE(
      head.starts_with(":method: CONNECT\r\n:protocol: websocket\r\n:scheme: http\r\n"
                       ":authority: a.example\r\n:path: /p?q=1\r\n"
                       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat\r\n"
                       "X-Forwarded-For: 192.0.2.1\r\n"))
      << head;
  for (const char* const gone : {"Key", "Upgrade", "Connection", "Content-Length", "X-Named"}) {
    EXPECT_EQ(head.find(gone), std::string::npos) << head;
  }
  // As it is passed on over HTTP/1.
  const std::string as_get = forwarding.head();
  EXPECT_TRUE(as_get.starts_with("GET /p?q=1 HTTP/1.1\r\n")) << as_get;
  EXPECT_NE(as_get.find("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), std::string::npos);
  EXPECT_NE(as_get.find("Connection: Upgrade\r\nUpgrade: websocket\r\n"), std::string::npos);
}

TEST(RequestHead, a_clients_word_about_its_certificate_never_passes) {
  for (const char* const name :
       {"X-Amzn-Mtls-Clientcert", "x-amzn-mtls-clientcert-subject", "X-AMZN-MTLS-ANYTHING",
        "X_Amzn_Mtls_Clientcert", "X-Amzn_Mtls-Clientcert-Leaf", "X.Amzn.Mtls.Clientcert"}) {
    for (const std::string& forwarding : {std::string(), trusting}) {
      Forwarding exchange(get(std::string(name) + ": forged\r\nX-Amzn-Other: stays\r\n"),
                          forwarding);
      const std::string head = exchange.head();
      EXPECT_EQ(head.find("forged"), std::string::npos) << head;
      EXPECT_NE(head.find("X-Amzn-Other: stays"), std::string::npos) << head;
    }
  }
}

TEST(RequestHead, hop_by_hop_fields_end_here) {
  for (const char* const field :
       {"Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
        "TE: trailers", "Upgrade: websocket", "Expect: 100-continue"}) {
    Forwarding forwarding("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" +
                          std::string(field) + "\r\nX: y\r\n\r\nz");
    const std::string head = forwarding.head();
    EXPECT_EQ(head.find(field), std::string::npos) << field;
    EXPECT_NE(head.find("\r\nX: y\r\n"), std::string::npos) << field;
  }
}

// T9
TEST(RequestHead, fields_nominated_in_connection_end_here) {
  Forwarding forwarding(
      get("X-Hop: 1\r\nConnection: x-hop, close\r\nX-Other: 2\r\nconnection: X-OTHER\r\nX-Stays: "
          "3\r\n"));
  EXPECT_EQ(forwarding.lines("X-Hop"), Lines{});
  EXPECT_EQ(forwarding.lines("X-Other"), Lines{});
  EXPECT_EQ(forwarding.lines("Connection"), Lines{});
  EXPECT_EQ(forwarding.lines("X-Stays"), Lines{"X-Stays: 3"});
}

// T9
TEST(RequestHead, of_very_many_nominated_names_the_last_counts_too) {
  std::string many;
  for (int i = 0; i < 7500; ++i) many += "a,";
  std::string fields;
  for (int i = 0; i < 4; ++i) fields += "Connection: " + many + (i == 3 ? "x-last\r\n" : "b\r\n");
  for (int i = 0; i < 90; ++i) fields += "X-Field-" + std::to_string(i) + ": stays\r\n";
  Forwarding forwarding(get(fields + "A: 1\r\nB: 2\r\nX-Last: 3\r\nX-Lost: 4\r\n"));
  for (const char* const name : {"A", "B", "X-Last", "Connection"}) {
    EXPECT_EQ(forwarding.lines(name), Lines{}) << name;
  }
  EXPECT_EQ(forwarding.lines("X-Lost"), Lines{"X-Lost: 4"});
  EXPECT_EQ(forwarding.lines("X-Field-0"), Lines{"X-Field-0: stays"});
  EXPECT_EQ(forwarding.lines("X-Field-89"), Lines{"X-Field-89: stays"});
}

// T9
TEST(RequestHead, protected_fields_cannot_be_nominated) {
  struct Case {
    const char* name;
    const char* value;
  };
  for (const Case& each :
       {Case{"Authorization", "Basic x"}, Case{"Cookie", "a=b"}, Case{"Content-Type", "text/plain"},
        Case{"X-Amzn-Trace-Id", "Root=1"}, Case{"Via", "1.1 other"},
        Case{"Cache-Control", "no-store"}, Case{"Origin", "https://a"}}) {
    const std::string line = std::string(each.name) + ": " + each.value;
    Forwarding forwarding(get("Connection: " + std::string(each.name) + "\r\n" + line + "\r\n"));
    EXPECT_EQ(forwarding.lines(each.name), Lines{line});
  }
  Forwarding ours(get("Connection: X-Forwarded-For, X-Forwarded-Proto, X-Request-Id, Host\r\n"));
  for (const char* const name : {"X-Forwarded-For", "X-Forwarded-Proto", "X-Request-Id", "Host"}) {
    EXPECT_EQ(ours.lines(name).size(), 1U) << name;
  }
  Forwarding framed(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: content-length\r\nContent-Length: 2\r\n\r\nab");
  EXPECT_EQ(framed.lines("Content-Length"), Lines{"Content-Length: 2"});
}

// T10
TEST(RequestHead, names_that_only_resemble_one_of_ours_are_dropped) {
  for (const char* const name :
       {"X_Forwarded_For", "X-Forwarded_For", "x_forwarded_proto", "X.Forwarded.Port",
        "Content_Length", "Transfer_Encoding", "X_Request_Id", "X_Real_IP", "Host_"}) {
    Forwarding forwarding(get(std::string(name) + ": forged\r\nX_Own: mine\r\n"));
    const bool resembles = std::string_view(name) != "Host_";
    EXPECT_EQ(forwarding.lines(name).empty(), resembles) << name;
    EXPECT_EQ(forwarding.lines("X_Own"), Lines{"X_Own: mine"});
  }
  // Trust in the peer does not make them any clearer.
  Forwarding trusted(get("X_Forwarded_For: 1.2.3.4\r\n"), trusting);
  EXPECT_EQ(trusted.lines("X_Forwarded_For"), Lines{});
}

TEST(RequestHead, a_field_of_ours_that_was_sent_twice_is_sent_once) {
  Forwarding forwarding(
      get("X-Forwarded-Proto: https\r\nx-forwarded-proto: ftp\r\n"
          "X-Request-Id: a\r\nX-Request-Id: b\r\ntraceparent: x\r\nTraceparent: y\r\n"));
  for (const char* const name : {"X-Forwarded-Proto", "X-Request-Id", "traceparent"}) {
    EXPECT_EQ(forwarding.lines(name).size(), 1U) << name;
  }
}

// ---------------------------------------------------------------- framing

TEST(RequestHead, the_framing_that_was_decided_is_the_only_one_sent) {
  Forwarding chunked("POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.lines("Transfer-Encoding"), Lines{"Transfer-Encoding: chunked"});
  EXPECT_EQ(chunked.lines("Content-Length"), Lines{});
  Forwarding length("POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 003\r\n\r\nabc");
  EXPECT_EQ(length.lines("Transfer-Encoding"), Lines{});
  EXPECT_EQ(length.lines("Content-Length"), Lines{"content-length: 003"});
  Forwarding empty("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(empty.lines("Content-Length"), Lines{"Content-Length: 0"});
  Forwarding none(get(""));
  EXPECT_EQ(none.lines("Content-Length"), Lines{});
  EXPECT_EQ(none.lines("Transfer-Encoding"), Lines{});
}

TEST(RequestHead, trailers_are_announced_only_when_some_may_pass) {
  const std::string request = get("Trailer: X-T\r\n");
  Forwarding usual(request);
  EXPECT_EQ(usual.lines("Trailer"), Lines{});
  Forwarding allowed(request, "trailers: [x-t]");
  EXPECT_EQ(allowed.lines("Trailer"), Lines{"Trailer: X-T"});
}

// ---------------------------------------------------------------- line and host

TEST(RequestHead, the_normal_form_of_the_path_is_what_the_target_sees) {
  Forwarding forwarding("GET //a/./b/%2e%2E/%63?x=%2f HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(forwarding.head().starts_with("GET /a/c?x=%2f HTTP/1.1\r\n")) << forwarding.head();
  Forwarding empty_query("GET /? HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(empty_query.head().starts_with("GET /? HTTP/1.1\r\n"));
  Forwarding asterisk("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(asterisk.head().starts_with("OPTIONS * HTTP/1.1\r\n"));
}

TEST(RequestHead, the_authority_of_an_absolute_target_replaces_the_host) {
  Forwarding forwarding("GET http://real.example/x HTTP/1.1\r\nHost: other.example\r\n\r\n");
  EXPECT_TRUE(forwarding.head().starts_with("GET /x HTTP/1.1\r\n"));
  EXPECT_EQ(forwarding.lines("Host"), Lines{"Host: real.example"});
}

TEST(RequestHead, a_request_without_a_host_gets_the_targets) {
  Forwarding old("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.head().starts_with("GET / HTTP/1.1\r\n"));
  EXPECT_EQ(old.lines("Host"), Lines{"Host: " + std::string(target_id)});
  Forwarding replaced(get(""), "preserve_host: false");
  EXPECT_EQ(replaced.lines("Host"), Lines{"Host: " + std::string(target_id)});
}

TEST(RequestHead, via_is_added_when_asked_for) {
  Forwarding forwarding(get("Via: 1.0 before\r\n"), "via: true");
  EXPECT_EQ(forwarding.lines("Via"), (Lines{"Via: 1.0 before", "Via: 1.1 sluice"}));
  Forwarding old("GET / HTTP/1.0\r\n\r\n", "via: true");
  EXPECT_EQ(old.lines("Via"), Lines{"Via: 1.0 sluice"});
}

// ---------------------------------------------------------------- who the client is (T11)

struct ForwardedCase {
  const char* name;
  const char* settings;
  const char* peer;
  const char* arrived;  // field lines
  Lines expected;
};

TEST(RequestHead, x_forwarded_for_follows_mode_and_trust) {
  const ForwardedCase cases[] = {
      {"no field arrived", "", "192.0.2.1", "", {"X-Forwarded-For: 192.0.2.1"}},
      {"a forged one is replaced",
       "",
       "192.0.2.1",
       "X-Forwarded-For: 1.2.3.4\r\n",
       {"X-Forwarded-For: 192.0.2.1"}},
      {"a trusted one is continued",
       trusting.c_str(),
       "192.0.2.1",
       "X-Forwarded-For: 1.2.3.4, 10.0.0.1\r\n",
       {"X-Forwarded-For: 1.2.3.4, 10.0.0.1, 192.0.2.1"}},
      {"several are one list",
       trusting.c_str(),
       "192.0.2.1",
       "X-Forwarded-For: 1.2.3.4\r\nx-forwarded-for: 10.0.0.1\r\nX-Forwarded-For: \r\n",
       {"X-Forwarded-For: 1.2.3.4, 10.0.0.1, 192.0.2.1"}},
      {"a peer outside the ranges is not trusted",
       trusting.c_str(),
       "198.51.100.7",
       "X-Forwarded-For: 1.2.3.4\r\n",
       {"X-Forwarded-For: 198.51.100.7"}},
      {"with the port", "client_port: true", "192.0.2.1", "", {"X-Forwarded-For: 192.0.2.1:50000"}},
      {"v6", "", "2001:db8::1", "", {"X-Forwarded-For: 2001:db8::1"}},
      {"v6 with the port",
       "client_port: true",
       "2001:db8::1",
       "",
       {"X-Forwarded-For: [2001:db8::1]:50000"}},
      {"v4 in v6",
       "client_port: true",
       "::ffff:192.0.2.1",
       "",
       {"X-Forwarded-For: 192.0.2.1:50000"}},
      {"preserve",
       "x_forwarded_for: preserve",
       "192.0.2.1",
       "X-Forwarded-For: 1.2.3.4\r\n",
       {"X-Forwarded-For: 1.2.3.4"}},
      {"preserve nothing", "x_forwarded_for: preserve", "192.0.2.1", "", {}},
      {"remove", "x_forwarded_for: remove", "192.0.2.1", "X-Forwarded-For: 1.2.3.4\r\n", {}},
  };
  for (const ForwardedCase& each : cases) {
    Forwarding forwarding(get(each.arrived), each.settings, each.peer);
    EXPECT_EQ(forwarding.lines("X-Forwarded-For"), each.expected) << each.name;
  }
}

TEST(RequestHead, other_forwarding_fields_are_believed_from_trusted_peers_only) {
  const std::string request =
      get("X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Host: h\r\n"
          "X-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\n");
  Forwarding untrusted(request);
  EXPECT_EQ(untrusted.lines("X-Forwarded-Proto"), Lines{"X-Forwarded-Proto: http"});
  EXPECT_EQ(untrusted.lines("X-Forwarded-Port"), Lines{"X-Forwarded-Port: 0"});
  EXPECT_EQ(untrusted.lines("X-Forwarded-Host"), Lines{});
  EXPECT_EQ(untrusted.lines("X-Real-IP"), Lines{});
  EXPECT_EQ(untrusted.lines("Forwarded"), Lines{});
  Forwarding trusted(request, trusting);
  EXPECT_EQ(trusted.lines("X-Forwarded-Proto"), Lines{"X-Forwarded-Proto: https"});
  EXPECT_EQ(trusted.lines("X-Forwarded-Port"), Lines{"X-Forwarded-Port: 8443"});
  EXPECT_EQ(trusted.lines("X-Forwarded-Host"), Lines{"X-Forwarded-Host: h"});
  EXPECT_EQ(trusted.lines("X-Real-IP"), Lines{"X-Real-IP: 1.2.3.4"});
  EXPECT_EQ(trusted.lines("Forwarded"), Lines{"Forwarded: for=1.2.3.4"});
}

TEST(ClientIdentity, it_is_the_first_address_from_the_right_that_is_no_proxy_of_ours) {
  struct Case {
    const char* arrived;
    const char* client;
  };
  for (const Case& each : {
           Case{"", "192.0.2.1"},
           Case{"X-Forwarded-For: 1.2.3.4\r\n", "1.2.3.4"},
           Case{"X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n", "1.2.3.4"},
           Case{"X-Forwarded-For: 1.2.3.4, 10.1.1.1\r\n", "1.2.3.4"},
           Case{"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.1.1.1\r\n", "1.2.3.4"},
           Case{"X-Forwarded-For: 1.2.3.4, nonsense, 10.1.1.1\r\n", "10.1.1.1"},
           Case{"X-Forwarded-For: unknown\r\n", "192.0.2.1"},
           Case{"X-Forwarded-For: 10.1.1.1, 10.2.2.2\r\n", "10.1.1.1"},
           Case{"X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"},
       }) {
    const Forwarding forwarding(get(each.arrived), trusting);
    EXPECT_EQ(forwarding.exchange.client, base::IpAddress::parse(each.client)) << each.arrived;
    EXPECT_TRUE(forwarding.exchange.peer_is_trusted);
  }
  const Forwarding untrusted(get("X-Forwarded-For: 1.2.3.4\r\n"));
  EXPECT_EQ(untrusted.exchange.client, base::IpAddress::parse("192.0.2.1"));
  EXPECT_FALSE(untrusted.exchange.peer_is_trusted);
  EXPECT_EQ(untrusted.exchange.client_text, "");
}

// ---------------------------------------------------------------- request id

TEST(RequestId, a_new_one_is_32_hexadecimal_digits_and_never_the_same) {
  Forwarding one(get("X-Request-Id: forged\r\n"));
  Forwarding other(get(""));
  const std::string_view id = one.exchange.request_id;
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string_view::npos);
  EXPECT_NE(id, other.exchange.request_id);
  EXPECT_EQ(one.lines("X-Request-Id"), Lines{"X-Request-Id: " + std::string(id)});
}

TEST(RequestId, a_trusted_peers_own_is_kept_when_it_is_not_too_long) {
  Forwarding kept(get("X-Request-Id: their-own\r\n"), trusting);
  EXPECT_EQ(kept.lines("X-Request-Id"), Lines{"X-Request-Id: their-own"});
  Forwarding longest(get("X-Request-Id: " + std::string(128, 'x') + "\r\n"), trusting);
  EXPECT_EQ(longest.exchange.request_id, std::string(128, 'x'));
  Forwarding too_long(get("X-Request-Id: " + std::string(129, 'x') + "\r\n"), trusting);
  EXPECT_EQ(too_long.exchange.request_id.size(), 32U);
  Forwarding empty(get("X-Request-Id: \r\n"), trusting);
  EXPECT_EQ(empty.exchange.request_id.size(), 32U);
}

// ---------------------------------------------------------------- trace context

constexpr std::string_view trace = "4bf92f3577b34da6a3ce929d0e0e4736";

TEST(TraceParent, a_valid_trace_is_continued_with_a_parent_of_ours) {
  Forwarding forwarding(get("traceparent: 00-" + std::string(trace) +
                            "-00f067aa0ba902b7-01\r\ntracestate: vendor=1\r\n"));
  const Lines lines = forwarding.lines("traceparent");
  ASSERT_EQ(lines.size(), 1U);
  const std::string value = lines[0].substr(13);
  EXPECT_EQ(value.size(), 55U);
  EXPECT_EQ(value.substr(0, 36), "00-" + std::string(trace) + "-");
  EXPECT_NE(value.substr(36, 16), "00f067aa0ba902b7");
  EXPECT_EQ(value.substr(52), "-01");
  EXPECT_EQ(forwarding.lines("tracestate"), Lines{"tracestate: vendor=1"});
}

TEST(TraceParent, an_invalid_trace_is_replaced_and_its_state_dropped) {
  for (const std::string& value : std::vector<std::string>{
           "",
           "nonsense",
           "01-" + std::string(trace) + "-00f067aa0ba902b7-01",
           "00-" + std::string(32, '0') + "-00f067aa0ba902b7-01",
           "00-" + std::string(trace) + "-0000000000000000-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
           "00-" + std::string(trace) + "-00f067aa0ba902b7-01-x",
           "00-" + std::string(trace) + "_00f067aa0ba902b7-01",
       }) {
    Forwarding forwarding(get("traceparent: " + value + "\r\ntracestate: vendor=1\r\n"));
    const Lines lines = forwarding.lines("traceparent");
    ASSERT_EQ(lines.size(), 1U) << value;
    const std::string fresh = lines[0].substr(13);
    EXPECT_EQ(fresh.size(), 55U) << value;
    EXPECT_TRUE(fresh.starts_with("00-")) << value;
    EXPECT_EQ(fresh.find(trace), std::string::npos) << value;
    EXPECT_NE(fresh.substr(3, 32), std::string(32, '0'));
    EXPECT_EQ(forwarding.lines("tracestate"), Lines{}) << value;
  }
}

// ---------------------------------------------------------------- size

TEST(RequestHead, the_longest_head_that_is_accepted_can_be_written) {
  std::string fields;
  for (int i = 0; i < 100; ++i) {
    fields += "X-" + std::to_string(i) + ": " + std::string(500, 'v') + "\r\n";
  }
  Forwarding many(get(fields));
  EXPECT_GT(many.head().size(), fields.size());
  // The authority is written as Host, too.
  const std::string host = std::string(60, 'h') + ".example";
  Forwarding absolute("GET http://" + host + "/" + std::string(16'000, 'p') +
                      " HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(absolute.lines("Host"), Lines{"Host: " + host});
  std::string addresses;
  for (int i = 0; i < 3000; ++i) addresses += "10.0.0.1, ";
  Forwarding list(get("X-Forwarded-For: " + addresses + "10.0.0.1\r\n"), trusting);
  EXPECT_EQ(list.lines("X-Forwarded-For"),
            Lines{"X-Forwarded-For: " + addresses + "10.0.0.1, 192.0.2.1"});
}

// ---------------------------------------------------------------- answers

// What the client receives when the target sends `answer`, without our Date.
std::string relayed(const std::string& request, const std::string& answer,
                    const std::string& more = {}) {
  support::ProxyRig rig;
  support::Server target;
  rig.apply(support::forward_all({target.port()}, more));
  support::Peer client = rig.client();
  client.send(request);
  support::Peer upstream = rig.accepted_by(target);
  EXPECT_TRUE(rig.receives(upstream, "\r\n\r\n"));
  upstream.send(answer);
  EXPECT_TRUE(
      rig.waits_for([&] { return rig.count(observe::Metric::requests_total, {"web"}) == 1; }));
  EXPECT_TRUE(rig.waits_for([&] { return !client.received().empty(); }));
  return client.received();
}

TEST(AnswerHead, fields_pass_as_sent_less_hop_by_hop_and_nominated_ones) {
  EXPECT_EQ(relayed(get(""),
                    "HTTP/1.1 201 Made It\r\nServer: t\r\nX-Hop: 1\r\nConnection: x-hop\r\n"
                    "Keep-Alive: timeout=5\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\n"
                    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok"),
            "HTTP/1.1 201 Made It\r\nServer: t\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok");
}

TEST(AnswerHead, chunks_are_written_anew_without_extensions_and_trailers) {
  EXPECT_EQ(
      relayed(get(""),
              "HTTP/1.1 200 OK\r\nDate: d\r\ntransfer-encoding: chunked\r\nTrailer: x-t\r\n\r\n"
              "2;ext=1\r\nok\r\n0\r\nX-T: v\r\n\r\n"),
      "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n");
}

// T4
TEST(AnswerHead, only_trailers_that_are_listed_pass) {
  EXPECT_EQ(relayed(get(""),
                    "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "2\r\nok\r\n0\r\nX-T: v\r\nX-Other: w\r\n\r\n",
                    "forwarding: { trailers: [x-t] }\n"),
            "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n"
            "2\r\nok\r\n0\r\nX-T: v\r\n\r\n");
}

TEST(AnswerHead, an_old_client_gets_an_answer_that_it_understands) {
  EXPECT_EQ(relayed("GET / HTTP/1.0\r\nHost: a\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n"
                    "2\r\nok\r\n0\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\n\r\nok");
  EXPECT_EQ(relayed("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\n\r\nok"),
            "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
}

TEST(AnswerHead, an_answer_to_head_keeps_the_length_that_it_would_have) {
  EXPECT_EQ(relayed("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
                    "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 42\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 42\r\n\r\n");
  EXPECT_EQ(relayed(get(""), "HTTP/1.1 304 Not Modified\r\nDate: d\r\nContent-Length: 42\r\n\r\n"),
            "HTTP/1.1 304 Not Modified\r\nDate: d\r\nContent-Length: 42\r\n\r\n");
}

TEST(AnswerHead, a_date_is_added_when_the_target_sent_none) {
  const std::string answer = relayed(get(""), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 204 No Content\r\nDate: ")) << answer;
  EXPECT_TRUE(answer.ends_with(" GMT\r\n\r\n")) << answer;
}

TEST(AnswerHead, early_hints_pass_and_other_interim_answers_do_not_end_the_waiting) {
  EXPECT_EQ(relayed(get(""),
                    "HTTP/1.1 100 Continue\r\n\r\n"
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close\r\n\r\n"
                    "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 0\r\n\r\n"),
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 0\r\n\r\n");
}

}  // namespace
}  // namespace sluice::proxy
