// Which requests ask for a WebSocket, and which 101 accepts one.
#include "proxy/upgrade.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::proxy {
namespace {

using observe::Reason;

constexpr std::string_view key = "dGhlIHNhbXBsZSBub25jZQ==";         // RFC 6455 1.3
constexpr std::string_view accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";  // the same

using Lines = std::vector<std::pair<std::string_view, std::string_view>>;

void fill(http::Fields& fields, const Lines& lines) {
  for (const auto& [name, value] : lines) fields.add(name, value);
}

struct Judged {
  Reason reason;
  Upgrade upgrade;
};

Judged judge(const Lines& lines, http::Method method = http::Method::get, bool enabled = true,
             bool wants_upgrade = true) {
  Exchange exchange;
  upstream::GroupSettings group;
  group.websocket.enabled = enabled;
  exchange.group_settings = &group;
  exchange.request.method = method;
  exchange.request.wants_upgrade = wants_upgrade;
  fill(exchange.request.fields, lines);
  const Reason reason = judge_upgrade(exchange);
  return {reason, exchange.upgrade};
}

Lines sound() {
  return {{"Upgrade", "websocket"}, {"Sec-WebSocket-Key", key}, {"Sec-WebSocket-Version", "13"}};
}

TEST(JudgeUpgrade, accepts_a_sound_handshake) {
  const Judged judged = judge(sound());
  EXPECT_EQ(judged.reason, Reason::none);
  EXPECT_EQ(judged.upgrade, Upgrade::websocket);
}

TEST(JudgeUpgrade, leaves_alone_what_asks_for_no_websocket) {
  for (const Judged& judged :
       {judge(sound(), http::Method::get, true, false), judge(sound(), http::Method::get, false),
        judge({{"Upgrade", "foo"}}), judge({{"Upgrade", "websockets, web socket"}}),
        judge({{"Upgrade", "foo"}}, http::Method::post)}) {
    EXPECT_EQ(judged.reason, Reason::none);
    EXPECT_EQ(judged.upgrade, Upgrade::none);
  }
}

TEST(JudgeUpgrade, finds_it_among_several_protocols_in_letters_of_any_case) {
  Lines lines = sound();
  lines[0].second = "foo/1, WebSocket , bar";
  EXPECT_EQ(judge(lines).upgrade, Upgrade::websocket);
  lines[0].second = "foo";
  lines.emplace_back("upgrade", "WEBSOCKET");
  EXPECT_EQ(judge(lines).upgrade, Upgrade::websocket);
}

TEST(JudgeUpgrade, refuses_a_key_that_is_not_base64_of_16_bytes) {
  for (const std::string_view wrong :
       {"", "AQ==", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZXg=",
        "dGhlIHNhbXBsZSBub25jZX==x", "dGhlIHNhbXBsZSB-b25jZQ==", "dGhlIHNhbXBsZSBub25j====",
        "dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ=="}) {
    Lines lines = sound();
    lines[1].second = wrong;
    const Judged judged = judge(lines);
    EXPECT_EQ(judged.reason, Reason::websocket_handshake_invalid) << wrong;
    EXPECT_EQ(judged.upgrade, Upgrade::none);
  }
}

TEST(JudgeUpgrade, refuses_two_keys_and_methods_other_than_get) {
  Lines lines = sound();
  lines.emplace_back("sec-websocket-key", key);
  EXPECT_EQ(judge(lines).reason, Reason::websocket_handshake_invalid);
  for (const http::Method method : {http::Method::post, http::Method::head, http::Method::other}) {
    EXPECT_EQ(judge(sound(), method).reason, Reason::websocket_handshake_invalid);
  }
}

TEST(JudgeUpgrade, refuses_other_versions) {
  for (const std::string_view version : {"", "8", "12", "14", "013", "13, 8"}) {
    Lines lines = sound();
    lines[2].second = version;
    EXPECT_EQ(judge(lines).reason, Reason::websocket_version_not_supported) << version;
  }
}

Judged judge_with(const Lines& lines, bool by_connect, bool is_enabled, bool is_grpc) {
  Exchange exchange;
  upstream::GroupSettings group;
  group.http2.is_enabled = true;
  group.websocket.enabled = is_enabled;
  group.is_grpc = is_grpc;
  exchange.group_settings = &group;
  exchange.request.method = by_connect ? http::Method::connect : http::Method::get;
  exchange.request.wants_upgrade = !by_connect;
  if (by_connect) exchange.request.connect_protocol = "websocket";
  fill(exchange.request.fields, lines);
  const Reason reason = judge_upgrade(exchange);
  return {reason, exchange.upgrade};
}

TEST(JudgeUpgrade, takes_a_handshake_for_an_http_2_target) {
  const Judged judged = judge_with(sound(), false, true, false);
  EXPECT_EQ(judged.reason, Reason::none);
  EXPECT_EQ(judged.upgrade, Upgrade::websocket);
}

TEST(JudgeUpgrade, refuses_websockets_to_a_group_of_grpc) {
  for (const bool by_connect : {false, true}) {
    const Judged judged = judge_with(sound(), by_connect, true, true);
    EXPECT_EQ(judged.reason, Reason::websocket_refused);
    EXPECT_EQ(judged.upgrade, Upgrade::none);
  }
  EXPECT_EQ(judge_with({{"Upgrade", "h2c"}}, false, true, true).reason, Reason::none);
}

TEST(JudgeUpgrade, refuses_an_extended_connect_where_websockets_are_off) {
  EXPECT_EQ(judge_with(sound(), true, false, false).reason, Reason::websocket_refused);
  EXPECT_EQ(judge_with(sound(), false, false, false).reason, Reason::none);
}

TEST(JudgeUpgrade, refuses_other_versions_of_an_extended_connect) {
  EXPECT_EQ(judge_with({{"Sec-WebSocket-Version", "8"}}, true, true, false).reason,
            Reason::websocket_version_not_supported);
}

struct Answer {
  std::uint16_t status;
  bool http2 = true;
  Upgrade asked = Upgrade::websocket;
};

bool begins(const Answer& answer) {
  Exchange exchange;
  exchange.upgrade = answer.asked;
  exchange.answer.status = answer.status;
  exchange.answer.http2 = answer.http2;
  return begins_tunnel(exchange);
}

TEST(BeginsTunnel, by_101_in_http_1_and_by_2xx_in_http_2) {
  EXPECT_TRUE(begins({.status = 101, .http2 = false}));
  EXPECT_TRUE(begins({.status = 101, .http2 = false, .asked = Upgrade::none})) << "to be refused";
  EXPECT_FALSE(begins({.status = 200, .http2 = false}));
  for (const std::uint16_t status : {200, 201, 299}) EXPECT_TRUE(begins({.status = status}));
  for (const std::uint16_t status : {103, 199, 300, 403}) EXPECT_FALSE(begins({.status = status}));
  EXPECT_FALSE(begins({.status = 200, .asked = Upgrade::none}));
}

TEST(JudgeSwitch, takes_the_2xx_of_http_2_unless_it_ends_with_its_head) {
  for (const http::Framing framing : {http::Framing::chunked, http::Framing::none}) {
    Exchange exchange;
    exchange.upgrade = Upgrade::websocket;
    exchange.answer.status = 200;
    exchange.answer.http2 = true;
    exchange.answer.framing = framing;
    const bool ends = framing == http::Framing::none;
    EXPECT_EQ(judge_switch(exchange), ends ? Reason::target_upgrade_invalid : Reason::none);
  }
}

Reason judge_answer(const Lines& lines, Upgrade asked = Upgrade::websocket) {
  Exchange exchange;
  exchange.upgrade = asked;
  fill(exchange.request.fields, sound());
  exchange.answer.status = 101;
  fill(exchange.answer.fields, lines);
  return judge_switch(exchange);
}

TEST(JudgeSwitch, takes_the_101_that_answers_the_key) {
  EXPECT_EQ(judge_answer({{"Upgrade", "WebSocket"},
                          {"Connection", "keep-alive, Upgrade"},
                          {"Sec-WebSocket-Accept", accept}}),
            Reason::none);
}

TEST(JudgeSwitch, refuses_one_that_lacks_anything) {
  const Lines whole{
      {"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", accept}};
  for (std::size_t without = 0; without < whole.size(); ++without) {
    Lines lines = whole;
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(without));
    EXPECT_EQ(judge_answer(lines), Reason::target_upgrade_invalid) << whole[without].first;
  }
}

TEST(JudgeSwitch, refuses_another_accept_or_two) {
  for (const std::string_view wrong :
       {"", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO=", "S3PPLMBITXAQ9KYGZZHZRBK+XOO="}) {
    EXPECT_EQ(
        judge_answer(
            {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", wrong}}),
        Reason::target_upgrade_invalid);
  }
  EXPECT_EQ(judge_answer({{"Upgrade", "websocket"},
                          {"Connection", "Upgrade"},
                          {"Sec-WebSocket-Accept", accept},
                          {"Sec-WebSocket-Accept", accept}}),
            Reason::target_upgrade_invalid);
}

TEST(JudgeSwitch, refuses_one_that_nobody_asked_for) {
  EXPECT_EQ(
      judge_answer(
          {{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", accept}},
          Upgrade::none),
      Reason::target_response_malformed);
}

}  // namespace
}  // namespace sluice::proxy
