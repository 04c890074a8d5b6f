#include "sluice/http/cookie.h"

#include <gtest/gtest.h>

#include <vector>

namespace sluice::http {
namespace {

using Texts = std::vector<std::string>;

// "name=value" of each cookie found.
Texts cookies(std::string_view text) {
  Texts out;
  while (const std::optional<Cookie> cookie = take_cookie(text)) {
    out.push_back(std::string(cookie->name) + "=" + std::string(cookie->value));
  }
  EXPECT_TRUE(text.empty()) << "all of it was looked at";
  return out;
}

Texts values(const std::vector<std::string_view>& fields, std::string_view name) {
  Fields head;
  head.add("Host", "a");
  for (const std::string_view field : fields) {
    head.add("cOOkie", field);
    head.add("X-Cookie", "a=not this one");
  }
  Texts out;
  CookieValues reader(head, name);
  while (const std::optional<std::string_view> value = reader.next()) out.emplace_back(*value);
  EXPECT_FALSE(reader.next().has_value()) << "an end that lasts";
  return out;
}

TEST(TakeCookie, pairs_are_split_at_semicolons) {
  EXPECT_EQ(cookies("a=1; b=2;c=3"), (Texts{"a=1", "b=2", "c=3"}));
  EXPECT_EQ(cookies("a=1"), Texts{"a=1"});
}

TEST(TakeCookie, white_space_around_names_and_values_is_dropped_and_kept_inside) {
  EXPECT_EQ(cookies(" \ta =\t1 ;b= x y "), (Texts{"a=1", "b=x y"}));
}

TEST(TakeCookie, a_value_may_be_empty_or_hold_equals_signs) {
  EXPECT_EQ(cookies("a=; b==; c=d=e="), (Texts{"a=", "b==", "c=d=e="}));
}

TEST(TakeCookie, one_pair_of_quotes_is_dropped) {
  EXPECT_EQ(cookies(R"(a="1"; b=""; c="; d=""x""; e=x"y"; f="x)"),
            (Texts{"a=1", "b=", "c=\"", "d=\"x\"", "e=x\"y\"", "f=\"x"}));
}

TEST(TakeCookie, quotes_do_not_hide_a_semicolon) {
  EXPECT_EQ(cookies(R"(a="1; b=2")"), (Texts{"a=\"1", "b=2\""}));
}

TEST(TakeCookie, what_is_no_pair_is_passed_over) {
  EXPECT_EQ(cookies(""), Texts{});
  EXPECT_EQ(cookies(";;; ;"), Texts{});
  EXPECT_EQ(cookies("nameless; =1; \t=2; a=3; last"), Texts{"a=3"});
  EXPECT_EQ(cookies("$Version=1; a=2; $Path=/"), (Texts{"$Version=1", "a=2", "$Path=/"}));
}

TEST(TakeCookie, commas_do_not_separate) { EXPECT_EQ(cookies("a=1, b=2"), Texts{"a=1, b=2"}); }

TEST(TakeCookie, any_byte_passes) {
  EXPECT_EQ(cookies(std::string_view("a=\0\x7f\xff\n; b=2", 11)),
            (Texts{std::string("a=\0\x7f\xff\n", 6), "b=2"}));
}

TEST(CookieValues, all_values_in_order_from_all_cookie_fields) {
  EXPECT_EQ(values({"a=1; b=2; a=3", "c=4", "a=5"}, "a"), (Texts{"1", "3", "5"}));
  EXPECT_EQ(values({"a=1"}, "b"), Texts{});
  EXPECT_EQ(values({}, "a"), Texts{});
  EXPECT_EQ(values({"", ";", "a="}, "a"), Texts{""});
}

TEST(CookieValues, names_are_compared_whole_and_with_case) {
  EXPECT_EQ(values({"A=1; aa=2; a=3; xa=4; a.=5"}, "a"), Texts{"3"});
}

TEST(CookieValues, nothing_is_copied) {
  const std::string text = "a=\"1\"";
  Fields fields;
  fields.add("Cookie", text);
  const std::optional<std::string_view> value = CookieValues(fields, "a").next();
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(value->data(), text.data() + 3);
}

TEST(CookieValues, the_last_of_a_thousand_cookies_is_found) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "c" + std::to_string(i) + "=" + std::to_string(i) + "; ";
  EXPECT_EQ(values({text}, "c999"), Texts{"999"});
  EXPECT_EQ(cookies(text).size(), 1000U);
}

TEST(SetsCookie, the_name_before_the_first_equals_sign_counts) {
  EXPECT_TRUE(sets_cookie("JSESSIONID=1", "JSESSIONID"));
  EXPECT_TRUE(sets_cookie(" JSESSIONID = 1 ; Path=/", "JSESSIONID"));
  EXPECT_TRUE(sets_cookie("JSESSIONID=", "JSESSIONID"));
  EXPECT_TRUE(sets_cookie("JSESSIONID=; Max-Age=0", "JSESSIONID")) << "deleting is setting";
  EXPECT_TRUE(sets_cookie("JSESSIONID=a=b", "JSESSIONID"));
}

TEST(SetsCookie, other_names_attributes_and_values_do_not) {
  for (const char* const field :
       {"", "JSESSIONID", "jsessionid=1", "JSESSIONIDX=1", "XJSESSIONID=1", "=JSESSIONID",
        "a=JSESSIONID=1", "a=1; JSESSIONID=2", "; JSESSIONID=2", "JSESSIONID; a=1"}) {
    EXPECT_FALSE(sets_cookie(field, "JSESSIONID")) << field;
  }
  EXPECT_TRUE(sets_cookie("Path=/x", "Path")) << "a cookie may have the name of an attribute";
}

TEST(SetCookie, attributes_are_written_as_asked) {
  EXPECT_EQ(set_cookie("a", "1", {}), "a=1");
  EXPECT_EQ(set_cookie("a", "1", {.max_age = std::chrono::seconds(86'400)}), "a=1; Max-Age=86400");
  EXPECT_EQ(set_cookie("a", "1", {.max_age = std::chrono::seconds(-5)}), "a=1; Max-Age=0");
  EXPECT_EQ(set_cookie("a", "1", {.path = "/x"}), "a=1; Path=/x");
  EXPECT_EQ(set_cookie("a", "1", {.domain = "example.com"}), "a=1; Domain=example.com");
  EXPECT_EQ(set_cookie("a", "1", {.secure = true}), "a=1; Secure");
  EXPECT_EQ(set_cookie("a", "1", {.http_only = true}), "a=1; HttpOnly");
  EXPECT_EQ(set_cookie("a", "1", {.same_site = CookieSite::lax}), "a=1; SameSite=Lax");
  EXPECT_EQ(set_cookie("a", "1", {.same_site = CookieSite::strict}), "a=1; SameSite=Strict");
  EXPECT_EQ(set_cookie("a", "1", {.same_site = CookieSite::none}), "a=1; SameSite=None");
  EXPECT_EQ(set_cookie("a", "1",
                       {.max_age = std::chrono::seconds(1),
                        .path = "/",
                        .domain = "a.b",
                        .secure = true,
                        .http_only = true,
                        .same_site = CookieSite::lax}),
            "a=1; Path=/; Domain=a.b; Max-Age=1; Secure; HttpOnly; SameSite=Lax");
}

TEST(SetCookie, what_it_writes_is_recognised_as_setting_that_cookie) {
  const std::string field = set_cookie("SLUICE", "abc", {.path = "/", .http_only = true});
  EXPECT_TRUE(sets_cookie(field, "SLUICE"));
  EXPECT_EQ(cookies(field.substr(0, field.find(';'))), Texts{"SLUICE=abc"});
}

}  // namespace
}  // namespace sluice::http
