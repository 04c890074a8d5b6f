#include "sluice/net/digest.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::net {
namespace {

TEST(SecWebSocketAccept, the_example_of_rfc_6455_1_3) {
  EXPECT_EQ(sec_websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

// Computed with Python's hashlib and base64.
TEST(SecWebSocketAccept, any_text_is_digested_as_it_is) {
  EXPECT_EQ(sec_websocket_accept(""), "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w=");
  EXPECT_EQ(sec_websocket_accept(std::string(1000, 'x')), "4HJC4L551QMnEp8N9epJkCtSKYs=");
}

std::string hex(const Sha256& digest) {
  std::string out;
  for (const unsigned char octet : digest) {
    out += "0123456789abcdef"[octet >> 4];
    out += "0123456789abcdef"[octet & 15];
  }
  return out;
}

TEST(HmacSha256, the_examples_of_rfc_4231) {
  Sha256 code{};
  ASSERT_TRUE(hmac_sha256("Jefe", "what do ya want for nothing?", code));
  EXPECT_EQ(hex(code), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  ASSERT_TRUE(hmac_sha256(std::string(131, '\xaa'),
                          "Test Using Larger Than Block-Size Key - Hash Key First", code));
  EXPECT_EQ(hex(code), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace
}  // namespace sluice::net
