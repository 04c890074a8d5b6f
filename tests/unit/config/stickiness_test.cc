#include <gtest/gtest.h>

#include <chrono>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using namespace std::chrono_literals;
using test::joined;
using test::load_group;

test::Loaded load_stickiness(const std::string& settings) {
  return load_group("    stickiness: { " + settings + " }\n");
}

Stickiness stickiness_of(const std::string& settings) {
  const auto loaded = load_stickiness(settings);
  EXPECT_EQ(joined(loaded), "") << settings;
  return loaded.model ? loaded.model->target_groups.at(0).stickiness : Stickiness{};
}

std::string errors_of(const std::string& settings) { return joined(load_stickiness(settings)); }

const std::string path = "target_groups[0].stickiness";

TEST(StickinessSettings, are_off_when_nothing_is_said) {
  const auto loaded = load_group("");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(loaded.model->target_groups.at(0).stickiness.type, StickinessType::none);
}

TEST(StickinessSettings, a_type_alone_gives_the_defaults) {
  const Stickiness stickiness = stickiness_of("type: lb_cookie");
  EXPECT_EQ(stickiness.type, StickinessType::lb_cookie);
  EXPECT_EQ(stickiness.duration, 24h);
  EXPECT_EQ(stickiness.cookie_name, "SLUICE");
  EXPECT_EQ(stickiness.secure, CookieSecure::automatic);
  EXPECT_TRUE(stickiness.http_only);
  EXPECT_EQ(stickiness.same_site, SameSite::lax);
  EXPECT_EQ(stickiness.path, "/");
  EXPECT_EQ(stickiness.domain, "");
  EXPECT_TRUE(stickiness.max_age);
}

TEST(StickinessSettings, every_key_arrives_in_its_field) {
  const Stickiness stickiness = stickiness_of(
      "type: app_cookie, duration: 2h, cookie_name: JSESSIONID, secure: always, http_only: false,"
      " same_site: strict, path: /app, domain: .example.com, max_age: false");
  EXPECT_EQ(stickiness.type, StickinessType::app_cookie);
  EXPECT_EQ(stickiness.duration, 2h);
  EXPECT_EQ(stickiness.cookie_name, "JSESSIONID");
  EXPECT_EQ(stickiness.secure, CookieSecure::always);
  EXPECT_FALSE(stickiness.http_only);
  EXPECT_EQ(stickiness.same_site, SameSite::strict);
  EXPECT_EQ(stickiness.path, "/app");
  EXPECT_EQ(stickiness.domain, ".example.com");
  EXPECT_FALSE(stickiness.max_age);

  const Stickiness by_hash = stickiness_of("type: hash, key: { query: sid }");
  EXPECT_EQ(by_hash.type, StickinessType::hash);
  EXPECT_EQ(by_hash.key.source, HashSource::query);
  EXPECT_EQ(by_hash.key.name, "sid");
  EXPECT_EQ(stickiness_of("type: hash, key: path").key.source, HashSource::path);
}

TEST(StickinessSettings, secure_and_same_site_have_their_words) {
  const auto secure = [](const char* word) {
    return stickiness_of("type: lb_cookie, secure: " + std::string(word)).secure;
  };
  EXPECT_EQ(secure("auto"), CookieSecure::automatic);
  EXPECT_EQ(secure("always"), CookieSecure::always);
  EXPECT_EQ(secure("true"), CookieSecure::always);
  EXPECT_EQ(secure("never"), CookieSecure::never);
  EXPECT_EQ(secure("false"), CookieSecure::never);
  const auto same_site = [](const char* word) {
    return stickiness_of("type: lb_cookie, same_site: " + std::string(word)).same_site;
  };
  EXPECT_EQ(same_site("lax"), SameSite::lax);
  EXPECT_EQ(same_site("strict"), SameSite::strict);
  EXPECT_EQ(same_site("none"), SameSite::none);
  EXPECT_EQ(same_site("unset"), SameSite::unset);
}

TEST(StickinessSettings, the_type_is_required) {
  EXPECT_EQ(errors_of("duration: 1h"),
            "f:4:17: " + path + ".type: missing; it must be lb_cookie, app_cookie or hash\n");
  EXPECT_EQ(errors_of("type: cookie, key: path"),
            "f:4:25: " + path + ".type: must be lb_cookie, app_cookie or hash, not 'cookie'\n");
  EXPECT_EQ(joined(load_group("    stickiness: lb_cookie\n")),
            "f:4:17: " + path + ": must be a mapping, not 'lb_cookie'\n");
}

TEST(StickinessSettings, all_errors_are_reported_at_once) {
  EXPECT_EQ(
      errors_of("type: lb_cookie, duration: 8d, cookie_name: a b, secure: maybe, http_only: 1,"
                " same_site: Lax, path: app, domain: \"a;b\", max_age: 5, cookie: x"),
      "f:4:46: " + path +
          ".duration: must be a duration from 1s to 7d, written like 250ms, 30s, 5m, 2h or 1d, not "
          "'8d'\n"
          "f:4:63: " +
          path +
          ".cookie_name: must be the name of a cookie, 1 to 128 letters, digits or "
          "!#$%&'*+-.^_`|~, not 'a b'\n"
          "f:4:76: " +
          path +
          ".secure: must be auto, always, never, true or false, not 'maybe'\n"
          "f:4:94: " +
          path +
          ".http_only: must be true or false, not '1'\n"
          "f:4:108: " +
          path +
          ".same_site: must be lax, strict, none or unset, not 'Lax'\n"
          "f:4:119: " +
          path +
          ".path: must begin with / and be at most 1024 visible ASCII characters without a "
          "semicolon, not 'app'\n"
          "f:4:132: " +
          path +
          ".domain: must be a domain such as example.com, letters, digits, - and . only, not "
          "'a;b'\n"
          "f:4:148: " +
          path +
          ".max_age: must be true or false, not '5'\n"
          "f:4:151: " +
          path + ".cookie: unknown key; known here: type, duration, cookie_name, secure, " +
          "http_only, same_site, path, domain, max_age or key\n");
}

TEST(StickinessSettings, nothing_of_a_cookie_can_add_attributes_to_it) {
  for (const char* value : {"\"/a;b\"", "\"/a\\nb\"", "\"/a b\"", "\"/\\xe9\"", "\"\"", "[/]"}) {
    const auto loaded = load_stickiness("type: lb_cookie, path: " + std::string(value));
    EXPECT_EQ(loaded.messages.size(), 1U) << value << joined(loaded);
    EXPECT_FALSE(loaded.model) << value;
  }
  for (const char* value : {"\"a;b\"", "\"a\\r\\nb\"", "\"a b\"", "\"\"", "\".\"", "[a]"}) {
    const auto loaded = load_stickiness("type: lb_cookie, domain: " + std::string(value));
    EXPECT_EQ(loaded.messages.size(), 1U) << value << joined(loaded);
    EXPECT_FALSE(loaded.model) << value;
  }
  for (const char* value : {"\"a;b\"", "\"a=b\"", "\"a\\nb\"", "\"a,b\"", "\"\"", "[a]"}) {
    const auto loaded = load_stickiness("type: lb_cookie, cookie_name: " + std::string(value));
    EXPECT_EQ(loaded.messages.size(), 1U) << value << joined(loaded);
    EXPECT_FALSE(loaded.model) << value;
  }
}

TEST(StickinessSettings, texts_of_a_cookie_have_a_longest) {
  const auto with = [](const char* key, const std::string& value) {
    return load_stickiness("type: lb_cookie, " + std::string(key) + ": " + value).model.has_value();
  };
  EXPECT_TRUE(with("cookie_name", std::string(128, 'n')));
  EXPECT_FALSE(with("cookie_name", std::string(129, 'n')));
  EXPECT_TRUE(with("path", "/" + std::string(1023, 'p')));
  EXPECT_FALSE(with("path", "/" + std::string(1024, 'p')));
  EXPECT_TRUE(with("domain", std::string(253, 'd')));
  EXPECT_FALSE(with("domain", std::string(254, 'd')));
}

TEST(StickinessSettings, an_application_cookie_has_a_name) {
  EXPECT_EQ(errors_of("type: app_cookie"),
            "f:4:17: " + path +
                ".cookie_name: missing; it must be the name of the application's cookie\n");
}

TEST(StickinessSettings, a_key_goes_with_hash_and_hash_with_a_key) {
  EXPECT_EQ(errors_of("type: hash"),
            "f:4:17: " + path +
                ".key: missing; it must be what of a request is hashed, such as { query: sid }\n");
  EXPECT_EQ(errors_of("type: lb_cookie, key: path"),
            "f:4:41: " + path + ".key: only with type: hash\n");
  EXPECT_EQ(errors_of("type: hash, key: sid"),
            "f:4:36: " + path +
                ".key: must be path, source_ip, { header: NAME }, { cookie: NAME } or { query: "
                "NAME }, not 'sid'\n");
}

TEST(StickinessSettings, what_belongs_to_a_cookie_is_refused_with_hash) {
  for (const char* setting : {"duration: 1h", "cookie_name: a", "secure: auto", "http_only: true",
                              "same_site: lax", "path: /", "domain: a.example", "max_age: true"}) {
    const std::string text = setting;
    EXPECT_EQ(errors_of("type: hash, key: path, " + text),
              "f:4:" + std::to_string(43 + text.find(' ')) + ": " + path + "." +
                  text.substr(0, text.find(':')) + ": only with type: lb_cookie or app_cookie\n");
  }
}

TEST(StickinessSettings, same_site_none_needs_secure) {
  EXPECT_EQ(errors_of("type: lb_cookie, same_site: none, secure: never"),
            "f:4:61: " + path +
                ".secure: must be auto or always with same_site: none; browsers drop the cookie "
                "otherwise\n");
  EXPECT_EQ(errors_of("type: lb_cookie, same_site: none"), "");
  EXPECT_EQ(errors_of("type: lb_cookie, same_site: none, secure: always"), "");
}

TEST(StickinessSettings, names_with_a_prefix_keep_what_browsers_ask_for) {
  EXPECT_EQ(errors_of("type: lb_cookie, cookie_name: __Host-sid"), "");
  EXPECT_EQ(errors_of("type: lb_cookie, cookie_name: __Secure-sid, path: /a, domain: a.example"),
            "");
  const std::string otherwise = "; browsers drop a cookie named __Host-... otherwise\n";
  EXPECT_EQ(errors_of("type: lb_cookie, cookie_name: __host-sid, secure: never, path: /a,"
                      " domain: a.example"),
            "f:4:69: " + path + ".secure: must be auto or always" + otherwise + "f:4:82: " + path +
                ".path: must be /" + otherwise + "f:4:94: " + path + ".domain: must be left out" +
                otherwise);
  EXPECT_EQ(errors_of("type: lb_cookie, cookie_name: __Secure-sid, secure: false"),
            "f:4:71: " + path +
                ".secure: must be auto or always; browsers drop a cookie named __Secure-... "
                "otherwise\n");
  // The attributes of the application's cookie are the application's.
  EXPECT_EQ(errors_of("type: app_cookie, cookie_name: __Host-sid, path: /a"), "");
}

TEST(StickinessSettings, two_groups_with_the_same_cookie_are_a_warning) {
  const auto two = [](std::string_view first, std::string_view second) {
    return joined(test::load_after_listener(
        "target_groups:\n  - name: one\n    stickiness: { " + std::string(first) +
        " }\n  - name: two\n    stickiness: { " + std::string(second) + " }\n"));
  };
  EXPECT_EQ(two("type: lb_cookie", "type: lb_cookie"),
            "f:5:5: warning: target_groups[1].stickiness.cookie_name: the same cookie, 'SLUICE', "
            "as of target group 'one': a client of both loses its sessions; give each its own\n");
  EXPECT_EQ(two("type: lb_cookie", "type: lb_cookie, cookie_name: OTHER"), "");
  EXPECT_EQ(two("type: lb_cookie, path: /one", "type: lb_cookie, path: /two"), "");
}

}  // namespace
}  // namespace sluice::config
