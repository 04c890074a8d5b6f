// Sessions as the clients' cookies tell them: which target, how old, whose; and the cookies that
// are given out.
#include "proxy/stickiness.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "proxy/identify.h"
#include "sluice/base/hash.h"
#include "support/proxy_rig.h"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;
using Kind = StickySession::Kind;
using Result = upstream::SessionResult;

const std::string lb_cookie = "type: lb_cookie";
const std::string app_cookie = "type: app_cookie, cookie_name: JSESSIONID";
const std::string first_secret(32, 'a');
const std::string second_secret(32, 'b');
const std::string keys = "cookie_keys: [ " + first_secret + " ]\n";

// One instance of Sluice with one group, "targets" unless named otherwise, and requests that have
// been read.
class Site {
 public:
  explicit Site(const std::string& stickiness, const std::string& more = keys,
                const std::string& group = "targets") {
    const std::string yaml =
        "listeners:\n"
        "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: " +
        group +
        " } }\n"
        "target_groups:\n"
        "  - { name: " +
        group + ", targets: [ { address: \"10.0.1.11:8080\" } ]" +
        (stickiness.empty() ? "" : ", stickiness: { " + stickiness + " }") + " }\n" + more;
    config::Problems problems;
    snapshot_ = rig_.build(yaml, problems);
    for (const config::Problem& problem : problems.sorted()) ADD_FAILURE() << problem.text();
    auto slot = std::make_shared<ListenerSlot>();
    slot->name = "web";
    slot->view = std::make_shared<const View>(rig_.worker().cells(), snapshot_,
                                              std::vector<std::shared_ptr<upstream::Group>>{});
    slot->listener = &slot->view->listeners[0];
    support::Pair pair = support::unix_pair();
    connection_ = std::make_unique<Connection>(rig_.worker(), slot, std::move(pair.ours),
                                               *net::Endpoint::numeric("192.0.2.1", 50'000));
    set_time(0s);
  }
  ~Site() { exchange_.clear(); }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  // Since the beginning of the test.
  void set_time(std::chrono::milliseconds time) {
    const base::WallTime began{std::chrono::seconds(1'700'000'000)};
    rig_.worker().loop().clock.set(base::SteadyTime(1h) + time, began + time);
  }

  // A request with these field lines.
  Exchange& ask(const std::string& fields = {}) {
    exchange_.clear();
    exchange_.begin(*connection_, base::Steady::now());
    exchange_.group_settings = snapshot_->groups[0].get();
    text_ = "GET /p?q=1 HTTP/1.1\r\nHost: a.example\r\n" + fields + "\r\n";
    http::H1Parser parser({65536, 65536, 65536, 200});
    EXPECT_EQ(parser.parse(base::as_bytes(text_), exchange_.request), http::Progress::complete)
        << observe::text(parser.reason());
    identify_client(exchange_);
    return exchange_;
  }
  StickySession find(const std::string& cookies = {}) {
    return find_session(ask(cookies.empty() ? "" : "Cookie: " + cookies + "\r\n"));
  }

  // The Set-Cookie value that goes with an answer of `target` to a request with these cookies.
  std::string give(const target::Target& target, const std::string& cookies = {},
                   const std::string& answer_cookie = {}) {
    const StickySession session = find(cookies);
    if (!answer_cookie.empty()) exchange_.answer.fields.add("Set-Cookie", answer_cookie);
    return set_cookie_for(exchange_, session, target);
  }
  std::optional<Result> result(const target::Target& target, const std::string& cookies = {}) {
    const StickySession session = find(cookies);
    return session_result(exchange_, session, target);
  }

 private:
  support::ProxyRig rig_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::unique_ptr<Connection> connection_;
  std::string text_;
  Exchange exchange_;
};

const target::Target one("targets", "10.0.1.11:8080", net::Endpoint());
const target::Target two("targets", "10.0.1.12:8080", net::Endpoint());

// What a client sends back: name and value.
std::string pair_of(const std::string& set_cookie) {
  return set_cookie.substr(0, set_cookie.find(';'));
}
std::string value_of(const std::string& set_cookie) {
  const std::string pair = pair_of(set_cookie);
  return pair.substr(pair.find('=') + 1);
}
std::string attributes_of(const std::string& set_cookie) {
  return set_cookie.substr(pair_of(set_cookie).size());
}

// ---------------------------------------------------------------- lb_cookie

TEST(Stickiness, a_group_without_it_has_no_sessions_and_gives_no_cookies) {
  Site site("");
  Site other(lb_cookie);
  const std::string cookies = pair_of(other.give(one));
  EXPECT_EQ(site.find(cookies).kind, Kind::none);
  EXPECT_EQ(site.give(one, cookies), "");
  EXPECT_EQ(site.result(one, cookies), std::nullopt);
}

TEST(LbCookie, the_first_answer_gives_a_cookie_that_names_its_target) {
  Site site(lb_cookie);
  EXPECT_EQ(site.find().kind, Kind::none);
  EXPECT_EQ(site.result(one), Result::fresh);
  const std::string cookie = site.give(one);
  EXPECT_TRUE(cookie.starts_with("SLUICE="));
  const StickySession session = site.find("theme=dark; " + pair_of(cookie) + "; x=y");
  EXPECT_EQ(session.kind, Kind::found);
  EXPECT_EQ(session.target_id, "10.0.1.11:8080");
  EXPECT_EQ(session.issued_at, base::WallTime(1'700'000'000s));
  EXPECT_EQ(session.hash, std::nullopt);
}

TEST(LbCookie, it_tells_neither_the_target_nor_which_targets_are_the_same) {
  Site site(lb_cookie);
  const target::Target short_one("targets", "10.0.1.1:80", net::Endpoint());
  const std::string cookie = site.give(one);
  EXPECT_EQ(cookie.find("10.0"), std::string::npos);
  EXPECT_NE(value_of(cookie), value_of(site.give(one)));
  EXPECT_EQ(cookie.size(), site.give(short_one).size());
}

TEST(LbCookie, ids_of_every_length_come_back_whole) {
  Site site(lb_cookie);
  for (std::size_t size = 1; size <= 300; ++size) {
    const target::Target target("targets", std::string(size, 'x'), net::Endpoint());
    EXPECT_EQ(site.find(pair_of(site.give(target))).target_id, target.id());
  }
}

TEST(LbCookie, a_session_that_is_kept_gets_no_cookie_until_a_tenth_of_the_duration_has_passed) {
  Site site(lb_cookie + ", duration: 100s");
  const std::string cookie = pair_of(site.give(one));
  site.set_time(9'999ms);
  EXPECT_EQ(site.give(one, cookie), "");
  EXPECT_EQ(site.result(one, cookie), Result::kept);
  site.set_time(10s);
  const std::string renewed = site.give(one, cookie);
  ASSERT_NE(renewed, "");
  EXPECT_EQ(site.result(one, cookie), Result::kept);
  // The time runs anew.
  site.set_time(109s);
  EXPECT_EQ(site.find(pair_of(renewed)).kind, Kind::found);
  EXPECT_EQ(site.find(cookie).kind, Kind::expired);
}

TEST(LbCookie, it_ends_with_its_duration_whatever_the_client_keeps) {
  Site site(lb_cookie + ", duration: 100s, max_age: false");
  const std::string cookie = pair_of(site.give(one));
  site.set_time(99'999ms);
  EXPECT_EQ(site.find(cookie).kind, Kind::found);
  site.set_time(100s);
  EXPECT_EQ(site.find(cookie).kind, Kind::expired);
  EXPECT_EQ(site.find(cookie).target_id, "") << "nobody shall be sent there by it";
  EXPECT_EQ(site.result(two, cookie), Result::expired);
  EXPECT_EQ(site.find(pair_of(site.give(two, cookie))).target_id, two.id());
}

TEST(LbCookie, a_shorter_duration_holds_at_once_for_cookies_given_before) {
  Site before(lb_cookie + ", duration: 100s");
  Site after(lb_cookie + ", duration: 10s");
  const std::string cookie = pair_of(before.give(one));
  after.set_time(9s);
  EXPECT_EQ(after.find(cookie).kind, Kind::found);
  after.set_time(10s);
  EXPECT_EQ(after.find(cookie).kind, Kind::expired);
}

TEST(LbCookie, an_instance_whose_clock_is_behind_believes_it_and_one_far_behind_does_not) {
  Site ahead(lb_cookie + ", duration: 100s");
  Site behind(lb_cookie + ", duration: 100s");
  ahead.set_time(50s);
  const std::string cookie = pair_of(ahead.give(one));
  EXPECT_EQ(behind.find(cookie).kind, Kind::found);
  EXPECT_EQ(behind.give(one, cookie), "");
  ahead.set_time(100s);
  EXPECT_EQ(behind.find(pair_of(ahead.give(one))).kind, Kind::expired);
}

TEST(LbCookie, another_target_gets_a_cookie_of_its_own_at_once) {
  Site site(lb_cookie);
  const std::string cookie = pair_of(site.give(one));
  EXPECT_EQ(site.result(two, cookie), Result::repinned);
  const std::string moved = site.give(two, cookie);
  EXPECT_EQ(site.find(pair_of(moved)).target_id, two.id());
}

TEST(LbCookie, every_forged_character_makes_it_invalid) {
  Site site(lb_cookie);
  const std::string value = value_of(site.give(one));
  for (std::size_t i = 0; i < value.size(); ++i) {
    std::string forged = value;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    const StickySession session = site.find("SLUICE=" + forged);
    EXPECT_EQ(session.kind, Kind::invalid) << i;
    EXPECT_EQ(session.target_id, "");
  }
  EXPECT_EQ(site.result(one, "SLUICE=" + value + "A"), Result::invalid);
  EXPECT_NE(site.give(one, "SLUICE=" + value + "A"), "");
}

TEST(LbCookie, garbage_is_invalid_and_never_more) {
  Site site(lb_cookie);
  for (const std::string value : {"", "x", "\"\"", "10.0.1.11:8080", "AQ", "=", "%00", "a b"}) {
    EXPECT_EQ(site.find("SLUICE=" + value).kind, Kind::invalid) << value;
  }
  EXPECT_EQ(site.find("SLUICE=" + std::string(10'000, 'A')).kind, Kind::invalid);
  EXPECT_EQ(site.find("SLUICE").kind, Kind::none);
  EXPECT_EQ(site.find("sluice=x").kind, Kind::none);
}

TEST(LbCookie, a_sealed_text_that_is_no_session_is_invalid) {
  Site site(lb_cookie);
  const net::Sealer sealer(std::vector<std::string>{first_secret});
  for (const std::string& plain :
       {std::string(), std::string("\1", 1), std::string(9, '\1'), std::string(32, '\2')}) {
    EXPECT_EQ(site.find("SLUICE=" + sealer.seal(plain, "lb_cookie:targets")).kind, Kind::invalid);
  }
}

TEST(LbCookie, the_first_good_one_of_several_counts) {
  Site site(lb_cookie + ", duration: 100s");
  const std::string old = pair_of(site.give(one));
  site.set_time(100s);
  const std::string good = pair_of(site.give(two));
  const std::string later = pair_of(site.give(one));
  EXPECT_EQ(site.find("SLUICE=x; " + old + "; " + good + "; " + later).target_id, two.id());
  EXPECT_EQ(site.find("SLUICE=x; " + old).kind, Kind::expired);
  EXPECT_EQ(site.find(old + "; SLUICE=x").kind, Kind::expired);
}

TEST(LbCookie, no_more_than_four_are_opened) {
  Site site(lb_cookie);
  const std::string good = pair_of(site.give(one));
  EXPECT_EQ(site.find("SLUICE=1; SLUICE=2; SLUICE=3; " + good).kind, Kind::found);
  EXPECT_EQ(site.find("SLUICE=1; SLUICE=2; SLUICE=3; SLUICE=4; " + good).kind, Kind::invalid);
}

TEST(LbCookie, it_is_found_among_a_thousand_others) {
  Site site(lb_cookie);
  std::string cookies;
  for (int i = 0; i < 1000; ++i)
    cookies += "c" + std::to_string(i) + "=" + std::to_string(i) + "; ";
  EXPECT_EQ(site.find(cookies + pair_of(site.give(one))).kind, Kind::found);
  EXPECT_EQ(site.find(cookies).kind, Kind::none);
}

TEST(LbCookie, several_cookie_fields_are_one_list) {
  Site site(lb_cookie);
  const std::string cookie = pair_of(site.give(one));
  EXPECT_EQ(find_session(site.ask("Cookie: a=b\r\nX: y\r\ncookie: " + cookie + "\r\n")).kind,
            Kind::found);
}

TEST(LbCookie, a_cookie_of_another_group_or_type_is_invalid) {
  Site site(lb_cookie);
  Site other(lb_cookie, keys, "other");
  EXPECT_EQ(site.find(pair_of(other.give(one))).kind, Kind::invalid);
  Site application(app_cookie);
  const std::string companion = application.give(one, "", "JSESSIONID=1");
  EXPECT_EQ(site.find("SLUICE=" + value_of(companion)).kind, Kind::invalid);
}

TEST(LbCookie, instances_with_the_same_keys_agree_and_others_do_not) {
  Site site(lb_cookie);
  Site same(lb_cookie);
  Site rotated(lb_cookie, "cookie_keys: [ " + second_secret + ", " + first_secret + " ]\n");
  Site removed(lb_cookie, "cookie_keys: [ " + second_secret + " ]\n");
  Site without_keys(lb_cookie, "");
  const std::string cookie = pair_of(site.give(one));
  EXPECT_EQ(same.find(cookie).kind, Kind::found);
  EXPECT_EQ(rotated.find(cookie).kind, Kind::found);
  EXPECT_EQ(removed.find(cookie).kind, Kind::invalid);
  EXPECT_EQ(without_keys.find(cookie).kind, Kind::invalid);
  EXPECT_EQ(removed.find(pair_of(rotated.give(one))).kind, Kind::found);
}

// ---------------------------------------------------------------- attributes

TEST(StickyCookie, the_attributes_are_those_of_the_configuration) {
  const auto attributes = [](const std::string& more) {
    Site site(lb_cookie + more);
    return attributes_of(site.give(one));
  };
  EXPECT_EQ(attributes(""), "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax");
  EXPECT_EQ(attributes(", duration: 1s"), "; Path=/; Max-Age=1; HttpOnly; SameSite=Lax");
  EXPECT_EQ(attributes(", duration: 1500ms"), "; Path=/; Max-Age=2; HttpOnly; SameSite=Lax");
  EXPECT_EQ(attributes(", max_age: false"), "; Path=/; HttpOnly; SameSite=Lax");
  EXPECT_EQ(attributes(", path: /app"), "; Path=/app; Max-Age=86400; HttpOnly; SameSite=Lax");
  EXPECT_EQ(attributes(", domain: example.com"),
            "; Path=/; Domain=example.com; Max-Age=86400; HttpOnly; SameSite=Lax");
  EXPECT_EQ(attributes(", http_only: false"), "; Path=/; Max-Age=86400; SameSite=Lax");
  EXPECT_EQ(attributes(", same_site: strict"),
            "; Path=/; Max-Age=86400; HttpOnly; SameSite=Strict");
  EXPECT_EQ(attributes(", same_site: unset"), "; Path=/; Max-Age=86400; HttpOnly");
  EXPECT_EQ(attributes(", same_site: none, secure: always"),
            "; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=None");
  EXPECT_EQ(attributes(", secure: never"), "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax");
}

TEST(StickyCookie, it_has_the_configured_name) {
  Site site(lb_cookie + ", cookie_name: lb");
  const std::string cookie = site.give(one);
  EXPECT_TRUE(cookie.starts_with("lb="));
  EXPECT_EQ(site.find(pair_of(cookie)).kind, Kind::found);
}

TEST(StickyCookie, secure_auto_believes_a_trusted_proxy_and_nobody_else) {
  const std::string trusting = keys + "forwarding: { trusted_proxies: [ 192.0.2.0/24 ] }\n";
  const auto is_secure = [](Site& site, const std::string& protocol) {
    const Exchange& exchange = site.ask("X-Forwarded-Proto: " + protocol + "\r\n");
    return set_cookie_for(exchange, {}, one).find("; Secure") != std::string::npos;
  };
  Site trusted(lb_cookie, trusting);
  EXPECT_TRUE(is_secure(trusted, "https"));
  EXPECT_TRUE(is_secure(trusted, "HTTPS , http"));
  EXPECT_FALSE(is_secure(trusted, "http"));
  EXPECT_FALSE(is_secure(trusted, "http, https"));
  EXPECT_FALSE(is_secure(trusted, ""));
  Site untrusted(lb_cookie);
  EXPECT_FALSE(is_secure(untrusted, "https"));
  Site never(lb_cookie + ", secure: never", trusting);
  EXPECT_FALSE(is_secure(never, "https"));
}

// ---------------------------------------------------------------- app_cookie

TEST(AppCookie, the_companion_is_given_when_the_answer_sets_the_cookie_of_the_application) {
  Site site(app_cookie);
  EXPECT_EQ(site.give(one), "");
  EXPECT_EQ(site.give(one, "", "OTHER=1; Path=/"), "");
  EXPECT_EQ(site.give(one, "JSESSIONID=1"), "") << "the session may be anywhere";
  const std::string companion = site.give(one, "", "JSESSIONID=1; Path=/; HttpOnly");
  EXPECT_TRUE(companion.starts_with(companion_cookie_name("targets") + "="));
  EXPECT_EQ(attributes_of(companion), "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax");
}

TEST(AppCookie, both_cookies_make_a_session_and_either_alone_makes_none) {
  Site site(app_cookie);
  const std::string companion = pair_of(site.give(one, "", "JSESSIONID=1"));
  EXPECT_EQ(site.find("JSESSIONID=whatever; " + companion).target_id, one.id());
  EXPECT_EQ(site.find(companion).kind, Kind::none);
  EXPECT_EQ(site.find("JSESSIONID=1").kind, Kind::none);
  EXPECT_EQ(site.find("JSESSIONID=1; " + companion + "x").kind, Kind::invalid);
  EXPECT_EQ(site.result(one, companion), Result::fresh);
  EXPECT_EQ(site.result(one, "JSESSIONID=1; " + companion), Result::kept);
}

TEST(AppCookie, a_session_that_moves_gets_a_new_companion_without_being_asked) {
  Site site(app_cookie);
  const std::string cookies = "JSESSIONID=1; " + pair_of(site.give(one, "", "JSESSIONID=1"));
  EXPECT_EQ(site.give(one, cookies), "");
  EXPECT_EQ(site.give(one, cookies, "JSESSIONID=2"), "") << "the one it has says the same";
  const std::string moved = site.give(two, cookies);
  EXPECT_EQ(site.find("JSESSIONID=1; " + pair_of(moved)).target_id, two.id());
}

TEST(AppCookie, a_session_in_use_is_renewed_and_an_expired_one_waits_for_the_application) {
  Site site(app_cookie + ", duration: 100s");
  const std::string cookies = "JSESSIONID=1; " + pair_of(site.give(one, "", "JSESSIONID=1"));
  site.set_time(10s);
  const std::string renewed = "JSESSIONID=1; " + pair_of(site.give(one, cookies));
  site.set_time(100s);
  EXPECT_EQ(site.find(cookies).kind, Kind::expired);
  EXPECT_EQ(site.find(renewed).kind, Kind::found);
  EXPECT_EQ(site.give(one, cookies), "");
  EXPECT_NE(site.give(one, cookies, "JSESSIONID=2"), "");
}

TEST(AppCookie, groups_have_companions_of_their_own) {
  EXPECT_NE(companion_cookie_name("a"), companion_cookie_name("b"));
  EXPECT_EQ(companion_cookie_name("targets").size(), 26U);
  Site site(app_cookie);
  Site other(app_cookie, keys, "other");
  const std::string value = value_of(other.give(one, "", "JSESSIONID=1"));
  EXPECT_EQ(site.find("JSESSIONID=1; " + companion_cookie_name("targets") + "=" + value).kind,
            Kind::invalid);
}

// ---------------------------------------------------------------- hash

TEST(StickyHash, the_key_of_the_request_decides_and_no_cookie_is_given) {
  Site site("type: hash, key: { cookie: sid }");
  const StickySession session = site.find("sid=42");
  EXPECT_EQ(session.kind, Kind::none);
  EXPECT_EQ(session.hash, base::hash("42"));
  EXPECT_EQ(site.find("sid=43").hash, base::hash("43"));
  EXPECT_EQ(site.find("other=42").hash, std::nullopt);
  EXPECT_EQ(site.give(one, "sid=42"), "");
  EXPECT_EQ(site.result(one, "sid=42"), std::nullopt);
}

}  // namespace
}  // namespace sluice::proxy
