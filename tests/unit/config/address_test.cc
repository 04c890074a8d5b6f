#include <gtest/gtest.h>

#include "config/yaml_document.h"
#include "sluice/config/load.h"

namespace sluice::config {
namespace {

std::optional<Address> parse(std::string_view text, Problems& problems) {
  auto document = parse_yaml("a: \"" + std::string(text) + "\"", "f", problems);
  return parse_address(*Node(std::move(document), "").get("a"), problems);
}

TEST(Address, every_form_has_one_canonical_text) {
  struct Case {
    const char* written;
    const char* canonical;
  };
  const Case cases[] = {
      {"127.0.0.1:80", "127.0.0.1:80"},
      {"0.0.0.0:65535", "0.0.0.0:65535"},
      {"[::]:8080", "[::]:8080"},
      {"[2001:DB8:0::1]:8080", "[2001:db8::1]:8080"},
      {"[::ffff:10.0.0.1]:80", "10.0.0.1:80"},
      {"Api.Internal:80", "api.internal:80"},
      {"api_1.internal:080", "api_1.internal:80"},
      {"localhost:0", "localhost:0"},
      {"3com:80", "3com:80"},
      {"unix:/run/Sluice/admin.sock", "unix:/run/Sluice/admin.sock"},
      {"unix:/a:80", "unix:/a:80"},
      {"unix:/x/./b.sock", "unix:/x/b.sock"},
      {"unix://x//././b.sock", "unix:/x/b.sock"},
      {"unix:/x/../b.sock", "unix:/x/../b.sock"},
      {"unix:/x/.b", "unix:/x/.b"},
  };
  for (const Case& c : cases) {
    Problems problems;
    const auto address = parse(c.written, problems);
    ASSERT_TRUE(address) << c.written;
    EXPECT_EQ(address->text(), c.canonical);
    EXPECT_FALSE(problems.has_errors());
  }
}

TEST(Address, parts_and_place_are_kept) {
  Problems problems;
  const auto tcp = parse("[::1]:8080", problems);
  EXPECT_EQ(tcp->host, "::1");
  EXPECT_EQ(tcp->port, 8080);
  EXPECT_FALSE(tcp->is_unix);
  EXPECT_EQ(tcp->position.line, 1U);
  EXPECT_EQ(tcp->position.column, 4U);
  const auto local = parse("unix:/run/x", problems);
  EXPECT_EQ(local->host, "/run/x");
  EXPECT_TRUE(local->is_unix);
}

TEST(Address, what_is_no_address_is_refused_with_the_forms_allowed) {
  const char* const refused[] = {
      "",
      "80",
      ":80",
      "127.0.0.1",
      "127.0.0.1:",
      "127.0.0.1:65536",
      "127.0.0.1:-1",
      "127.0.0.1:http",
      "127.0.0.1: 80",
      " 127.0.0.1:80",
      "10.0.0.256:80",
      "10.0.1:80",
      "010.0.0.1:80",
      "1234:80",
      "::1:80",
      "[::1]",
      "[::1]80",
      "[::g]:80",
      "[127.0.0.1]:80",
      "[api]:80",
      "[fe80::1%eth0]:80",
      "a b:80",
      "-a.internal:80",
      "a..b:80",
      "a.b.:80",
      "*:80",
      "http://a:80",
      "unix:",
      "unix:run/x",
      "unix:/a\\nb",
      "UNIX:/a",
  };
  for (const char* text : refused) {
    Problems problems;
    EXPECT_FALSE(parse(text, problems)) << text;
    const auto found = problems.sorted();
    ASSERT_EQ(found.size(), 1U) << text;
    EXPECT_NE(found[0].text().find("host:port, [v6]:port or unix:/path"), std::string::npos);
    EXPECT_EQ(found[0].text().find("f:1:4: a: "), 0U) << found[0].text();
  }
}

TEST(Address, the_lengths_of_names_and_paths_are_bounded) {
  const std::string label(63, 'a');
  const std::string longest = label + '.' + label + '.' + label + '.' + std::string(61, 'a');
  Problems problems;
  EXPECT_TRUE(parse(longest + ":80", problems));
  EXPECT_FALSE(parse(longest + "a:80", problems));
  EXPECT_FALSE(parse(label + "a:80", problems));
  EXPECT_TRUE(parse("unix:/" + std::string(106, 'a'), problems));
  EXPECT_FALSE(parse("unix:/" + std::string(107, 'a'), problems));
}

}  // namespace
}  // namespace sluice::config
