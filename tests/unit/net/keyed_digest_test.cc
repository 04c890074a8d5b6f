#include "sluice/net/keyed_digest.h"

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

Sha256 digest(const KeyedDigest& by, std::initializer_list<std::string_view> texts) {
  Sha256 made{};
  EXPECT_TRUE(by.digest(texts, made));
  return made;
}

TEST(KeyedDigest, the_same_texts_have_the_same_and_others_another) {
  const KeyedDigest one;
  const Sha256 made = digest(one, {"alice", "secret"});
  EXPECT_EQ(made, digest(one, {"alice", "secret"}));
  EXPECT_NE(made, digest(one, {"alice", "secreT"}));
  EXPECT_NE(made, digest(one, {"secret", "alice"}));
  // Where one text ends and the next begins counts.
  EXPECT_NE(made, digest(one, {"alices", "ecret"}));
  EXPECT_NE(made, digest(one, {"alice", "secret", ""}));
  EXPECT_NE(made, digest(one, {"alicesecret"}));
}

TEST(KeyedDigest, two_objects_have_nothing_in_common) {
  const KeyedDigest one;
  const KeyedDigest other;
  EXPECT_NE(digest(one, {"alice"}), digest(other, {"alice"}));
}

TEST(KeyedDigest, a_wiped_text_is_empty_and_overwritten) {
  std::string secret(100, 's');
  const char* bytes = secret.data();
  wipe(secret);
  EXPECT_TRUE(secret.empty());
  EXPECT_EQ(bytes[50], '\0');
}

}  // namespace
}  // namespace sluice::net
