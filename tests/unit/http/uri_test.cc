#include "sluice/http/uri.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace sluice::http {
namespace {

using namespace std::string_view_literals;
using observe::Reason;

// The normal form, or "refused".
std::string normal_form(std::string_view raw) {
  std::string storage;
  std::string_view path;
  return normalize_path(raw, storage, path) ? std::string(path) : "refused";
}

struct Case {
  std::string_view raw;
  std::string_view normal;
};

void expect_normal_forms(std::initializer_list<Case> cases) {
  for (const Case& one : cases) {
    const std::string normal = normal_form(one.raw);
    EXPECT_EQ(normal, one.normal) << one.raw;
    if (normal != "refused") {
      EXPECT_EQ(normal_form(normal), normal) << "again: " << one.raw;
    }
  }
}

TEST(Uri, t12_paths_in_normal_form_stay_where_they_are) {
  for (const std::string_view raw :
       {"/", "/a", "/a/", "/a/b.c/d", "/A/b", "/a..b/..c/d..", "/.well-known/x", "/...", "/a;b=c/d",
        "/;x", "/a/;/b", "/a%20b", "/%C3%A9", "/%252e", "/a:@!$&'()*+,=~-_", "/{a}|[b]\"<>^`",
        "/a/.b", "/..a", "/.a/..b/...c"}) {
    std::string storage;
    std::string_view path;
    ASSERT_TRUE(normalize_path(raw, storage, path)) << raw;
    EXPECT_EQ(path, raw);
    EXPECT_EQ(path.data(), raw.data()) << "copied: " << raw;
  }
}

TEST(Uri, t12_escapes_of_unreserved_characters_are_decoded_once) {
  expect_normal_forms({
      {"/%61%62", "/ab"},
      {"/%7Euser", "/~user"},
      {"/%7euser", "/~user"},
      {"/%2D%2d%5F%30%5a", "/--_0Z"},
      {"/%c3%a9", "/%C3%A9"},
      {"/%3a%2b", "/%3A%2B"},
      {"/%25", "/%25"},
      {"/%252e%252e/x", "/%252e%252e/x"},
      {"/%25%32%65", "/%252e"},
      {"/%3B%3F%23", "/%3B%3F%23"},
      {"/%0d%0a", "/%0D%0A"},
  });
}

TEST(Uri, t12_escaped_separators_nul_and_broken_escapes_are_refused) {
  expect_normal_forms({
      {"/a%2fb", "refused"},
      {"/a%2Fb", "refused"},
      {"/a%5cb", "refused"},
      {"/a%5Cb", "refused"},
      {"/a\\b", "refused"},
      {"/..\\..\\etc", "refused"},
      {"/a%00", "refused"},
      {"/%", "refused"},
      {"/%4", "refused"},
      {"/%4g", "refused"},
      {"/%g4", "refused"},
      {"/%%41", "refused"},
      {"/%u002e", "refused"},
      {"/%+1", "refused"},
      {"/% 1", "refused"},
  });
}

TEST(Uri, t12_slashes_in_a_row_become_one) {
  expect_normal_forms({
      {"//", "/"},
      {"//a", "/a"},
      {"/a//b///c//", "/a/b/c/"},
      {"///..//a", "refused"},
      {"/a//../b", "/b"},
  });
}

TEST(Uri, t12_dot_segments_are_removed_and_never_climb_above_the_root) {
  expect_normal_forms({
      {"/.", "/"},
      {"/./", "/"},
      {"/a/.", "/a/"},
      {"/a/./b", "/a/b"},
      {"/a/..", "/"},
      {"/a/../", "/"},
      {"/a/b/..", "/a/"},
      {"/a/b/../c", "/a/c"},
      {"/a/b/../../c", "/c"},
      {"/a/b/c/./../../g", "/a/g"},  // the example of RFC 3986 5.2.4
      {"/..", "refused"},
      {"/../", "refused"},
      {"/../a", "refused"},
      {"/a/../../b", "refused"},
      {"/./../a", "refused"},
      {"/%2e", "/"},
      {"/%2E%2e", "refused"},
      {"/a/%2e%2e/b", "/b"},
      {"/a/.%2E/b", "/b"},
      {"/a/%2e./b", "/b"},
      {"/a/%2e%2e%2fb", "refused"},
      {"/a/..;/b", "/b"},
      {"/a/..;x=y/b", "/b"},
      {"/a/.;x/b", "/a/b"},
      {"/a/%2e%2e;x", "/"},
      {"/..;/a", "refused"},
      {"/a/..%3B/b", "/a/..%3B/b"},  // an escaped semicolon does not begin parameters
      {"/a/b;c=../d", "/a/b;c=../d"},
  });
}

TEST(Uri, t12_what_is_no_path_is_refused) {
  expect_normal_forms({
      {"", "refused"},
      {"a", "refused"},
      {"*", "refused"},
      {"./a", "refused"},
      {"/a b", "refused"},
      {"/a\tb", "refused"},
      {"/a\0b"sv, "refused"},
      {"/a\r\nb", "refused"},
      {"/a\x7f", "refused"},
      {"/caf\xc3\xa9", "refused"},
      {"/a?b", "refused"},
      {"/a#b", "refused"},
      {"/./a b", "refused"},
      {"/%20/a#b", "refused"},
  });
}

TEST(Uri, targets_are_split_and_refused_with_their_reason) {
  struct TargetCase {
    std::string_view target;
    Reason reason;
    std::string_view path;
    std::string_view query;
  };
  const TargetCase cases[] = {
      {"/a?b?c", Reason::none, "/a", "b?c"},
      {"/a/../b?../c", Reason::none, "/b", "../c"},
      {"/?%zz//\\", Reason::none, "/", "%zz//\\"},  // never touched
      {"/a?", Reason::none, "/a", ""},
      {"/a%2fb", Reason::bad_path, "", ""},
      {"/../a?b", Reason::bad_path, "", ""},
      {"/a\\b", Reason::bad_path, "", ""},
      {"/a b", Reason::bad_request_target, "", ""},
      {"/a?b c", Reason::bad_request_target, "", ""},
      {"/a?b#c", Reason::bad_request_target, "", ""},
      {"/a#b", Reason::bad_request_target, "", ""},
      {"", Reason::bad_request_target, "", ""},
      {"http://", Reason::bad_request_target, "", ""},
      {"http://?x", Reason::bad_request_target, "", ""},
      {"http://a?b c", Reason::bad_request_target, "", ""},
      {"http://a#b", Reason::bad_request_target, "", ""},
      {"http://a\\b/", Reason::bad_request_target, "", ""},
      {"http://a/../b", Reason::bad_path, "", ""},
  };
  for (const TargetCase& one : cases) {
    RequestHead head;
    head.method = Method::get;
    head.target = one.target;
    Reason reason = Reason::internal_error;
    EXPECT_EQ(parse_target(head, reason), one.reason == Reason::none) << one.target;
    EXPECT_EQ(observe::text(reason), observe::text(one.reason)) << one.target;
    if (one.reason != Reason::none) continue;
    EXPECT_EQ(head.path, one.path) << one.target;
    EXPECT_EQ(head.query, one.query) << one.target;
    EXPECT_EQ(head.has_query, one.target.find('?') != std::string_view::npos) << one.target;
  }
}

TEST(Uri, an_origin_target_leaves_the_host_that_is_known_already) {
  RequestHead head;
  head.method = Method::get;
  head.host = "a.example";  // of HTTP/2's :authority
  head.target = "/x";
  Reason reason;
  ASSERT_TRUE(parse_target(head, reason));
  EXPECT_EQ(head.host, "a.example");
}

TEST(Uri, authorities_are_hosts_with_an_optional_port) {
  for (const std::string_view text :
       {"a", "A.b-C_d.example", "a.example.", "10.0.0.1", "a:0", "a:80", "a:65535", "a.:80",
        "[::1]", "[::1]:8443", "[2001:DB8::a]", "[::ffff:10.0.0.1]", "xn--bcher-kva.example",
        "-a"}) {
    EXPECT_TRUE(is_valid_authority(text)) << text;
  }
  for (const std::string_view text :
       {"",        ":80",       "a:",      "a:x",         "a:+80",  "a:65536", "a:000080",
        "a:80:80", "a b",       "a,b",     "a/b",         "u@a",    "u:p@a",   "a\\b",
        "a%41",    "a*",        "a~",      "a\xc3\xa9",   ".a",     ".",       "a..b",
        "[::1",    "::1",       "[::1]x",  "[::1]80",     "[::1]:", "[]",      "[::1%25eth0]",
        "[g::1]",  "[1.2.3.4]", "[[::1]]", "[::1]:80:80", "a[::1]", "[v1.x]",  "a?b",
        "a#b",     "a;b"}) {
    EXPECT_FALSE(is_valid_authority(text)) << text;
  }
  EXPECT_FALSE(is_valid_authority("a\0b"sv));
  EXPECT_FALSE(is_valid_authority("[::1\0]"sv));
}

TEST(Uri, the_host_is_found_before_the_port) {
  EXPECT_EQ(host_without_port("a.example:80"), "a.example");
  EXPECT_EQ(host_without_port("A.example"), "A.example");
  EXPECT_EQ(host_without_port("a.example.:80"), "a.example");
  EXPECT_EQ(host_without_port("a.example."), "a.example");
  EXPECT_EQ(host_without_port("[::1]:80"), "[::1]");
  EXPECT_EQ(host_without_port("[::1]"), "[::1]");
  EXPECT_EQ(host_without_port(""), "");
}

}  // namespace
}  // namespace sluice::http
