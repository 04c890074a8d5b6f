#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

TEST(ForwardAction, a_group_is_found_by_its_name) {
  const auto action = read_action("forward: admin");
  ASSERT_TRUE(action.value) << action.errors;
  const auto* forward = std::get_if<Forward>(&*action.value);
  ASSERT_NE(forward, nullptr);
  EXPECT_EQ(forward->group, 1u);
  EXPECT_EQ(forward->group_name, "admin");
}

TEST(ForwardAction, an_unknown_group_is_reported_with_the_nearest_one) {
  const auto action = read_action("forward: fronted");
  EXPECT_FALSE(action.value);
  EXPECT_NE(action.errors.find("no target group 'fronted'; did you mean 'frontend'?"),
            std::string::npos)
      << action.errors;
  EXPECT_NE(action.errors.find("test.yaml:4:"), std::string::npos) << action.errors;
}

TEST(ForwardAction, an_unknown_group_like_none_is_reported_with_all) {
  const auto action = read_action("forward: zzzzzzzz");
  EXPECT_FALSE(action.value);
  EXPECT_NE(action.errors.find("there are: api, admin, frontend"), std::string::npos)
      << action.errors;
}

TEST(ForwardAction, weighted_groups_are_refused_as_not_supported) {
  const auto action = read_action("forward: [ { group: api, weight: 1 } ]");
  EXPECT_FALSE(action.value);
  EXPECT_NE(action.errors.find("not supported by this version"), std::string::npos)
      << action.errors;
}

}  // namespace
}  // namespace sluice::route::testing
