#include "sluice/base/sip_hash.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::base {
namespace {

// The key 00 01 .. 0f of the authors' test vectors, read with the first byte lowest.
constexpr SipKey key_of_vectors{0x0706050403020100U, 0x0f0e0d0c0b0a0908U};

std::string text_of(std::size_t size) {
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += static_cast<char>(i);
  return text;
}

// SIPHASH of OpenSSL 3.0 with size:16 gives the same bytes.
TEST(SipHash, gives_the_published_values) {
  EXPECT_EQ(sip_hash(key_of_vectors, ""), (Hash128{0xe6a825ba047f81a3U, 0x930255c71472f66dU}));
  EXPECT_EQ(sip_hash(key_of_vectors, text_of(1)),
            (Hash128{0x44af996bd8c187daU, 0x45fc229b11597634U}));
  EXPECT_EQ(sip_hash(key_of_vectors, text_of(15)),
            (Hash128{0x11a8b03399e99354U, 0xd9c3cf970fec087eU}));
  EXPECT_EQ(sip_hash(key_of_vectors, text_of(16)),
            (Hash128{0xbb54b067caa4e26eU, 0x77052385bf1533fdU}));
}

TEST(SipHash, depends_on_its_key) {
  EXPECT_NE(sip_hash(SipKey::random(), "a"), sip_hash(SipKey::random(), "a"));
}

}  // namespace
}  // namespace sluice::base
