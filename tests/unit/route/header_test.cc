#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

TEST(HeaderCondition, neither_name_nor_value_count_case) {
  const std::string condition = "header: { name: X-Env, values: [Beta, \"canary*\"] }";
  EXPECT_TRUE(holds_for_fields(condition, {{"x-env", "BETA"}}));
  EXPECT_TRUE(holds_for_fields(condition, {{"X-ENV", "Canary-7"}}));
  EXPECT_FALSE(holds_for_fields(condition, {{"x-env", "beta2"}}));
  EXPECT_FALSE(holds_for_fields(condition, {{"x-envy", "beta"}}));
  EXPECT_FALSE(holds_for_fields(condition, {}));
}

TEST(HeaderCondition, repeated_fields_are_tried_in_turn) {
  const std::string condition = "header: { name: X-Env, values: beta }";
  EXPECT_TRUE(holds_for_fields(condition, {{"X-Env", "a"}, {"Y", "z"}, {"X-Env", "beta"}}));
  EXPECT_FALSE(holds_for_fields(condition, {{"X-Env", "a"}, {"X-Env", "a, beta"}}));
}

TEST(HeaderCondition, a_backslash_makes_a_wildcard_a_character) {
  const std::string condition = R"(header: { name: X, values: ['1\*2', 'a\\b', 'q\?'] })";
  EXPECT_TRUE(holds_for_fields(condition, {{"X", "1*2"}}));
  EXPECT_TRUE(holds_for_fields(condition, {{"X", "a\\b"}}));
  EXPECT_TRUE(holds_for_fields(condition, {{"X", "Q?"}}));
  EXPECT_FALSE(holds_for_fields(condition, {{"X", "1x2"}}));
  EXPECT_FALSE(holds_for_fields(condition, {{"X", "qq"}}));
}

TEST(HeaderCondition, a_regex_counts_case_unless_it_says_otherwise) {
  EXPECT_TRUE(holds_for_fields("header: { name: X, regex: \"^ab+$\" }", {{"x", "abb"}}));
  EXPECT_FALSE(holds_for_fields("header: { name: X, regex: \"^ab+$\" }", {{"x", "ABB"}}));
  EXPECT_TRUE(holds_for_fields("header: { name: X, regex: \"(?i)^ab+$\" }", {{"x", "ABB"}}));
}

TEST(HeaderCondition, without_values_it_only_has_to_be_there) {
  EXPECT_TRUE(holds_for_fields("header: { name: X }", {{"x", ""}}));
  EXPECT_FALSE(holds_for_fields("header: { name: X }", {{"y", "x"}}));
}

TEST(HeaderCondition, the_host_has_a_condition_of_its_own) {
  EXPECT_TRUE(has(error_of("header: { name: HOST, values: [a] }"), "`host`"));
}

TEST(HeaderCondition, what_cannot_be_is_refused) {
  EXPECT_TRUE(has(error_of("header: { values: [a] }"), "needs the name"));
  EXPECT_TRUE(has(error_of("header: { name: \"a b\" }"), "must be the name of a header"));
  EXPECT_TRUE(has(error_of("header: { name: \"X-*\" }"), "without wildcards"));
  EXPECT_TRUE(has(error_of("header: { name: X, values: [a], regex: b }"), "not both"));
  EXPECT_TRUE(has(error_of("header: { name: X, values: [\"a\\tb\"] }"), "control characters"));
  EXPECT_TRUE(has(error_of("header: { name: X, regex: \"(\" }"), "regular expression of RE2"));
  EXPECT_TRUE(has(error_of("header: [X]"), "must be a mapping"));
}

TEST(HeaderCondition, names_and_values_have_up_to_128_bytes) {
  const std::string longest(128, 'a');
  EXPECT_EQ(read_condition("header: { name: " + longest + ", values: " + longest + " }").errors,
            "");
  EXPECT_TRUE(has(error_of("header: { name: " + longest + "a }"), "at most 128"));
  EXPECT_TRUE(has(error_of("header: { name: X, values: " + longest + "a }"), "0 to 128"));
}

}  // namespace
}  // namespace sluice::route::testing
