#include "control/health/matcher.h"

#include <gtest/gtest.h>

namespace sluice::control::health {
namespace {

TEST(HealthMatcher, unless_told_otherwise_only_200_matches) {
  const StatusMatcher matcher;
  EXPECT_TRUE(matcher.matches(200));
  EXPECT_FALSE(matcher.matches(201));
  EXPECT_FALSE(matcher.matches(199));
  EXPECT_EQ(matcher.text(), "200");
}

TEST(HealthMatcher, lists_and_ranges_match_what_they_name_and_nothing_else) {
  const auto matcher = StatusMatcher::parse("200, 204 ,300-302");
  ASSERT_TRUE(matcher.has_value());
  for (int status = 100; status < 600; ++status) {
    const bool named = status == 200 || status == 204 || (status >= 300 && status <= 302);
    EXPECT_EQ(matcher->matches(static_cast<std::uint16_t>(status)), named) << status;
  }
  EXPECT_EQ(matcher->text(), "200,204,300-302");
}

TEST(HealthMatcher, the_ends_of_the_allowed_range_are_allowed) {
  EXPECT_TRUE(StatusMatcher::parse("200-599"));
  EXPECT_TRUE(StatusMatcher::parse("599"));
}

TEST(HealthMatcher, what_is_no_status_is_refused) {
  for (const char* text : {"", ",", "200,", ",200", "199", "600", "299-200", "200-", "-200", "2xx",
                           "200-299-300", "200;201", "+200", "0200x", "200 201"}) {
    EXPECT_FALSE(StatusMatcher::parse(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::control::health
