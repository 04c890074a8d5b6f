#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

class Fixed final : public Variables {
 public:
  void append(Variable variable, std::string_view /*name*/, std::string& out) const override {
    if (variable == Variable::client_ip) out += "192.0.2.1";
    if (variable == Variable::query) out += "a&b=#{client_ip}\r\n";
  }
};

// What the target is asked for: "host path?query", or "failed".
std::string rewritten(const std::string& filter, const std::string& target,
                      std::string_view host = "a.example:8080") {
  const auto read = read_filter("rewrite: " + filter);
  EXPECT_EQ(read.errors, "") << filter;
  if (read.value.rewrite == nullptr) return "not read";
  http::RequestHead head;
  head.method = http::Method::options;
  head.target = target;
  observe::Reason reason{};
  EXPECT_TRUE(http::parse_target(head, reason)) << target;
  head.host = host;
  RewrittenRequest out;
  if (!read.value.rewrite->apply(head, Fixed(), out)) return "failed";
  std::string text = out.host.value_or("-") + " " + out.path.value_or(std::string(head.path));
  const std::string query = out.query.value_or(std::string(head.query));
  if (out.query ? !query.empty() : head.has_query) text += "?" + query;
  return text;
}

TEST(Rewrite, a_prefix_is_stripped_in_whole_segments) {
  constexpr const char* filter = "{ path: { strip_prefix: [/api/, /v1] } }";
  EXPECT_EQ(rewritten(filter, "/api/x?q=1"), "- /x?q=1");
  EXPECT_EQ(rewritten(filter, "/api"), "- /");
  EXPECT_EQ(rewritten(filter, "/api/"), "- /");
  EXPECT_EQ(rewritten(filter, "/apis/x"), "- /apis/x");
  EXPECT_EQ(rewritten(filter, "/v1/api/x"), "- /api/x") << "one of them, once";
}

TEST(Rewrite, a_prefix_is_added_and_replaced) {
  EXPECT_EQ(rewritten("{ path: { add_prefix: /v2/ } }", "/x"), "- /v2/x");
  EXPECT_EQ(rewritten("{ path: { add_prefix: /v2 } }", "/"), "- /v2/");
  EXPECT_EQ(rewritten("{ path: { strip_prefix: /a, add_prefix: /b } }", "/a/x"), "- /b/x");
  EXPECT_EQ(rewritten("{ path: { replace_prefix: { from: /a, to: /b/c } } }", "/a/x"), "- /b/c/x");
  EXPECT_EQ(rewritten("{ path: { replace_prefix: { from: /a, to: / } } }", "/a"), "- /");
  EXPECT_EQ(rewritten("{ path: { replace_prefix: { from: /a, to: /b } } }", "/ab"), "- /ab");
}

TEST(Rewrite, a_regex_changes_what_it_matches_and_nothing_else) {
  constexpr const char* filter =
      "{ path: { regex: \"^/user/([0-9]+)$\", replacement: \"/people/$1/card\" } }";
  EXPECT_EQ(rewritten(filter, "/user/7?x"), "- /people/7/card?x");
  EXPECT_EQ(rewritten(filter, "/user/x"), "- /user/x");
  EXPECT_EQ(rewritten(filter, "*"), "- *");
}

TEST(Rewrite, the_result_is_in_normal_form_or_the_request_fails) {
  EXPECT_EQ(rewritten("{ path: { regex: \"^/a/(.*)$\", replacement: \"/b//$1\" } }", "/a/c"),
            "- /b/c");
  EXPECT_EQ(rewritten("{ path: { regex: \"^/a(.*)$\", replacement: \"/../$1\" } }", "/a/c"),
            "failed");
  EXPECT_EQ(rewritten("{ path: { regex: \"^/a/\", replacement: \"\" } }", "/a/c"), "failed");
  EXPECT_EQ(rewritten("{ path: { regex: a, replacement: \" \" } }", "/a"), "failed");
  EXPECT_EQ(rewritten("{ path: { regex: \"(.*)\", replacement: \"$1$1$1\" } }",
                      "/" + std::string(6000, 'a')),
            "failed");
}

TEST(Rewrite, url_is_path_and_query_in_one) {
  constexpr const char* filter =
      "{ url: { regex: \"^/shop/([a-z]+)\\\\?id=([0-9]+)$\", replacement: \"/s?k=$1&id=$2\" } }";
  EXPECT_EQ(rewritten(filter, "/shop/hat?id=7"), "- /s?k=hat&id=7");
  EXPECT_EQ(rewritten(filter, "/shop/hat"), "- /shop/hat");
  EXPECT_EQ(rewritten("{ url: { regex: \"\\\\?.*$\", replacement: \"\" } }", "/a?b=c"), "- /a");
  EXPECT_EQ(rewritten("{ url: { regex: \"b\", replacement: \"#\" } }", "/a?b"), "failed");
}

TEST(Rewrite, parameters_are_set_and_removed_however_they_are_escaped) {
  constexpr const char* filter =
      "{ query: { remove: [debug, \"a b\"], set: { ip: \"#{client_ip}\" } } }";
  EXPECT_EQ(rewritten(filter, "/?debug=1&x=1&%64ebug&a+b=2&a%20b&ip=6.6.6.6&y"),
            "- /?x=1&y&ip=192.0.2.1");
  EXPECT_EQ(rewritten(filter, "/"), "- /?ip=192.0.2.1");
  EXPECT_EQ(rewritten("{ query: { remove: a } }", "/?a=1"), "- /");
  EXPECT_EQ(rewritten("{ query: { remove: a } }", "/?"), "- /?") << "nothing to change";
}

// T27
TEST(Rewrite, what_a_variable_brings_is_escaped_and_not_expanded) {
  EXPECT_EQ(rewritten("{ query: { set: { q: \"#{query}\" } } }", "/"),
            "- /?q=a%26b%3D%23%7Bclient_ip%7D%250D%250A");
}

TEST(Rewrite, the_host_is_a_name_or_made_of_the_clients) {
  EXPECT_EQ(rewritten("{ host: \"inner.example:81\" }", "/"), "inner.example:81 /");
  constexpr const char* filter =
      "{ host: { regex: \"^([a-z]+)\\\\.example(:[0-9]+)?$\", replacement: \"$1.internal\" } }";
  EXPECT_EQ(rewritten(filter, "/"), "a.internal /");
  EXPECT_EQ(rewritten(filter, "/", "b.test"), "- /");
  EXPECT_EQ(rewritten("{ host: { regex: a, replacement: \"a b\" } }", "/"), "failed");
}

TEST(Rewrite, a_wrong_value_is_named_with_its_place) {
  for (const char* filter :
       {"{}", "[]", "{ url: { regex: a } }", "{ path: { regex: \"(\", replacement: b } }",
        "{ path: { regex: a, replacement: \"$1\" } }", "{ path: { strip_prefix: api } }",
        "{ path: { strip_prefix: / } }", "{ path: { add_prefix: /a/../b } }",
        "{ path: { regex: a, replacement: \"b?c\" } }", "{ path: { strip_prefix: [] } }",
        "{ path: { strip_prefix: /a, regex: a, replacement: b } }", "{ host: \"a b\" }",
        "{ url: { regex: a, replacement: b }, query: { remove: a } }",
        "{ query: { set: { a: \"#{nobody}\" } } }", "{ query: { set: { a: \"#{status}\" } } }",
        "{ path: { replace_prefix: /a } }", "{ paths: {} }"}) {
    const auto read = read_filter(std::string("rewrite: ") + filter);
    EXPECT_NE(read.errors.find("filters.rewrite"), std::string::npos)
        << filter << " gives " << read.errors;
    EXPECT_EQ(read.value.rewrite, nullptr);
  }
}

}  // namespace
}  // namespace sluice::route::testing
