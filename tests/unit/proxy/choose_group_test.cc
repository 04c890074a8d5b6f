// Which group takes a request, as weights, health and the clients' cookies say; and the cookies
// that are given out.
#include "proxy/choose_group.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "support/proxy_rig.h"

namespace sluice::proxy {
namespace {

using namespace std::chrono_literals;

const std::string secret(32, 'a');

std::string cookies_of(const Exchange& exchange) {
  std::string pairs;
  std::string_view rest = exchange.cookie_lines;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find("\r\n"));
    rest.remove_prefix(line.size() + 2);
    EXPECT_TRUE(line.starts_with("Set-Cookie: ")) << line;
    line.remove_prefix(12);
    if (!pairs.empty()) pairs += "; ";
    pairs += line.substr(0, line.find(';'));
  }
  return pairs;
}

// One instance with the groups blue, green (a target each) and empty (none); `forward` is the
// value of the default action.
class Site {
 public:
  explicit Site(const std::string& forward, const std::string& more = {}) {
    const std::string yaml =
        "listeners:\n"
        "  - { name: web, bind: \"127.0.0.1:0\", default_action: { forward: { " +
        forward +
        " } } }\n"
        "target_groups:\n"
        "  - { name: blue, targets: [ { address: \"10.0.1.11:80\" } ] }\n"
        "  - { name: green, targets: [ { address: \"10.0.1.12:80\" } ] }\n"
        "  - { name: empty, targets: [] }\n"
        "cookie_keys: [ " +
        secret + " ]\n" + more;
    config::Problems problems;
    snapshot_ = rig_.build(yaml, problems);
    for (const config::Problem& problem : problems.sorted()) ADD_FAILURE() << problem.text();
    std::vector<std::shared_ptr<upstream::Group>> groups;
    for (const auto& settings : snapshot_->groups) {
      for (const target::TargetSet::Member& member : settings->targets->members) {
        member.target->state = target::State::healthy;
      }
      groups.push_back(
          std::make_shared<upstream::Group>(rig_.worker().loop(), rig_.worker().cells(), settings));
    }
    auto slot = std::make_shared<ListenerSlot>();
    slot->name = "web";
    slot->view = std::make_shared<const View>(rig_.worker().cells(), snapshot_, std::move(groups));
    slot->listener = &slot->view->listeners[0];
    support::Pair pair = support::unix_pair();
    connection_ = std::make_unique<Connection>(rig_.worker(), slot, std::move(pair.ours),
                                               *net::Endpoint::numeric("192.0.2.1", 50'000));
    set_time(0s);
  }
  ~Site() { exchange_.clear(); }
  Site(const Site&) = delete;
  Site& operator=(const Site&) = delete;

  void set_time(std::chrono::milliseconds time) {
    const base::WallTime began{std::chrono::seconds(1'700'000'000)};
    rig_.worker().loop().clock.set(base::SteadyTime(1h) + time, began + time);
  }

  // The name of the group that takes a request with these cookies.
  std::string ask(const std::string& cookies = {}) {
    exchange_.clear();
    exchange_.begin(*connection_, base::Steady::now());
    exchange_.rule = &exchange_.listener->rules.back();
    exchange_.rule_group = &exchange_.rule->undecided();
    text_ = "GET / HTTP/1.1\r\nHost: a.example\r\n" +
            (cookies.empty() ? "" : "Cookie: " + cookies + "\r\n") + "\r\n";
    http::H1Parser parser({65536, 65536, 65536, 200});
    EXPECT_EQ(parser.parse(base::as_bytes(text_), exchange_.request), http::Progress::complete);
    session_ = choose_group(exchange_, std::get<route::Forward>(*exchange_.rule->rule->action));
    EXPECT_EQ(&exchange_.group->settings(), exchange_.group_settings);
    return exchange_.group_settings->name;
  }
  // What the client keeps of an answer to that.
  std::string given() {
    add_group_cookies(exchange_, session_);
    return cookies_of(exchange_);
  }
  // What is counted for it.
  std::string counted() {
    std::map<std::string, double> before;
    for (const std::string_view text : upstream::session_texts) {
      before[std::string(text)] = count(text);
    }
    count_group_session(exchange_, session_);
    for (const std::string_view text : upstream::session_texts) {
      if (count(text) != before[std::string(text)]) return std::string(text);
    }
    return "nothing";
  }
  [[nodiscard]] const GroupSession& session() const { return session_; }
  [[nodiscard]] Exchange& exchange() { return exchange_; }

  // The groups of so many clients without cookies.
  std::map<std::string, int> spread(int clients) {
    std::map<std::string, int> seen;
    for (int i = 0; i < clients; ++i) ++seen[ask()];
    return seen;
  }

 private:
  double count(std::string_view result) {
    return rig_.count(observe::Metric::rule_sticky_requests_total, {"web", "default", result});
  }

  support::ProxyRig rig_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::unique_ptr<Connection> connection_;
  std::string text_;
  GroupSession session_;
  Exchange exchange_;
};

const std::string half = "groups: [ { group: blue }, { group: green } ]";
const std::string sticky = half + ", stickiness: { duration: 100s }";

TEST(ChooseGroup, requests_are_spread_by_weight_and_nothing_is_given_out) {
  Site site(half);
  const auto seen = site.spread(400);
  EXPECT_EQ(seen.size(), 2U);
  EXPECT_GT(seen.at("blue"), 120);  // eight deviations from 200
  EXPECT_GT(seen.at("green"), 120);
  EXPECT_EQ(site.given(), "");
  EXPECT_EQ(site.counted(), "nothing");
}

TEST(ChooseGroup, the_view_counts_for_the_group_that_was_chosen) {
  Site site(half);
  for (int i = 0; i < 20; ++i) {
    const std::string name = site.ask();
    const Exchange& exchange = site.exchange();
    EXPECT_EQ(exchange.rule_group, &exchange.rule->groups[name == "blue" ? 0 : 1]);
    EXPECT_NE(exchange.rule_group, &exchange.rule->undecided());
    EXPECT_EQ(&exchange.retry(), &exchange.group_settings->retry);
  }
}

TEST(ChooseGroup, what_a_rule_says_about_tries_holds_in_each_of_its_groups) {
  support::ProxyRig rig;
  config::Problems problems;
  const auto snapshot = rig.build(
      "listeners:\n"
      "  - name: web\n"
      "    bind: \"127.0.0.1:0\"\n"
      "    rules:\n"
      "      - priority: 1\n"
      "        conditions: [ { path: / } ]\n"
      "        action: { forward: { groups: [ { group: blue }, { group: green } ] } }\n"
      "        retry: { attempts: 5 }\n"
      "    default_action: { fixed_response: {} }\n"
      "target_groups:\n"
      "  - { name: blue, targets: [], retry: { attempts: 1, body_buffer: 1 } }\n"
      "  - { name: green, targets: [], retry: { attempts: 2, body_buffer: 2 } }\n",
      problems);
  ASSERT_NE(snapshot, nullptr);
  const View view(rig.worker().cells(), snapshot, {});
  const RuleView& rule = view.listeners.at(0).rules.at(0);
  ASSERT_EQ(rule.groups.size(), 3U);
  EXPECT_EQ(rule.groups[0].retry->attempts, 5U);
  EXPECT_EQ(rule.groups[0].retry->body_buffer, 1U);
  EXPECT_EQ(rule.groups[1].retry->attempts, 5U);
  EXPECT_EQ(rule.groups[1].retry->body_buffer, 2U);
  EXPECT_EQ(rule.groups[2].retry, nullptr);
  const RuleView& fallback = view.listeners[0].rules.at(1);
  EXPECT_EQ(fallback.groups.size(), 1U);
  EXPECT_EQ(&fallback.undecided(), &fallback.groups[0]);
}

TEST(ChooseGroup, without_fallback_a_group_without_targets_keeps_its_share) {
  Site site("groups: [ { group: blue }, { group: empty } ]");
  EXPECT_EQ(site.spread(200).size(), 2U);
}

TEST(ChooseGroup, with_fallback_it_goes_to_those_that_are_well) {
  Site site(
      "fallback: true, groups: [ { group: empty, weight: 999 }, { group: blue, weight: 1 }, "
      "{ group: green, weight: 0 } ]");
  EXPECT_EQ(site.spread(50), (std::map<std::string, int>{{"blue", 50}}));
  Site none("fallback: true, groups: [ { group: empty, weight: 1 }, { group: green, weight: 0 } ]");
  EXPECT_EQ(none.spread(50), (std::map<std::string, int>{{"empty", 50}}));
}

TEST(GroupCookie, names_the_group_that_answered_until_the_duration_is_over) {
  Site site(sticky);
  const std::string at = site.ask();
  EXPECT_EQ(site.session().kind, SessionKind::none);
  EXPECT_EQ(site.counted(), "new");
  const std::string cookie = site.given();
  EXPECT_TRUE(cookie.starts_with("SLUICETG-")) << cookie;
  for (const auto time : {0ms, 99'999ms}) {
    site.set_time(time);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(site.ask("a=b; " + cookie), at);
    EXPECT_TRUE(site.session().is_kept);
    EXPECT_EQ(site.counted(), "kept");
  }
  site.set_time(100s);
  (void)site.ask(cookie);
  EXPECT_EQ(site.session().kind, SessionKind::expired);
  EXPECT_EQ(site.counted(), "expired");
  EXPECT_NE(site.given(), "");
}

TEST(GroupCookie, is_renewed_after_a_tenth_of_the_duration) {
  Site site(sticky);
  const std::string at = site.ask();
  const std::string first = site.given();
  site.set_time(9'999ms);
  (void)site.ask(first);
  EXPECT_EQ(site.given(), "");
  site.set_time(10s);
  EXPECT_EQ(site.ask(first), at);
  const std::string second = site.given();
  EXPECT_NE(second, "");
  site.set_time(109s);
  EXPECT_EQ(site.ask(second), at);
  EXPECT_EQ(site.counted(), "kept");
}

TEST(GroupCookie, from_far_in_the_future_does_not_hold) {
  Site site(sticky);
  site.set_time(1000s);
  (void)site.ask();
  const std::string cookie = site.given();
  site.set_time(0s);
  (void)site.ask(cookie);
  EXPECT_EQ(site.session().kind, SessionKind::expired);
}

TEST(GroupCookie, belongs_to_names_so_other_weights_and_groups_do_not_end_it) {
  Site before(sticky);
  const std::string at = before.ask();
  const std::string cookie = before.given();
  Site after("groups: [ { group: green, weight: " + std::string(at == "blue" ? "999" : "0") +
             " }, { group: empty, weight: 1 }, { group: blue, weight: " +
             (at == "blue" ? "0" : "999") + " } ], stickiness: { duration: 100s }");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(after.ask(cookie), at);
  EXPECT_EQ(after.given(), "");
}

TEST(GroupCookie, of_a_group_that_left_the_rule_is_replaced) {
  Site before("groups: [ { group: blue } ], stickiness: { duration: 100s }");
  (void)before.ask();
  const std::string cookie = before.given();
  Site after("groups: [ { group: green } ], stickiness: { duration: 100s }");
  EXPECT_EQ(after.ask(cookie), "green");
  EXPECT_EQ(after.session().kind, SessionKind::found);
  EXPECT_FALSE(after.session().is_kept);
  EXPECT_EQ(after.counted(), "repinned");
  EXPECT_NE(after.given(), "");
}

TEST(GroupCookie, of_another_name_or_secret_is_none) {
  Site one("groups: [ { group: blue } ], stickiness: { cookie_name: one }");
  (void)one.ask();
  const std::string cookie = one.given();
  const std::string value = cookie.substr(cookie.find('=') + 1);
  Site two("groups: [ { group: blue }, { group: green } ], stickiness: { cookie_name: two }");
  (void)two.ask("two=" + value);
  EXPECT_EQ(two.session().kind, SessionKind::invalid);
  EXPECT_EQ(two.counted(), "invalid");
  (void)two.ask(cookie);
  EXPECT_EQ(two.session().kind, SessionKind::none);
}

TEST(GroupCookie, has_a_twin_for_other_sites_that_counts_first) {
  const std::string keys = ", stickiness: { cookie_name: tg, cors: true }";
  Site blue("groups: [ { group: blue }, { group: green, weight: 0 } ]" + keys);
  Site green("groups: [ { group: blue, weight: 0 }, { group: green } ]" + keys);
  (void)blue.ask();
  (void)green.ask();
  const std::string of_blue = blue.given();
  const std::string of_green = green.given();
  EXPECT_NE(blue.exchange().cookie_lines.find("; Secure; HttpOnly; SameSite=None\r\n"),
            std::string::npos);
  EXPECT_NE(blue.exchange().cookie_lines.find("; HttpOnly; SameSite=Lax\r\n"), std::string::npos);
  const std::string plain_of_blue = of_blue.substr(0, of_blue.find(';'));
  const std::string twin_of_green = of_green.substr(of_green.find("tgCORS="));
  EXPECT_EQ(blue.ask(plain_of_blue + "; " + twin_of_green), "green");
  EXPECT_EQ(blue.ask("tgCORS=forged; " + plain_of_blue), "blue");
  EXPECT_EQ(blue.session().kind, SessionKind::found);
}

TEST(GroupCookie, with_fallback_a_session_leaves_a_group_that_is_not_well_and_stays_away) {
  Site before("groups: [ { group: empty } ], stickiness: { cookie_name: tg }");
  (void)before.ask();
  const std::string cookie = before.given();
  const std::string groups = "groups: [ { group: empty }, { group: blue } ]";
  Site stays(groups + ", stickiness: { cookie_name: tg }");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(stays.ask(cookie), "empty");
  Site leaves(groups + ", fallback: true, stickiness: { cookie_name: tg }");
  EXPECT_EQ(leaves.ask(cookie), "blue");
  EXPECT_EQ(leaves.counted(), "repinned");
  EXPECT_EQ(leaves.ask(leaves.given()), "blue");
  EXPECT_EQ(leaves.counted(), "kept");
  Site nobody("groups: [ { group: empty } ], fallback: true, stickiness: { cookie_name: tg }");
  EXPECT_EQ(nobody.ask(cookie), "empty");
  EXPECT_EQ(nobody.counted(), "kept");
}

}  // namespace
}  // namespace sluice::proxy
