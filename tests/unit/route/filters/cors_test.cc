#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

bool allows(const std::string& origins, std::string_view origin) {
  const auto read = read_filter("cors: { allow_origins: " + origins + " }");
  EXPECT_EQ(read.errors, "") << origins;
  return read.value.cors != nullptr && read.value.cors->allows(origin);
}

TEST(Cors, an_origin_is_allowed_as_it_is_written) {
  constexpr const char* origins = "[\"https://a.example\", \"http://b.example:8080\", \"null\"]";
  EXPECT_TRUE(allows(origins, "https://a.example"));
  EXPECT_TRUE(allows(origins, "http://b.example:8080"));
  EXPECT_TRUE(allows(origins, "null"));
  for (const char* other :
       {"http://a.example", "https://a.example:8443", "https://a.example.evil.test",
        "https://xa.example", "https://b.example", "", "https://a.example/", "*"}) {
    EXPECT_FALSE(allows(origins, other)) << other;
  }
}

TEST(Cors, a_star_stands_for_labels_and_for_nothing_else) {
  constexpr const char* origins = "[\"https://*.example.com\"]";
  EXPECT_TRUE(allows(origins, "https://a.example.com"));
  EXPECT_TRUE(allows(origins, "https://a.b.example.com"));
  for (const char* other :
       {"https://example.com", "https://.example.com", "http://a.example.com",
        "https://evil.test/.example.com", "https://evil.test:1.example.com",
        "https://a@b.example.com", "https://evil.test#.example.com", "https://aexample.com",
        "https://a.example.com.evil.test", "https://a.example.com:8443"}) {
    EXPECT_FALSE(allows(origins, other)) << other;
  }
}

TEST(Cors, a_regex_has_to_match_all_of_the_origin) {
  constexpr const char* origins = "[{ regex: \"https://a[.]example|https://b[.]example\" }]";
  EXPECT_TRUE(allows(origins, "https://a.example"));
  EXPECT_TRUE(allows(origins, "https://b.example"));
  EXPECT_FALSE(allows(origins, "https://a.example.evil.test"));
  EXPECT_FALSE(allows(origins, "https://evil.test/https://b.example"));
}

TEST(Cors, what_cannot_be_an_origin_is_never_sent_back) {
  EXPECT_TRUE(allows("\"*\"", "https://a.example"));
  EXPECT_FALSE(allows("\"*\"", "https://a.example, https://b.example"));
  EXPECT_FALSE(allows("[{ regex: \".*\" }]", "https://a.example\x01"));
  EXPECT_FALSE(allows("[{ regex: \".*\" }]", "https://" + std::string(1100, 'a')));
}

TEST(Cors, a_wrong_value_is_named_with_its_place) {
  for (const char* filter :
       {"{}", "{ allow_origins: [] }", "{ allow_origins: [\"https://a.example/\"] }",
        "{ allow_origins: [a.example] }", "{ allow_origins: [\"https://A.example\"] }",
        "{ allow_origins: [\"https://a.*.example\"] }", "{ allow_origins: [\"https://*\"] }",
        "{ allow_origins: [{ regex: \"(\" }] }", "{ allow_origins: [{ regex: \"a)|(b\" }] }",
        "{ allow_origins: [{ glob: a }] }", "{ allow_origins: \"*\", allow_credentials: true }",
        "{ allow_origins: \"*\", allow_methods: [GET, \"*\"] }",
        "{ allow_origins: \"*\", allow_headers: [\"a b\"] }",
        "{ allow_origins: [\"https://a.example\"], allow_credentials: true, expose_headers: \"*\" "
        "}",
        "{ allow_origins: \"*\", max_age: 2d }", "{ allow_origins: \"*\", origins: a }"}) {
    const auto read = read_filter(std::string("cors: ") + filter);
    EXPECT_NE(read.errors.find("filters.cors"), std::string::npos)
        << filter << " gives " << read.errors;
    EXPECT_EQ(read.value.cors, nullptr);
  }
}

}  // namespace
}  // namespace sluice::route::testing
