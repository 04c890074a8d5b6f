#include "sluice/route/regex.h"

#include <gtest/gtest.h>

namespace sluice::route {
namespace {

bool is_refused(std::string_view pattern) {
  std::string error;
  const bool refused = !Regex::compile(pattern, error).has_value();
  EXPECT_EQ(refused, !error.empty());
  return refused;
}

bool finds(std::string_view pattern, std::string_view text) {
  std::string error;
  const auto regex = Regex::compile(pattern, error);
  EXPECT_EQ(error, "");
  return regex.has_value() && regex->is_found_in(text);
}

TEST(Regex, it_is_searched_for_and_tied_to_the_ends_only_when_it_says_so) {
  EXPECT_TRUE(finds("o+k", "all is ook here"));
  EXPECT_FALSE(finds("^ok", "all ok"));
  EXPECT_TRUE(finds("ok$", "all ok"));
}

TEST(Regex, text_need_not_be_utf_8) {
  EXPECT_TRUE(finds("a.b", std::string_view("\xff a\xfe"
                                            "b",
                                            5)));
  EXPECT_TRUE(finds("\xc3\xa9", "caf\xc3\xa9"));
}

TEST(Regex, what_is_no_expression_is_refused_with_a_reason) {
  EXPECT_TRUE(is_refused(""));
  EXPECT_TRUE(is_refused("("));
  EXPECT_TRUE(is_refused("(?=a)"));  // RE2 has no look-ahead
  EXPECT_TRUE(is_refused("(a)\\1"));
  EXPECT_TRUE(is_refused(std::string(Regex::pattern_bytes_max + 1, 'a')));
  EXPECT_FALSE(is_refused(std::string(Regex::pattern_bytes_max, 'a')));
}

TEST(Regex, what_would_need_much_memory_is_refused) {
  EXPECT_TRUE(is_refused("((a{100}){100}){100}"));
  EXPECT_TRUE(is_refused("(\\pL{1000}|b){900}"));
}

TEST(Regex, the_pattern_that_takes_for_ever_elsewhere_ends_here) {
  EXPECT_FALSE(finds("^(a+)+$", std::string(100'000, 'a') + "b"));
}

// ---------------------------------------------------------------- replacing

struct Replaced {
  Regex::Outcome outcome;
  std::string text;
};

Replaced replaced(std::string_view pattern, std::string_view replacement, std::string_view text,
                  std::size_t limit = 1000) {
  std::string error;
  const auto regex = Regex::compile(pattern, error);
  const auto by = regex.value().parse_replacement(replacement, error);
  EXPECT_EQ(error, "");
  Replaced result{};
  result.outcome = regex->replace_first(text, by.value(), limit, result.text);
  return result;
}

TEST(RegexReplace, the_first_match_is_replaced_and_the_rest_stays) {
  EXPECT_EQ(replaced("a", "b", "xaya").text, "xbya");
  EXPECT_EQ(replaced("^/old/(.*)$", "/new/$1", "/old/x/y").text, "/new/x/y");
  EXPECT_EQ(replaced("(a)(b)?", "[$2$1$0]", "xac").text, "x[aa]c");
  EXPECT_EQ(replaced("$", "/end", "/a").text, "/a/end");
  EXPECT_EQ(replaced("c", "$$1", "c").text, "$1");
  EXPECT_EQ(replaced("x", "y", "abc").outcome, Regex::Outcome::no_match);
  EXPECT_EQ(replaced("x*", "y", "").text, "y");
}

// T27
TEST(RegexReplace, what_a_group_brings_is_not_read_again) {
  EXPECT_EQ(replaced("^/(.*)/(.*)$", "/$1", "/$2/secret").text, "/$2");
}

TEST(RegexReplace, it_stops_at_the_limit) {
  EXPECT_EQ(replaced("(.*)", "$1$1$1$1", std::string(100, 'a'), 400).text.size(), 400U);
  EXPECT_EQ(replaced("(.*)", "$1$1$1$1", std::string(100, 'a'), 399).outcome,
            Regex::Outcome::too_long);
  EXPECT_EQ(replaced("^", "x", std::string(100, 'a'), 100).outcome, Regex::Outcome::too_long);
}

TEST(RegexReplace, groups_that_do_not_exist_are_refused) {
  std::string error;
  const auto regex = Regex::compile("(a)(b)", error);
  for (const char* text : {"$3", "$", "$x", "a$", "${1}"}) {
    error.clear();
    EXPECT_FALSE(regex.value().parse_replacement(text, error)) << text;
    EXPECT_NE(error.find("$0 to $2"), std::string::npos) << error;
  }
  EXPECT_FALSE(regex.value().parse_replacement(std::string(1025, 'a'), error));
}

}  // namespace
}  // namespace sluice::route
