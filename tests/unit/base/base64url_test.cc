#include "sluice/base/base64url.h"

#include <gtest/gtest.h>

namespace sluice::base {
namespace {

TEST(Base64Url, octets_come_back) {
  for (const std::string_view text : {"", "a", "ab", "abc", "abcd", "\x00\xff\xfe?>"}) {
    EXPECT_EQ(decode_base64url(encode_base64url(text)), text);
  }
  EXPECT_EQ(encode_base64url("\xff\xfe?>"), "__4_Pg");
}

TEST(Base64Url, each_octet_string_has_one_spelling) {
  EXPECT_EQ(decode_base64url("YQ"), "a");
  for (const char* text : {"YQ==", "YR", "Y", "YWJj\n", "Y Q", "YQ+/", "YQ."}) {
    EXPECT_EQ(decode_base64url(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace sluice::base
