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

}  // namespace
}  // namespace sluice::route
