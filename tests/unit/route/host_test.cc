#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

TEST(HostCondition, case_port_and_a_dot_at_the_end_do_not_count) {
  for (const char* host : {"www.example.com", "WWW.Example.COM", "www.example.com:8080",
                           "www.example.com.", "www.example.com.:443"}) {
    EXPECT_TRUE(holds_for_host("host: Www.example.com", host)) << host;
  }
  EXPECT_FALSE(holds_for_host("host: www.example.com", "example.com"));
}

TEST(HostCondition, a_wildcard_at_the_front_needs_its_dot) {
  EXPECT_TRUE(holds_for_host("host: \"*.example.com\"", "a.example.com"));
  EXPECT_TRUE(holds_for_host("host: \"*.example.com\"", "a.b.EXAMPLE.com:80"));
  EXPECT_FALSE(holds_for_host("host: \"*.example.com\"", "example.com"));
  EXPECT_FALSE(holds_for_host("host: \"*.example.com\"", "badexample.com"));
}

TEST(HostCondition, a_question_mark_is_one_character) {
  EXPECT_TRUE(holds_for_host("host: \"node-?.example.com\"", "node-1.example.com"));
  EXPECT_FALSE(holds_for_host("host: \"node-?.example.com\"", "node-12.example.com"));
  EXPECT_FALSE(holds_for_host("host: \"node-?.example.com\"", "node-.example.com"));
}

TEST(HostCondition, a_request_without_host_matches_none) {
  EXPECT_FALSE(holds_for_host("host: \"*\"", ""));
}

TEST(HostCondition, an_ipv6_address_is_compared_in_its_brackets) {
  EXPECT_TRUE(holds_for_host("host: \"[2001:db8::1]\"", "[2001:DB8::1]:8443"));
  EXPECT_TRUE(has(error_of("host: \"[2001:*]\""), "no wildcards"));
}

TEST(HostCondition, a_regex_is_searched_for_without_case_and_port) {
  const std::string condition = R"(host: { regex: "^(www|shop)[.]example[.]com$" })";
  EXPECT_TRUE(holds_for_host(condition, "SHOP.example.com:8080"));
  EXPECT_FALSE(holds_for_host(condition, "xshop.example.com"));
  EXPECT_FALSE(holds_for_host(condition, "shop.example.com.evil.test"));
  EXPECT_TRUE(holds_for_host("host: { regex: [ \"^a\", \"^b\" ] }", "b.test"));
}

TEST(HostCondition, names_that_no_request_can_have_are_refused) {
  EXPECT_TRUE(has(error_of("host: \"example.com:8080\""), "the port is not compared"));
  EXPECT_TRUE(has(error_of("host: \"example.com.\""), "the dot at the end"));
  for (const char* host : {"a..b", ".example.com", "exa mple.com", "http://a", "a/b", "ex%61.com",
                           "*..*", "caf\xc3\xa9.fr", "a@b"}) {
    EXPECT_TRUE(has(error_of("host: '" + std::string(host) + '\''), "can never match")) << host;
  }
}

TEST(HostCondition, a_name_of_253_bytes_is_the_longest) {
  EXPECT_EQ(read_condition("host: " + std::string(253, 'a')).errors, "");
  EXPECT_TRUE(has(error_of("host: " + std::string(254, 'a')), "1 to 253"));
  EXPECT_TRUE(has(error_of("host: \"\""), "1 to 253"));
}

}  // namespace
}  // namespace sluice::route::testing
