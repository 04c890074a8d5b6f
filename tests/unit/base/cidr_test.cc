#include "sluice/base/cidr.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::base {
namespace {

bool holds(std::string_view range, std::string_view address) {
  const auto cidr = Cidr::parse(range);
  const auto ip = IpAddress::parse(address);
  EXPECT_TRUE(cidr) << range;
  EXPECT_TRUE(ip) << address;
  return cidr && ip && cidr->contains(*ip);
}

TEST(Cidr, a_range_holds_its_first_and_last_address_and_not_their_neighbours) {
  struct Case {
    const char* range;
    const char* before;
    const char* first;
    const char* last;
    const char* after;
  };
  const Case cases[] = {
      {"10.0.0.0/8", "9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"},
      {"172.16.0.0/12", "172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"},
      {"192.168.1.128/25", "192.168.1.127", "192.168.1.128", "192.168.1.255", "192.168.2.0"},
      {"192.168.1.7/32", "192.168.1.6", "192.168.1.7", "192.168.1.7", "192.168.1.8"},
      {"192.168.1.7", "192.168.1.6", "192.168.1.7", "192.168.1.7", "192.168.1.8"},
      {"2001:db8::/33", "2001:db7:ffff::", "2001:db8::", "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff",
       "2001:db8:8000::"},
      {"::1", "::", "::1", "::1", "::2"},
  };
  for (const Case& c : cases) {
    EXPECT_FALSE(holds(c.range, c.before)) << c.range;
    EXPECT_TRUE(holds(c.range, c.first)) << c.range;
    EXPECT_TRUE(holds(c.range, c.last)) << c.range;
    EXPECT_FALSE(holds(c.range, c.after)) << c.range;
  }
}

TEST(Cidr, every_address_of_a_family_is_in_its_zero_prefix_and_none_of_the_other) {
  EXPECT_TRUE(holds("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(holds("::/0", "2001:db8::1"));
  EXPECT_FALSE(holds("::/0", "203.0.113.9"));
}

TEST(Cidr, a_v4_mapped_address_is_the_v4_address) {
  EXPECT_TRUE(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(holds("::ffff:10.0.0.0/104", "10.1.2.3"));
  EXPECT_FALSE(holds("::/0", "::ffff:10.1.2.3"));
  EXPECT_EQ(IpAddress::parse("::ffff:10.1.2.3"), IpAddress::parse("10.1.2.3"));

  const std::array<std::uint8_t, 16> mapped = {0, 0, 0,    0,    0,  0, 0, 0,
                                               0, 0, 0xff, 0xff, 10, 1, 2, 3};
  EXPECT_TRUE(Cidr::parse("10.1.2.3")->contains(mapped));
}

TEST(Cidr, bytes_of_another_size_are_in_no_range) {
  const std::array<std::uint8_t, 5> five = {10, 0, 0, 1, 0};
  EXPECT_FALSE(Cidr::parse("10.0.0.0/8")->contains(five));
  EXPECT_FALSE(Cidr::parse("0.0.0.0/0")->contains(std::span<const std::uint8_t>()));
}

TEST(Cidr, what_is_no_range_is_refused) {
  const std::string_view refused[] = {
      "",
      "/8",
      "10.0.0.0/",
      "10.0.0.0/33",
      "10.0.0.0/08",
      "10.0.0.0/8 ",
      " 10.0.0.0/8",
      "10.0.0.0/+8",
      "10.0.0.0/8/8",
      "10.0.0/8",
      "10.0.0.256",
      "010.0.0.1",
      "10.0.0.1/8",
      "::/129",
      "2001:db8::1/32",
      "[::1]",
      "fe80::1%eth0",
      "example.com",
      "::ffff:10.0.0.0/8",
      "10.0.0.0/4294967304",
      std::string_view("10.0.0.1\0/8", 11),
  };
  for (const std::string_view text : refused) EXPECT_FALSE(Cidr::parse(text)) << text;
}

TEST(Cidr, text_is_canonical_and_reads_back) {
  EXPECT_EQ(Cidr::parse("10.0.0.0/8")->text(), "10.0.0.0/8");
  EXPECT_EQ(Cidr::parse("10.0.0.1")->text(), "10.0.0.1/32");
  EXPECT_EQ(Cidr::parse("2001:0DB8:0:0::/32")->text(), "2001:db8::/32");
  EXPECT_EQ(Cidr::parse("::ffff:10.0.0.0/104")->text(), "10.0.0.0/8");
  EXPECT_EQ(Cidr::parse(Cidr::parse("::1")->text()), Cidr::parse("::1/128"));
}

TEST(IpAddress, text_of_v6_is_compressed_and_lower_case) {
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0:0:0:0:1")->text(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("127.0.0.1")->text(), "127.0.0.1");
}

}  // namespace
}  // namespace sluice::base
