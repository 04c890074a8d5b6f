#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

TEST(CookieCondition, the_named_cookie_has_one_of_the_values) {
  const std::string condition = "cookie: { name: plan, values: [gold, \"silver*\"] }";
  EXPECT_TRUE(holds_for_fields(condition, {{"Cookie", "a=b; plan=gold"}}));
  EXPECT_TRUE(holds_for_fields(condition, {{"Cookie", "plan=\"silver-2\""}}));
  EXPECT_FALSE(holds_for_fields(condition, {{"Cookie", "plan=Gold"}}));
  EXPECT_FALSE(holds_for_fields(condition, {{"Cookie", "Plan=gold; other=gold"}}));
  EXPECT_FALSE(holds_for_fields(condition, {{"X-Cookie", "plan=gold"}}));
}

TEST(CookieCondition, cookies_of_the_same_name_are_tried_in_turn) {
  const std::string condition = "cookie: { name: plan, values: gold }";
  EXPECT_TRUE(holds_for_fields(condition, {{"Cookie", "plan=x; plan=gold"}}));
  EXPECT_TRUE(holds_for_fields(condition, {{"Cookie", "plan=x"}, {"Cookie", "plan=gold"}}));
}

TEST(CookieCondition, without_values_it_only_has_to_be_there) {
  EXPECT_TRUE(holds_for_fields("cookie: { name: plan }", {{"Cookie", "plan="}}));
  EXPECT_FALSE(holds_for_fields("cookie: { name: plan }", {{"Cookie", "plans=1"}}));
}

TEST(CookieCondition, what_makes_no_sense_is_refused) {
  EXPECT_TRUE(has(error_of("cookie: { values: [a] }"), "needs the name"));
  EXPECT_TRUE(has(error_of("cookie: { name: \"a;b\" }"), "must be the name of a cookie"));
  EXPECT_TRUE(has(error_of("cookie: plan"), "must be a mapping"));
  const std::string longest(128, 'a');
  EXPECT_EQ(read_condition("cookie: { name: " + longest + ", values: " + longest + " }").errors,
            "");
  EXPECT_TRUE(has(error_of("cookie: { name: " + longest + "a }"), "at most 128"));
  EXPECT_TRUE(has(error_of("cookie: { name: a, values: " + longest + "a }"), "0 to 128"));
}

}  // namespace
}  // namespace sluice::route::testing
