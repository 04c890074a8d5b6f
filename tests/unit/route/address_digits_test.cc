#include "route/address_digits.h"

#include <gtest/gtest.h>

namespace sluice::route {
namespace {

std::vector<std::string> beginnings(std::string_view range) {
  return AddressDigits::beginnings_of(base::Cidr::parse(range).value());
}

TEST(AddressDigits, a_range_is_what_its_addresses_begin_with) {
  EXPECT_EQ(AddressDigits(base::IpAddress::parse("10.1.2.255").value()).text(), "40a0102ff");
  EXPECT_EQ(beginnings("10.0.0.0/8"), (std::vector<std::string>{"40a"}));
  EXPECT_EQ(beginnings("10.0.0.4/30"),
            (std::vector<std::string>{"40a000004", "40a000005", "40a000006", "40a000007"}));
  EXPECT_EQ(beginnings("128.0.0.0/1").size(), 8u);
  EXPECT_EQ(beginnings("0.0.0.0/0"), (std::vector<std::string>{"4"}));
  EXPECT_EQ(beginnings("2001:db8::/32"), (std::vector<std::string>{"620010db8"}));
  EXPECT_EQ(beginnings("::1").front().size(), 33u);
}

}  // namespace
}  // namespace sluice::route
