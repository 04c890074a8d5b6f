#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

TEST(QueryCondition, key_and_value_are_of_the_same_parameter_without_case) {
  const std::string condition = "query: { key: version, value: v1 }";
  EXPECT_TRUE(holds_for_query(condition, "version=v1"));
  EXPECT_TRUE(holds_for_query(condition, "a=b&VERSION=V1&c"));
  EXPECT_TRUE(holds_for_query(condition, "version=v2&version=v1"));
  EXPECT_FALSE(holds_for_query(condition, "version=v2&other=v1"));
  EXPECT_FALSE(holds_for_query(condition, "version"));
  EXPECT_FALSE(holds_for_query(condition, ""));
}

TEST(QueryCondition, a_value_alone_may_be_that_of_any_key_or_of_none) {
  const std::string condition = "query: { value: \"*example*\" }";
  EXPECT_TRUE(holds_for_query(condition, "q=an-Example-here"));
  EXPECT_TRUE(holds_for_query(condition, "example"));
  EXPECT_FALSE(holds_for_query(condition, "example=1"));
}

TEST(QueryCondition, a_key_alone_may_have_any_value_or_none) {
  EXPECT_TRUE(holds_for_query("query: { key: debug }", "debug"));
  EXPECT_TRUE(holds_for_query("query: { key: debug }", "x&debug=1"));
  EXPECT_FALSE(holds_for_query("query: { key: debug }", "debugger=1&x=debug"));
}

TEST(QueryCondition, keys_have_wildcards_too) {
  EXPECT_TRUE(holds_for_query("query: { key: \"utm_*\", value: \"x?\" }", "utm_source=xy"));
  EXPECT_FALSE(holds_for_query("query: { key: \"utm_*\", value: \"x?\" }", "utm_source=x"));
}

TEST(QueryCondition, any_of_several_pairs_may_match) {
  const std::string condition = "query: [ { key: a, value: 1 }, { key: b } ]";
  EXPECT_TRUE(holds_for_query(condition, "a=1"));
  EXPECT_TRUE(holds_for_query(condition, "b"));
  EXPECT_FALSE(holds_for_query(condition, "a=2"));
}

TEST(QueryCondition, a_backslash_makes_a_wildcard_a_character) {
  EXPECT_TRUE(holds_for_query(R"(query: { value: '\*' })", "q=*"));
  EXPECT_FALSE(holds_for_query(R"(query: { value: '\*' })", "q=x"));
  EXPECT_TRUE(holds_for_query(R"(query: { key: 'a\?', value: '\\' })", "a%3F=%5C"));
}

TEST(QueryCondition, parameters_are_decoded_once_but_for_plus) {
  const std::string condition = "query: { key: role, value: admin }";
  EXPECT_TRUE(holds_for_query(condition, "r%6fle=%61dmi%6E"));
  EXPECT_FALSE(holds_for_query(condition, "role=%2561dmin"));
  EXPECT_TRUE(holds_for_query("query: { value: \"a=b&c\" }", "x=a%3Db%26c"));
  EXPECT_TRUE(holds_for_query("query: { value: \"100%\" }", "x=100%"));
  EXPECT_TRUE(holds_for_query("query: { value: \"%4\" }", "x=%4"));
  EXPECT_TRUE(holds_for_query("query: { value: \"a+b\" }", "x=a+b"));
  EXPECT_FALSE(holds_for_query("query: { value: \"a b\" }", "x=a+b"));
  EXPECT_TRUE(holds_for_query("query: { value: \"a b\" }", "x=a%20b"));
}

TEST(QueryCondition, what_makes_no_sense_is_refused) {
  EXPECT_TRUE(has(error_of("query: [a]"), "query[0]: must be a mapping"));
  EXPECT_TRUE(has(error_of("query: []"), "at least one value"));
  EXPECT_TRUE(has(error_of("query: { key: \"\" }"), "1 to 128"));
  EXPECT_TRUE(has(error_of("query: { key: a, valeu: b }"), "did you mean 'value'"));
}

TEST(QueryCondition, keys_and_values_have_up_to_128_bytes) {
  const std::string longest(128, 'a');
  EXPECT_EQ(read_condition("query: { key: " + longest + ", value: " + longest + " }").errors, "");
  EXPECT_TRUE(has(error_of("query: { key: " + longest + "a }"), "1 to 128"));
  EXPECT_TRUE(has(error_of("query: { value: " + longest + "a }"), "0 to 128"));
}

}  // namespace
}  // namespace sluice::route::testing
