#include "sluice/http/url.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::http {
namespace {

TEST(Url, is_split_into_its_parts) {
  const auto url = parse_url("https://api.test:8443/a?b=c");
  ASSERT_TRUE(url.has_value());
  EXPECT_TRUE(url->is_https);
  EXPECT_EQ(url->authority, "api.test:8443");
  EXPECT_EQ(url->host, "api.test");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->path, "/a?b=c");
}

TEST(Url, has_the_port_of_its_scheme_and_a_path) {
  EXPECT_EQ(parse_url("https://api.test").value_or(Url{}).port, 443);
  EXPECT_EQ(parse_url("http://api.test").value_or(Url{}).port, 80);
  EXPECT_EQ(parse_url("http://api.test").value_or(Url{}).path, "/");
  EXPECT_EQ(parse_url("http://api.test?q").value_or(Url{}).path, "/?q");
}

TEST(Url, of_an_ipv6_host_loses_its_brackets) {
  const auto url = parse_url("http://[fd00:ec2::254]:81/x");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->host, "fd00:ec2::254");
  EXPECT_EQ(url->port, 81);
  EXPECT_EQ(parse_url("http://[::1]").value_or(Url{}).port, 80);
}

TEST(Url, is_refused_when_it_is_not_what_we_ask) {
  for (const char* text : {"", "api.test", "ftp://api.test/", "https://", "https:///x",
                           "https://user@api.test/", "https://api.test/#x", "https://api.test/ x",
                           "https://api.test:0/", "https://api.test:70000/", "http://a b/"}) {
    EXPECT_FALSE(parse_url(text).has_value()) << text;
  }
  EXPECT_FALSE(parse_url("https://api.test/" + std::string(url_bytes_max, 'x')).has_value());
}

}  // namespace
}  // namespace sluice::http
