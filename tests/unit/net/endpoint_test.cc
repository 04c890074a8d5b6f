#include "sluice/net/endpoint.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <string>

namespace sluice::net {
namespace {

config::Address address(std::string host, std::uint16_t port) {
  config::Address out;
  out.host = std::move(host);
  out.port = port;
  return out;
}

Endpoint from_in6(std::uint32_t flow, std::uint32_t scope) {
  sockaddr_in6 raw{};
  raw.sin6_family = AF_INET6;
  raw.sin6_addr = in6addr_loopback;
  raw.sin6_port = htons(80);
  raw.sin6_flowinfo = flow;
  raw.sin6_scope_id = scope;
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&raw), sizeof raw);
}

TEST(Endpoint, ip_v4_is_read_and_printed) {
  const auto endpoint = Endpoint::numeric("10.0.1.11", 8080);
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->family(), AF_INET);
  EXPECT_EQ(endpoint->size(), sizeof(sockaddr_in));
  EXPECT_EQ(endpoint->port(), 8080);
  EXPECT_EQ(endpoint->text(), "10.0.1.11:8080");
  EXPECT_EQ(endpoint->address_text(), "10.0.1.11");
  EXPECT_EQ(endpoint->address(), base::IpAddress::parse("10.0.1.11"));
}

TEST(Endpoint, ip_v6_has_brackets_only_with_its_port) {
  const auto endpoint = Endpoint::numeric("2001:DB8:0::1", 443);
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->family(), AF_INET6);
  EXPECT_EQ(endpoint->text(), "[2001:db8::1]:443");
  EXPECT_EQ(endpoint->address_text(), "2001:db8::1");
}

TEST(Endpoint, an_ip_v4_client_of_a_dual_stack_socket_is_printed_as_ip_v4) {
  const auto endpoint = Endpoint::numeric("::ffff:192.0.2.1", 5);
  ASSERT_TRUE(endpoint);
  EXPECT_EQ(endpoint->family(), AF_INET6);
  EXPECT_EQ(endpoint->address_text(), "192.0.2.1");
  EXPECT_EQ(endpoint->text(), "192.0.2.1:5");
}

TEST(Endpoint, names_and_loose_spellings_are_not_numeric) {
  for (const char* host :
       {"", "localhost", "127.1", "0x7f.0.0.1", "127.0.0.1 ", "[::1]", "fe80::1%lo"}) {
    EXPECT_FALSE(Endpoint::numeric(host, 1)) << host;
  }
  EXPECT_FALSE(Endpoint::numeric(std::string_view("127.0.0.1\0x", 11), 1));
}

TEST(Endpoint, a_unix_path_is_kept) {
  const Endpoint endpoint = Endpoint::unix_path("/run/app.sock");
  EXPECT_EQ(endpoint.family(), AF_UNIX);
  EXPECT_EQ(endpoint.text(), "unix:/run/app.sock");
  EXPECT_EQ(endpoint.address_text(), "unix:/run/app.sock");
  EXPECT_EQ(endpoint.port(), 0);
  EXPECT_EQ(endpoint.address(), base::IpAddress{});
}

TEST(Endpoint, a_unix_path_has_room_for_107_bytes) {
  const std::string longest = '/' + std::string(106, 'x');
  EXPECT_EQ(Endpoint::unix_path(longest).text(), "unix:" + longest);
  EXPECT_EQ(Endpoint::unix_path(longest + 'x').family(), AF_UNSPEC);
  EXPECT_EQ(Endpoint::unix_path("").family(), AF_UNSPEC);
}

TEST(Endpoint, two_forms_of_one_unix_path_are_equal) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  std::strcpy(raw.sun_path, "/a");
  const auto* bytes = reinterpret_cast<const sockaddr*>(&raw);
  const socklen_t without_nul = offsetof(sockaddr_un, sun_path) + 2;
  EXPECT_EQ(Endpoint::from(bytes, without_nul), Endpoint::unix_path("/a"));
  EXPECT_EQ(Endpoint::from(bytes, without_nul + 1), Endpoint::unix_path("/a"));
  EXPECT_EQ(Endpoint::from(bytes, sizeof raw), Endpoint::unix_path("/a"));
}

TEST(Endpoint, the_peer_of_an_unbound_unix_socket_has_no_name) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  const auto endpoint =
      Endpoint::from(reinterpret_cast<const sockaddr*>(&raw), sizeof raw.sun_family);
  EXPECT_EQ(endpoint.family(), AF_UNIX);
  EXPECT_EQ(endpoint.text(), "unix:");
}

TEST(Endpoint, an_abstract_unix_name_is_printed_with_an_at_sign) {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  std::memcpy(raw.sun_path, "\0app", 4);
  const socklen_t size = offsetof(sockaddr_un, sun_path) + 4;
  EXPECT_EQ(Endpoint::from(reinterpret_cast<const sockaddr*>(&raw), size).text(), "unix:@app");
}

TEST(Endpoint, a_flow_label_does_not_make_another_place_but_a_scope_does) {
  EXPECT_EQ(from_in6(0, 0), from_in6(7, 0));
  EXPECT_NE(from_in6(0, 0), from_in6(0, 1));
}

TEST(Endpoint, endpoints_differ_by_address_port_and_family) {
  const auto one = Endpoint::numeric("127.0.0.1", 1);
  EXPECT_EQ(one, Endpoint::numeric("127.0.0.1", 1));
  EXPECT_NE(one, Endpoint::numeric("127.0.0.1", 2));
  EXPECT_NE(one, Endpoint::numeric("127.0.0.2", 1));
  EXPECT_NE(one, Endpoint::numeric("::ffff:127.0.0.1", 1));
  EXPECT_TRUE((*one < *Endpoint::numeric("127.0.0.2", 1)) !=
              (*Endpoint::numeric("127.0.0.2", 1) < *one));
}

TEST(Endpoint, what_is_cut_short_or_unknown_is_of_no_family) {
  sockaddr_in raw{};
  raw.sin_family = AF_INET;
  EXPECT_EQ(Endpoint::from(reinterpret_cast<const sockaddr*>(&raw), 8), Endpoint());
  raw.sin_family = AF_APPLETALK;
  EXPECT_EQ(Endpoint::from(reinterpret_cast<const sockaddr*>(&raw), sizeof raw), Endpoint());
  EXPECT_EQ(Endpoint::from(nullptr, 0), Endpoint());
  EXPECT_EQ(Endpoint().text(), "-");
  EXPECT_EQ(Endpoint().size(), 0u);
}

TEST(Resolve, a_numeric_address_needs_no_dns) {
  std::string error;
  EXPECT_EQ(resolve(address("127.0.0.1", 80), error), Endpoint::numeric("127.0.0.1", 80));
  EXPECT_EQ(resolve(address("::1", 80), error), Endpoint::numeric("::1", 80));
  EXPECT_EQ(error, "");
}

TEST(Resolve, localhost_is_ip_v4_first) {
  std::string error;
  EXPECT_EQ(resolve(address("localhost", 81), error), Endpoint::numeric("127.0.0.1", 81)) << error;
}

TEST(Resolve, a_name_that_cannot_exist_says_so) {
  std::string error;
  EXPECT_FALSE(resolve(address(std::string(64, 'a') + ".invalid", 80), error));
  EXPECT_NE(error.find("cannot resolve 'aaaa"), std::string::npos) << error;
}

TEST(Resolve, a_unix_path_that_is_too_long_says_so) {
  config::Address too_long;
  too_long.is_unix = true;
  too_long.host = '/' + std::string(107, 'x');
  std::string error;
  EXPECT_FALSE(resolve(too_long, error));
  EXPECT_NE(error.find("107"), std::string::npos) << error;
  too_long.host = "/run/x";
  EXPECT_EQ(resolve(too_long, error), Endpoint::unix_path("/run/x"));
}

// T23.
TEST(MetadataAddress, the_credential_services_of_ec2_are_known_in_every_spelling) {
  EXPECT_TRUE(is_metadata_address(*Endpoint::numeric("169.254.169.254", 80)));
  EXPECT_TRUE(is_metadata_address(*Endpoint::numeric("169.254.169.254", 8080)));
  EXPECT_TRUE(is_metadata_address(*Endpoint::numeric("::ffff:169.254.169.254", 80)));
  EXPECT_TRUE(is_metadata_address(*Endpoint::numeric("fd00:ec2::254", 80)));
  EXPECT_TRUE(is_metadata_address(*Endpoint::numeric("fd00:0ec2:0::0254", 80)));
  std::string error;
  const auto by_number = resolve(address("0xa9fea9fe", 80), error);
  ASSERT_TRUE(by_number) << error;
  EXPECT_TRUE(is_metadata_address(*by_number));
}

TEST(MetadataAddress, neighbours_are_not_meant) {
  EXPECT_FALSE(is_metadata_address(*Endpoint::numeric("169.254.169.253", 80)));
  EXPECT_FALSE(is_metadata_address(*Endpoint::numeric("fd00:ec2::253", 80)));
  EXPECT_FALSE(is_metadata_address(Endpoint::unix_path("/169.254.169.254")));
}

}  // namespace
}  // namespace sluice::net
