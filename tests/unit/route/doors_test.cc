// Every kind of condition and action has the test file that is named after it.
#include <filesystem>

#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

bool has_test(std::string_view kind) {
  return std::filesystem::exists(std::filesystem::path(SLUICE_SOURCE_ROOT) / "tests/unit/route" /
                                 (std::string(kind) + "_test.cc"));
}

TEST(RouteDoors, every_condition_has_its_test) {
  EXPECT_FALSE(condition_names().empty());
  for (const std::string_view kind : condition_names()) EXPECT_TRUE(has_test(kind)) << kind;
}

TEST(RouteDoors, every_action_has_its_test) {
  EXPECT_FALSE(action_names().empty());
  for (const std::string_view kind : action_names()) EXPECT_TRUE(has_test(kind)) << kind;
}

TEST(RouteDoors, every_condition_reports_a_value_that_makes_no_sense_to_it) {
  for (const std::string_view kind : condition_names()) {
    const auto condition = read_condition(std::string(kind) + ": { a: b }");
    EXPECT_EQ(condition.value, nullptr) << kind;
    EXPECT_NE(condition.errors, "") << kind;
  }
}

TEST(RouteDoors, every_action_reports_a_value_that_makes_no_sense_to_it) {
  for (const std::string_view kind : action_names()) {
    const auto action = read_action(std::string(kind) + ": [ 1, 2 ]");
    EXPECT_FALSE(action.value) << kind;
    EXPECT_NE(action.errors, "") << kind;
  }
}

}  // namespace
}  // namespace sluice::route::testing
