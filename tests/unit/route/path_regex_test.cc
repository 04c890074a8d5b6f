#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

TEST(PathRegexCondition, it_is_searched_for_in_the_normal_form_with_case) {
  EXPECT_TRUE(holds_for_path("path_regex: \"^/v[0-9]+/\"", "/v12/x"));
  EXPECT_FALSE(holds_for_path("path_regex: \"^/v[0-9]+/\"", "/x/v12/x"));
  EXPECT_TRUE(holds_for_path("path_regex: \"[.]php$\"", "/a/b.php"));
  EXPECT_FALSE(holds_for_path("path_regex: \"[.]php$\"", "/a/b.PHP"));
}

TEST(PathRegexCondition, any_of_several_may_match) {
  EXPECT_TRUE(holds_for_path("path_regex: [\"^/a$\", \"^/b$\"]", "/b"));
}

TEST(PathRegexCondition, what_re2_does_not_take_is_refused_with_its_words) {
  EXPECT_TRUE(has(error_of("path_regex: \"^/(a\""), "missing )"));
  EXPECT_TRUE(has(error_of("path_regex: \"(?=a)\""), "invalid perl operator"));
  EXPECT_TRUE(has(error_of(R"(path_regex: "(a)\\1")"), "invalid escape sequence"));
  EXPECT_TRUE(has(error_of("path_regex: \"((a{100}){100}){100}\""), "regular expression of RE2"));
  EXPECT_TRUE(has(error_of("path_regex: [ok, \"[\"]"), "path_regex[1]"));
}

TEST(PathRegexCondition, a_pattern_of_1024_bytes_is_the_longest) {
  EXPECT_EQ(read_condition("path_regex: " + std::string(1024, 'a')).errors, "");
  EXPECT_TRUE(has(error_of("path_regex: " + std::string(1025, 'a')), "1024"));
}

}  // namespace
}  // namespace sluice::route::testing
