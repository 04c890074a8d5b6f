#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

TEST(AnyCondition, one_of_its_conditions_has_to_hold) {
  const std::string condition = "any: [ { path: /a }, { not: { path_prefix: /b } } ]";
  EXPECT_TRUE(holds_for_path(condition, "/a"));
  EXPECT_TRUE(holds_for_path(condition, "/c"));
  EXPECT_FALSE(holds_for_path(condition, "/b/a"));
}

TEST(AnyCondition, what_is_wrong_inside_is_said_with_its_place) {
  EXPECT_TRUE(has(error_of("any: [ { path: /x }, { path: x } ]"), "any[1].path"));
  EXPECT_TRUE(has(error_of("any: []"), "an empty list"));
  EXPECT_TRUE(has(error_of("any: { path: /x }"), "must be a list"));
  std::string condition = "path: /x";
  for (unsigned depth = 0; depth <= condition_depth_max; ++depth) {
    condition = "any: [ { " + condition + " } ]";
  }
  EXPECT_TRUE(has(error_of(condition), "more than 8"));
}

}  // namespace
}  // namespace sluice::route::testing
