#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

TEST(MethodCondition, the_method_is_compared_exactly) {
  EXPECT_TRUE(holds_for_method("method: GET", "GET"));
  EXPECT_FALSE(holds_for_method("method: GET", "get"));
  EXPECT_FALSE(holds_for_method("method: GET", "GETX"));
  EXPECT_TRUE(holds_for_method("method: [POST, M-SEARCH, _X]", "M-SEARCH"));
}

TEST(MethodCondition, what_is_no_method_is_refused) {
  for (const char* method : {"\"GET POST\"", "\"G*\"", "\"\"", "\"A/B\""}) {
    EXPECT_TRUE(has(error_of(std::string("method: ") + method), "must be a method")) << method;
  }
  EXPECT_EQ(read_condition("method: " + std::string(40, 'A')).errors, "");
  EXPECT_TRUE(has(error_of("method: " + std::string(41, 'A')), "at most 40"));
}

TEST(MethodCondition, trace_is_warned_about_for_it_never_comes_this_far) {
  const auto read = read_condition("method: [TRACE, GET]");
  EXPECT_NE(read.value, nullptr);
  EXPECT_TRUE(has(read.errors, "warning")) << read.errors;
}

}  // namespace
}  // namespace sluice::route::testing
