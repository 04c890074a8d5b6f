#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

bool path_matches(const std::string& values, std::string_view path) {
  const auto condition = read_condition("path: " + values);
  EXPECT_EQ(condition.errors, "");
  const Request request(path);
  return condition.value != nullptr && condition.value->matches(request.input);
}

std::string path_error(const std::string& values) {
  const auto condition = read_condition("path: " + values);
  EXPECT_EQ(condition.value, nullptr);
  return condition.errors;
}

TEST(PathCondition, the_whole_path_must_match) {
  EXPECT_TRUE(path_matches("/api", "/api"));
  EXPECT_FALSE(path_matches("/api", "/api/"));
  EXPECT_FALSE(path_matches("/api", "/x/api"));
}

TEST(PathCondition, any_of_the_values_may_match) {
  EXPECT_TRUE(path_matches("[/api, \"/api/*\"]", "/api"));
  EXPECT_TRUE(path_matches("[/api, \"/api/*\"]", "/api/v1/x"));
  EXPECT_FALSE(path_matches("[/api, \"/api/*\"]", "/apiary"));
}

TEST(PathCondition, a_question_mark_is_exactly_one_byte) {
  EXPECT_TRUE(path_matches("\"/v?/x\"", "/v1/x"));
  EXPECT_FALSE(path_matches("\"/v?/x\"", "/v/x"));
  EXPECT_FALSE(path_matches("\"/v?/x\"", "/v12/x"));
}

TEST(PathCondition, case_counts) { EXPECT_FALSE(path_matches("/api", "/API")); }

TEST(PathCondition, a_star_alone_matches_also_the_asterisk_form) {
  EXPECT_TRUE(path_matches("\"*\"", "*"));
  EXPECT_TRUE(path_matches("\"*\"", "/any/thing"));
}

TEST(PathCondition, patterns_as_alb_users_write_them_are_taken) {
  for (const char* pattern : {"/", "/*", "*/", "*.php", "/img/*.png", "/a/*/b", "?", "?api", "/*.*",
                              "/.?*", "/a%20b/*", "/caf%C3%A9", "/~user/$x:@&+-_.;p=1"}) {
    EXPECT_EQ(read_condition("path: '" + std::string(pattern) + '\'').errors, "") << pattern;
  }
}

TEST(PathCondition, a_pattern_that_no_normal_form_can_match_is_refused) {
  for (const char* pattern : {"/admin//*", "/a/../b", "/a/./b", "/%61dmin", "/a%2fb", "/a%3d",
                              "/*/..", "/a b", "/a\\b", "/a#b", "/%zz"}) {
    const std::string error = path_error('\'' + std::string(pattern) + '\'');
    EXPECT_NE(error.find("can never match"), std::string::npos) << pattern << ": " << error;
  }
}

TEST(PathCondition, a_pattern_must_begin_like_a_path) {
  EXPECT_NE(path_error("api").find("must begin with '/'"), std::string::npos);
  EXPECT_NE(path_error("\"\"").find("must have 1 to 128 characters"), std::string::npos);
}

TEST(PathCondition, a_pattern_of_128_bytes_is_the_longest) {
  EXPECT_EQ(read_condition("path: /" + std::string(127, 'a')).errors, "");
  EXPECT_NE(path_error("/" + std::string(128, 'a')).find("128"), std::string::npos);
}

TEST(PathCondition, one_bad_value_refuses_the_condition_and_says_which) {
  const std::string error = path_error("[/good, bad, /also//bad]");
  EXPECT_NE(error.find("conditions[0].path[1]"), std::string::npos) << error;
  EXPECT_NE(error.find("conditions[0].path[2]"), std::string::npos) << error;
}

TEST(PathCondition, at_least_one_value_is_needed) {
  EXPECT_NE(path_error("[]").find("at least one value"), std::string::npos);
  EXPECT_NE(path_error("").find("must not be empty"), std::string::npos);
}

}  // namespace
}  // namespace sluice::route::testing
