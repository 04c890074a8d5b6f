#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

bool prefix_matches(const std::string& values, std::string_view path) {
  const auto condition = read_condition("path_prefix: " + values);
  EXPECT_EQ(condition.errors, "");
  const Request request(path);
  return condition.value != nullptr && condition.value->matches(request.input);
}

std::string prefix_error(const std::string& values) {
  const auto condition = read_condition("path_prefix: " + values);
  EXPECT_EQ(condition.value, nullptr);
  return condition.errors;
}

TEST(PathPrefixCondition, whole_segments_match) {
  EXPECT_TRUE(prefix_matches("/api", "/api"));
  EXPECT_TRUE(prefix_matches("/api", "/api/"));
  EXPECT_TRUE(prefix_matches("/api", "/api/x"));
  EXPECT_FALSE(prefix_matches("/api", "/apiary"));
  EXPECT_FALSE(prefix_matches("/api", "/ap"));
  EXPECT_FALSE(prefix_matches("/api", "/x/api"));
  EXPECT_FALSE(prefix_matches("/api", "/API"));
}

TEST(PathPrefixCondition, a_slash_at_the_end_changes_nothing) {
  EXPECT_TRUE(prefix_matches("/api/", "/api"));
  EXPECT_TRUE(prefix_matches("/api/", "/api/x"));
  EXPECT_FALSE(prefix_matches("/api/", "/apiary"));
}

TEST(PathPrefixCondition, the_root_matches_every_path_but_not_the_asterisk_form) {
  EXPECT_TRUE(prefix_matches("/", "/"));
  EXPECT_TRUE(prefix_matches("/", "/x"));
  EXPECT_FALSE(prefix_matches("/", "*"));
}

TEST(PathPrefixCondition, any_of_several_prefixes_may_match) {
  EXPECT_TRUE(prefix_matches("[/a, /b]", "/b/x"));
  EXPECT_FALSE(prefix_matches("[/a, /b]", "/c"));
}

TEST(PathPrefixCondition, wildcards_are_refused_with_a_hint) {
  EXPECT_NE(prefix_error("\"/api/*\"").find("has no wildcards"), std::string::npos);
}

TEST(PathPrefixCondition, a_prefix_out_of_normal_form_is_refused_with_the_normal_one) {
  EXPECT_NE(prefix_error("/a//b").find("here '/a/b'"), std::string::npos);
  EXPECT_NE(prefix_error("/%61pi").find("here '/api'"), std::string::npos);
  EXPECT_NE(prefix_error("\"/a?b\"").find("not a path"), std::string::npos);
  EXPECT_NE(prefix_error("/..").find("not a path"), std::string::npos);
  EXPECT_NE(prefix_error("api").find("must begin with '/'"), std::string::npos);
}

}  // namespace
}  // namespace sluice::route::testing
