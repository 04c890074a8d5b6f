#include "sluice/net/secret.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>

namespace sluice::net {
namespace {

TEST(Secret, is_printed_as_nothing_but_a_secret) {
  const Secret secret("wJalrXUtnFEMI");
  std::ostringstream out;
  out << secret;
  EXPECT_EQ(out.str(), "(secret)");
  EXPECT_EQ(::testing::PrintToString(secret), "(secret)");
  EXPECT_EQ(secret.reveal(), "wJalrXUtnFEMI");
}

TEST(Secret, moves_without_a_copy) {
  Secret secret("short");
  const char* place = secret.reveal().data();
  Secret other(std::move(secret));
  EXPECT_EQ(other.reveal().data(), place);
  EXPECT_TRUE(secret.is_empty());  // NOLINT(bugprone-use-after-move): that is the test
  secret = std::move(other);
  EXPECT_EQ(secret.reveal(), "short");
}

TEST(Secret, a_wiped_text_is_empty_and_overwritten) {
  std::string text = "a text that is too long to be kept inside of the string itself";
  const char* place = text.data();
  wipe(text);
  EXPECT_TRUE(text.empty());
  EXPECT_EQ(std::string(place + 1, 8), std::string(8, '\0'));
}

}  // namespace
}  // namespace sluice::net
