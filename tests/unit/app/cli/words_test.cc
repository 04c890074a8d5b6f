#include "app/cli/words.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "app/cli/address.h"
#include "app/cli/values.h"

namespace sluice::app::cli {
namespace {

using std::chrono::milliseconds;

TEST(Words, text_from_elsewhere_cannot_steer_a_terminal) {
  EXPECT_EQ(shown("it's \"10.0.1.11:80\"\\"), "it's \"10.0.1.11:80\"\\");
  EXPECT_EQ(shown("a\x1b[31m\n\x7f\xc2\x9b"), "a\\x1b[31m\\x0a\\x7f\\xc2\\x9b");
}

TEST(Words, times_have_their_two_largest_units) {
  EXPECT_EQ(shown(milliseconds(0)), "0ms");
  EXPECT_EQ(shown(milliseconds(999)), "999ms");
  EXPECT_EQ(shown(milliseconds(1'999)), "1s");
  EXPECT_EQ(shown(milliseconds(60'000)), "1m");
  EXPECT_EQ(shown(milliseconds(725'000)), "12m 5s");
  EXPECT_EQ(shown(milliseconds(86'405'000)), "1d");
  EXPECT_EQ(shown(milliseconds(273'600'000)), "3d 4h");
}

TEST(Words, one_thing_is_no_plural) {
  EXPECT_EQ(counted(0, "request"), "0 requests");
  EXPECT_EQ(counted(1, "request"), "1 request");
}

TEST(Words, a_segment_of_a_path_cannot_leave_its_place) {
  EXPECT_EQ(path_segment("a-b_c.d~1"), "a-b_c.d~1");
  EXPECT_EQ(path_segment("[::1]:80"), "%5B%3A%3A1%5D%3A80");
  EXPECT_EQ(path_segment("unix:/a?b#c%\r\n"), "unix%3A%2Fa%3Fb%23c%25%0D%0A");
}

TEST(AdminAddress, a_url_a_bind_address_and_a_unix_socket_are_read) {
  std::string error;
  const auto url = AdminAddress::parse("http://localhost:9901/", error);
  ASSERT_TRUE(url) << error;
  EXPECT_EQ(url->host, "localhost");
  EXPECT_EQ(url->port, "9901");
  EXPECT_EQ(url->host_field, "localhost:9901");
  const auto v6 = AdminAddress::parse("[::1]:9901", error);
  ASSERT_TRUE(v6) << error;
  EXPECT_EQ(v6->host, "::1");
  EXPECT_EQ(v6->host_field, "[::1]:9901");
  const auto unix_socket = AdminAddress::parse("unix:/run/sluice/admin.sock", error);
  ASSERT_TRUE(unix_socket) << error;
  EXPECT_EQ(unix_socket->unix_path, "/run/sluice/admin.sock");
  EXPECT_EQ(unix_socket->host_field, "localhost");
}

TEST(AdminAddress, everything_else_is_refused_with_what_is_allowed) {
  const std::string too_long = "unix:/" + std::string(200, 'a');
  for (const std::string& text :
       {std::string(), std::string("http://"), std::string("localhost"), std::string("a:0"),
        std::string("a:65536"), std::string("a:1/v1"), std::string("user@a:1"),
        std::string("a b:1"), std::string("a\r\nX: y:1"), std::string("::1:9901"),
        std::string("[a]:1"), std::string("unix:admin.sock"), std::string("ftp://a:1"),
        std::string("https://a:1"), too_long}) {
    std::string error;
    EXPECT_FALSE(AdminAddress::parse(text, error)) << text;
    EXPECT_FALSE(error.empty()) << text;
    EXPECT_EQ(error.find('\n'), std::string::npos) << text;
  }
}

TEST(Values, are_read_whatever_they_are) {
  const boost::json::value value = boost::json::parse(
      R"({"a":{"b":"x\u001b"},"n":3,"m":-3,"d":1.25,"e":1e300,"t":true,"l":[1],"z":null})");
  EXPECT_EQ(text_at(value, "/a/b"), "x\\x1b");
  EXPECT_EQ(text_at(value, "/n"), "");
  EXPECT_EQ(text_at(value, "/a/b/c"), "");
  EXPECT_EQ(number_at(value, "/n"), "3");
  EXPECT_EQ(number_at(value, "/m"), "-3");
  EXPECT_EQ(number_at(value, "/d"), "1.2");
  EXPECT_EQ(number_at(value, "/e"), "1e+300");
  EXPECT_EQ(number_at(value, "/z"), "-");
  EXPECT_EQ(number_at(value, "/nothing"), "-");
  EXPECT_EQ(count_at(value, "/n"), 3U);
  EXPECT_EQ(count_at(value, "/m"), 0U);
  EXPECT_EQ(count_at(value, "/d"), 0U);
  EXPECT_TRUE(is_true_at(value, "/t"));
  EXPECT_FALSE(is_true_at(value, "/n"));
  EXPECT_EQ(list_at(value, "/l").size(), 1U);
  EXPECT_TRUE(list_at(value, "/a").empty());
}

}  // namespace
}  // namespace sluice::app::cli
