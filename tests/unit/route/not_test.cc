#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

TEST(NotCondition, it_holds_when_the_other_does_not) {
  EXPECT_FALSE(holds_for_path("not: { path_prefix: /api }", "/api/x"));
  EXPECT_TRUE(holds_for_path("not: { path_prefix: /api }", "/x"));
  EXPECT_TRUE(holds_for_fields("not: { header: { name: X } }", {}));
  EXPECT_FALSE(holds_for_path("not: { not: { path: /x } }", "/y"));
}

TEST(NotCondition, what_is_wrong_inside_is_said_with_its_place) {
  EXPECT_TRUE(has(error_of("not: { path: x }"), "conditions[0].not.path: must begin with"));
  EXPECT_TRUE(has(error_of("not: { path: /x, host: a }"), "exactly one of"));
  EXPECT_TRUE(has(error_of("not: [ { path: /x } ]"), "exactly one of"));
}

TEST(NotCondition, conditions_stand_in_each_other_eight_deep_at_most) {
  std::string condition = "path: /x";
  for (unsigned depth = 0; depth < condition_depth_max; ++depth) {
    condition = "not: { " + condition + " }";
  }
  EXPECT_EQ(read_condition(condition).errors, "");
  EXPECT_TRUE(has(error_of("not: { " + condition + " }"), "more than 8"));
}

}  // namespace
}  // namespace sluice::route::testing
