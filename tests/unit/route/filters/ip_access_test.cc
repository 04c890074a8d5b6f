#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

bool admits(const std::string& filter, std::string_view address) {
  const auto read = read_filter(filter);
  EXPECT_EQ(read.errors, "") << filter;
  return read.value.ip_access != nullptr &&
         read.value.ip_access->admits(base::IpAddress::parse(address).value());
}

TEST(IpAccess, admits_whom_allow_names_and_nobody_else) {
  constexpr const char* filter = "ip_access: { allow: [10.0.0.0/8, \"2001:db8::/32\"] }";
  EXPECT_TRUE(admits(filter, "10.1.2.3"));
  EXPECT_TRUE(admits(filter, "2001:db8::7"));
  EXPECT_FALSE(admits(filter, "11.0.0.1"));
  EXPECT_FALSE(admits(filter, "2001:db9::7"));
}

TEST(IpAccess, deny_alone_admits_all_others) {
  EXPECT_FALSE(admits("ip_access: { deny: 10.6.6.6 }", "10.6.6.6"));
  EXPECT_TRUE(admits("ip_access: { deny: 10.6.6.6 }", "10.6.6.7"));
}

TEST(IpAccess, deny_wins_over_allow) {
  constexpr const char* filter = "ip_access: { allow: [10.0.0.0/8], deny: [10.6.0.0/16] }";
  EXPECT_TRUE(admits(filter, "10.5.0.1"));
  EXPECT_FALSE(admits(filter, "10.6.0.1"));
}

TEST(IpAccess, a_wrong_value_is_named_with_its_place) {
  for (const char* filter : {"ip_access: { allow: [10.0.0.1/8] }", "ip_access: { allow: [] }",
                             "ip_access: {}", "ip_access: { allow: }", "ip_access:",
                             "ip_access: { permit: [10.0.0.0/8] }", "ip_access: 10.0.0.0/8"}) {
    EXPECT_NE(read_filter(filter).errors.find("filters.ip_access"), std::string::npos)
        << filter << " gives " << read_filter(filter).errors;
  }
}

}  // namespace
}  // namespace sluice::route::testing
