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
