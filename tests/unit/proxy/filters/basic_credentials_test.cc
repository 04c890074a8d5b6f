#include "proxy/filters/basic_credentials.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::proxy {
namespace {

struct Found {
  CredentialsFault fault;
  std::string user;
  std::string password;
};

Found find(const std::vector<std::string>& values) {
  http::Fields fields;
  for (const std::string& value : values) {
    fields.add("Authorization", value);
  }
  BasicCredentials credentials;
  const CredentialsFault fault = find_credentials(fields, credentials);
  return {fault, credentials.user, credentials.password};
}

std::string base64(const std::string& text) {
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (i + j < text.size() ? static_cast<unsigned char>(text[i + j]) : 0U);
    }
    for (std::size_t j = 0; j < 4; ++j) {
      out += i + j > text.size() ? '=' : alphabet[bits >> (18 - 6 * j) & 63];
    }
  }
  return out;
}

TEST(BasicCredentials, name_and_password_are_found) {
  // The examples of RFC 7617, 2 and 2.1.
  Found found = find({"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="});
  EXPECT_EQ(found.fault, CredentialsFault::none);
  EXPECT_EQ(found.user, "Aladdin");
  EXPECT_EQ(found.password, "open sesame");
  found = find({"bAsIc   dGVzdDoxMjPCow=="});
  EXPECT_EQ(found.fault, CredentialsFault::none);
  EXPECT_EQ(found.user, "test");
  EXPECT_EQ(found.password, "123\xc2\xa3");
  found = find({"Basic " + base64("a:b:c")});
  EXPECT_EQ(found.user, "a");
  EXPECT_EQ(found.password, "b:c");
  found = find({"Basic " + base64(":")});
  EXPECT_EQ(found.fault, CredentialsFault::none);
  EXPECT_EQ(found.user + found.password, "");
}

TEST(BasicCredentials, none_and_those_of_other_schemes_are_missing) {
  for (const auto& values : std::vector<std::vector<std::string>>{{},
                                                                  {""},
                                                                  {"Bearer abc"},
                                                                  {"Basicx abc"},
                                                                  {"Digest Basic abc"},
                                                                  {"Bearer a", "Digest b"}}) {
    EXPECT_EQ(find(values).fault, CredentialsFault::missing);
  }
}

TEST(BasicCredentials, what_could_be_read_in_two_ways_is_malformed) {
  const std::string good = "Basic " + base64("a:b");
  ASSERT_EQ(find({good}).fault, CredentialsFault::none);
  const std::vector<std::vector<std::string>> cases{
      {good, good},
      {good, "Bearer abc"},
      {"Basic"},
      {"Basic =="},
      {"Basic " + base64("nocolon")},
      {"Basic YTp"},       // a padding that is not there
      {"Basic YTpi===="},  // too much of it
      {"Basic YTr="},      // a bit that no octet uses
      {"Basic YTpi YTpi"},
      {"Basic YTpi, x=y"},
      {"Basic _TpiYTpi"},
      {"Basic " + base64("a:b\n")},
      {"Basic " + base64("a\r:b")},
      {"Basic " + base64(std::string("a:b\0c", 5))},
      {"Basic " + base64("a:\x7f")},
      {"Basic " + base64(std::string(257, 'a') + ":b")},
      {"Basic " + base64("a:" + std::string(512, 'b'))},
      {"Basic " + base64(std::string(100'000, 'b'))},
  };
  for (const auto& values : cases) {
    const Found found = find(values);
    EXPECT_EQ(found.fault, CredentialsFault::malformed) << values.front().substr(0, 40);
    EXPECT_EQ(found.user + found.password, "");
  }
}

TEST(BasicCredentials, the_longest_ones_are_taken) {
  const std::string user(256, 'a');
  const std::string password(511, 'b');
  const Found found = find({"Basic " + base64(user + ":" + password)});
  EXPECT_EQ(found.fault, CredentialsFault::none);
  EXPECT_EQ(found.user, user);
  EXPECT_EQ(found.password, password);
}

}  // namespace
}  // namespace sluice::proxy
