#include <algorithm>

#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

std::optional<Redirect> redirect(const std::string& keys) {
  const auto action = read_action("redirect: { " + keys + " }");
  EXPECT_EQ(action.errors, "");
  if (!action.value || !std::holds_alternative<Redirect>(*action.value)) return std::nullopt;
  return std::get<Redirect>(*action.value);
}

// Only what the redirect itself refuses counts, not a slip in the YAML of a test.
std::string redirect_error(const std::string& keys) {
  const auto action = read_action("redirect: { " + keys + " }");
  EXPECT_FALSE(action.value) << keys;
  EXPECT_NE(action.errors.find("listeners[0].default_action.redirect"), std::string::npos)
      << keys << '\n'
      << action.errors;
  return action.errors;
}

const RedirectInput request{
    .protocol = "http", .host = "shop.example", .port = 8080, .path = "/a/b", .query = "x=1&y=2"};

std::string location(const std::string& keys, const RedirectInput& input = request) {
  const auto action = redirect(keys);
  return action ? action->location(input).value_or("(too long)") : "(none)";
}

TEST(RedirectAction, parts_that_are_not_set_keep_the_requests_value) {
  EXPECT_EQ(location("path: /new"), "http://shop.example:8080/new?x=1&y=2");
  EXPECT_EQ(location("host: other.example"), "http://other.example:8080/a/b?x=1&y=2");
  EXPECT_EQ(location("port: 81"), "http://shop.example:81/a/b?x=1&y=2");
}

TEST(RedirectAction, the_default_port_of_the_protocol_is_left_out) {
  EXPECT_EQ(location("protocol: https, port: \"443\""), "https://shop.example/a/b?x=1&y=2");
  EXPECT_EQ(location("protocol: HTTPS, port: \"8443\""), "https://shop.example:8443/a/b?x=1&y=2");
  EXPECT_EQ(location("port: 80"), "http://shop.example/a/b?x=1&y=2");
  EXPECT_EQ(location("port: 443"), "http://shop.example:443/a/b?x=1&y=2");
}

TEST(RedirectAction, a_changed_protocol_brings_its_port_unless_the_port_is_asked_for) {
  EXPECT_EQ(location("protocol: https"), "https://shop.example/a/b?x=1&y=2");
  EXPECT_EQ(location("protocol: https, port: \"#{port}\""),
            "https://shop.example:8080/a/b?x=1&y=2");
  RedirectInput https = request;
  https.protocol = "https";
  EXPECT_EQ(location("protocol: https", https), "https://shop.example:8080/a/b?x=1&y=2");
}

TEST(RedirectAction, placeholders_are_filled_in_where_alb_allows_them) {
  EXPECT_EQ(location("host: \"www.#{host}\", path: \"/#{host}/#{port}/#{path}\", "
                     "query: \"#{query}&p=#{protocol}&h=#{host}&o=#{port}&w=#{path}\""),
            "http://www.shop.example:8080/shop.example/8080/a/b"
            "?x=1&y=2&p=http&h=shop.example&o=8080&w=a/b");
}

TEST(RedirectAction, a_placeholder_where_alb_does_not_allow_it_is_refused) {
  for (const char* keys :
       {"protocol: \"#{host}\"", "protocol: \"http#{port}\"", "port: \"#{protocol}\"",
        "port: \"1#{port}\"", "host: \"#{path}\"", "host: \"#{query}.x\"", "host: \"#{port}\"",
        "host: \"#{protocol}\"", "path: \"/#{query}\"", "path: \"/#{protocol}\"",
        "path: \"/#{nothing}\"", "path: \"/#{path\""}) {
    EXPECT_NE(redirect_error(keys), "") << keys;
  }
  EXPECT_NE(redirect_error("path: \"/#{query}\"").find("#{host}, #{port}, #{path}"),
            std::string::npos);
}

// T27.
TEST(RedirectAction, what_a_placeholder_brings_is_not_expanded_again) {
  RedirectInput input = request;
  input.path = "/#{host}#{query}";
  input.query = "#{path}#{query}";
  EXPECT_EQ(location("path: \"/p/#{path}\", query: \"q=#{query}\"", input),
            "http://shop.example:8080/p/#{host}#{query}?q=#{path}#{query}");
}

TEST(RedirectAction, no_request_can_put_a_line_end_or_a_space_into_location) {
  RedirectInput input = request;
  input.host = "a\r\nSet-Cookie: x";
  input.path = "/a\r\nb\tc\x7f";
  input.query = std::string_view("q\0r \xff", 5);
  const std::string out = location("protocol: https", input);
  EXPECT_EQ(out, "https://a%0D%0ASet-Cookie:%20x/a%0D%0Ab%09c%7F?q%00r%20%FF");
}

TEST(RedirectAction, an_empty_query_leaves_no_question_mark) {
  RedirectInput input = request;
  input.query = "";
  EXPECT_EQ(location("path: /new", input), "http://shop.example:8080/new");
  EXPECT_EQ(location("path: /new, query: \"\""), "http://shop.example:8080/new");
  EXPECT_EQ(location("path: /new, query: \"#{query}\"", input), "http://shop.example:8080/new");
}

TEST(RedirectAction, the_asterisk_form_has_an_empty_path) {
  RedirectInput input = request;
  input.path = "*";
  input.query = "";
  EXPECT_EQ(location("protocol: https", input), "https://shop.example/");
}

TEST(RedirectAction, an_ip_v6_host_keeps_its_brackets) {
  RedirectInput input = request;
  input.host = "[2001:db8::1]";
  EXPECT_EQ(location("protocol: https, port: 8443, path: /x", input),
            "https://[2001:db8::1]:8443/x?x=1&y=2");
  EXPECT_EQ(location("host: \"[::1]\", path: /x"), "http://[::1]:8080/x?x=1&y=2");
}

// Two slashes would make the next segment a host: an open redirect.
TEST(RedirectAction, without_a_host_the_location_is_relative_and_stays_here) {
  RedirectInput input = request;
  input.host = "";
  EXPECT_EQ(location("path: \"/new/#{path}\"", input), "/new/a/b?x=1&y=2");
  EXPECT_EQ(location("path: \"/#{host}/#{path}\"", input), "/a/b?x=1&y=2");
  input.path = "/";
  EXPECT_EQ(location("path: \"/#{host}/#{path}\"", input), "/?x=1&y=2");
}

TEST(RedirectAction, a_location_of_8_kib_is_the_longest) {
  const std::string head = "https://shop.example/";
  const std::string path = '/' + std::string(Redirect::location_limit - head.size(), 'a');
  const auto to_https = redirect("protocol: https");
  ASSERT_TRUE(to_https);
  RedirectInput input = request;
  input.query = "";
  input.path = path;
  ASSERT_TRUE(to_https->location(input));
  EXPECT_EQ(to_https->location(input)->size(), Redirect::location_limit);
  const std::string longer = path + 'a';
  input.path = longer;
  EXPECT_FALSE(to_https->location(input));
}

TEST(RedirectAction, the_status_is_written_as_a_number_or_as_alb_writes_it) {
  EXPECT_EQ(redirect("protocol: https")->status, 302);
  for (const int status : {301, 302, 303, 307, 308}) {
    const std::string number = std::to_string(status);
    EXPECT_EQ(redirect("protocol: https, status: " + number)->status, status);
    EXPECT_EQ(redirect("protocol: https, status: HTTP_" + number)->status, status);
  }
  for (const char* status : {"300", "304", "200", "HTTP_300"}) {
    EXPECT_NE(redirect_error("protocol: https, status: " + std::string(status)), "");
  }
}

TEST(RedirectAction, one_that_changes_nothing_is_refused_as_a_loop) {
  for (const char* keys : {"status: 301", "protocol: \"#{protocol}\"", "host: \"#{host}\"",
                           "port: \"#{port}\"", "path: \"/#{path}\"", "query: \"x=1\"",
                           "protocol: \"#{protocol}\", host: \"#{host}\", port: \"#{port}\", "
                           "path: \"/#{path}\", query: \"#{query}\""}) {
    EXPECT_NE(redirect_error(keys).find("is a loop"), std::string::npos) << keys;
  }
}

TEST(RedirectAction, parts_that_do_not_fit_a_uri_are_refused) {
  for (const char* keys : {"protocol: ftp",
                           "port: 0",
                           "port: 65536",
                           "port: http",
                           "host: \"a b\"",
                           "host: \"a.example:80\"",
                           "host: \"[::1]:80\"",
                           "host: \"http://a\"",
                           "host: \"\"",
                           "path: new",
                           "path: \"\"",
                           "path: \"/a b\"",
                           "path: \"/a?b\"",
                           "path: \"/a#b\"",
                           "path: \"/a\\r\\nb\"",
                           "path: \"#{path}\"",
                           "query: \"?a\", path: /x",
                           "query: \"a b\", path: /x",
                           "query: \"a\\nb\", path: /x",
                           "path: /x, query: \"a#b\""}) {
    EXPECT_NE(redirect_error(keys), "") << keys;
  }
}

// ALB's reference: which placeholder may stand in which part, each cell of the table.
TEST(RedirectAction, every_placeholder_is_taken_where_alb_takes_it_and_nowhere_else) {
  struct Row {
    const char* part;
    const char* before;  // what makes the part valid around a placeholder
    std::vector<std::string_view> allowed;
  };
  const std::vector<Row> rows{
      {"protocol", "", {"protocol"}},
      {"host", "", {"host"}},
      {"port", "", {"port"}},
      {"path", "/", {"host", "port", "path"}},
      {"query", "", {"protocol", "host", "port", "path", "query"}},
  };
  for (const Row& row : rows) {
    for (const std::string placeholder : {"protocol", "host", "port", "path", "query"}) {
      const std::string keys = std::string(row.part) + ": \"" + row.before + "#{" + placeholder +
                               "}\"" + (row.part == std::string_view("host") ? "" : ", host: o");
      const bool is_allowed = std::ranges::find(row.allowed, placeholder) != row.allowed.end();
      const auto action = read_action(
          "redirect: { " + keys + (row.part == std::string_view("host") ? ", path: /x }" : " }"));
      EXPECT_EQ(action.value.has_value(), is_allowed) << keys << '\n' << action.errors;
    }
  }
}

// 128 characters in ALB, 1024 here.
TEST(RedirectAction, parts_have_at_most_1024_bytes) {
  const auto label = [](std::size_t size) {  // a host of labels
    std::string out;
    while (out.size() < size) out += out.size() % 50 == 49 ? '.' : 'a';
    return out;
  };
  EXPECT_TRUE(redirect("path: /" + std::string(127, 'a')));
  EXPECT_TRUE(redirect("path: /" + std::string(1023, 'a')));
  EXPECT_NE(redirect_error("path: /" + std::string(1024, 'a')).find("1024"), std::string::npos);
  EXPECT_TRUE(redirect("path: /x, query: " + std::string(1024, 'a')));
  EXPECT_NE(redirect_error("path: /x, query: " + std::string(1025, 'a')).find("1024"),
            std::string::npos);
  EXPECT_TRUE(redirect("host: " + label(128)));
  EXPECT_NE(redirect_error("host: " + label(1025)), "");
}

TEST(RedirectAction, ports_are_those_of_tcp) {
  for (const char* port : {"1", "65535"}) EXPECT_TRUE(redirect("port: " + std::string(port)));
  for (const char* port : {"0", "65536", "-1", "+1", "\"\"", "80x"}) {
    EXPECT_NE(redirect_error("port: " + std::string(port))
                  .find("must be a whole number from 1 to 65535 or #{port}"),
              std::string::npos)
        << port;
  }
}

TEST(RedirectAction, an_unknown_key_is_reported_with_the_nearest_one) {
  const auto action = read_action("redirect: { hots: x, path: /x }");
  EXPECT_NE(action.errors.find("redirect.hots: unknown key; did you mean 'host'?"),
            std::string::npos)
      << action.errors;
}

}  // namespace
}  // namespace sluice::route::testing
