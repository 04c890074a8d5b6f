#include "sluice/net/digest.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sluice::net
