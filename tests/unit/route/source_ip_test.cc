#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

bool source_matches(const std::string& values, std::string_view client) {
  const auto condition = read_condition("source_ip: " + values);
  EXPECT_EQ(condition.errors, "");
  const Request request("/", client);
  return condition.value != nullptr && condition.value->matches(request.input);
}

TEST(SourceIpCondition, a_client_in_any_of_the_ranges_matches) {
  const std::string ranges = "[10.0.0.0/8, 127.0.0.0/8, \"2001:db8::/32\"]";
  EXPECT_TRUE(source_matches(ranges, "10.255.0.1"));
  EXPECT_TRUE(source_matches(ranges, "127.0.0.1"));
  EXPECT_TRUE(source_matches(ranges, "2001:db8:1::1"));
  EXPECT_FALSE(source_matches(ranges, "11.0.0.1"));
  EXPECT_FALSE(source_matches(ranges, "2001:db9::1"));
}

TEST(SourceIpCondition, a_client_on_a_dual_stack_socket_is_the_same_client) {
  EXPECT_TRUE(source_matches("10.0.0.0/8", "::ffff:10.1.2.3"));
}

TEST(SourceIpCondition, an_address_alone_is_a_range_of_one) {
  EXPECT_TRUE(source_matches("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(source_matches("192.0.2.7", "192.0.2.8"));
}

TEST(SourceIpCondition, what_the_client_writes_about_itself_does_not_count) {
  const auto condition = read_condition("source_ip: 10.0.0.0/8");
  Request request("/", "192.0.2.1");
  request.head.fields.add("X-Forwarded-For", "10.0.0.1");
  ASSERT_NE(condition.value, nullptr);
  EXPECT_FALSE(condition.value->matches(request.input));
}

TEST(SourceIpCondition, a_wrong_range_is_refused_at_its_place) {
  for (const char* range : {"10.0.0.1/8", "10.0.0.0/33", "localhost", "10.0.0"}) {
    const auto condition = read_condition("source_ip: [127.0.0.1, " + std::string(range) + "]");
    EXPECT_EQ(condition.value, nullptr) << range;
    EXPECT_NE(condition.errors.find("source_ip[1]: must be a range"), std::string::npos)
        << condition.errors;
  }
}

}  // namespace
}  // namespace sluice::route::testing
