#include <gtest/gtest.h>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using test::joined;
using test::load_after_listener;

const std::string first = "first-secret-of-thirty-two-bytes";
const std::string second = "second-secret-with-a-few-more-bytes";

TEST(CookieKeys, arrive_in_their_order) {
  const auto loaded = load_after_listener("cookie_keys: [" + first + ", " + second + "]\n");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(loaded.model->cookie_keys, (std::vector<std::string>{first, second}));
}

TEST(CookieKeys, are_none_when_the_file_names_none) {
  for (const char* more : {"", "cookie_keys:\n", "cookie_keys: []\n"}) {
    const auto loaded = load_after_listener(more);
    ASSERT_TRUE(loaded.model) << joined(loaded);
    EXPECT_TRUE(loaded.model->cookie_keys.empty());
  }
}

TEST(CookieKeys, come_from_the_environment) {
  const test::Variable variable("SLUICE_TEST_COOKIE_KEY", first.c_str());
  const auto loaded = load_after_listener("cookie_keys: [\"${SLUICE_TEST_COOKIE_KEY}\"]\n");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(loaded.model->cookie_keys, std::vector<std::string>{first});
}

TEST(CookieKeys, a_variable_that_is_not_set_is_named) {
  EXPECT_EQ(joined(load_after_listener("cookie_keys: [\"${SLUICE_TEST_NOT_SET}\"]\n")),
            "f:2:15: cookie_keys[0]: the environment variable SLUICE_TEST_NOT_SET is not set; "
            "${SLUICE_TEST_NOT_SET:-default} would give it a default\n");
}

TEST(CookieKeys, have_32_to_1024_characters) {
  const auto with = [](std::size_t length) {
    return joined(load_after_listener("cookie_keys: [" + std::string(length, 'k') + "]\n"));
  };
  const std::string refused = "f:2:15: cookie_keys[0]: must be a secret of 32 to 1024 characters\n";
  EXPECT_EQ(with(31), refused);
  EXPECT_EQ(with(32), "");
  EXPECT_EQ(with(1024), "");
  EXPECT_EQ(with(1025), refused);
}

TEST(CookieKeys, are_at_most_16) {
  const auto with = [](int count) {
    std::string list;
    for (int i = 0; i < count; ++i) list += "  - " + second + std::to_string(i) + "\n";
    return joined(load_after_listener("cookie_keys:\n" + list));
  };
  EXPECT_EQ(with(16), "");
  EXPECT_EQ(with(17), "f:3:3: cookie_keys: must be a list of at most 16 secrets\n");
}

TEST(CookieKeys, are_all_different) {
  EXPECT_EQ(joined(load_after_listener("cookie_keys:\n  - " + first + "\n  - " + second + "\n  - " +
                                       first + "\n")),
            "f:5:5: cookie_keys[2]: the same secret as at line 3\n");
}

// T25: a message ends up in a log, and a secret that is refused today is mended and used tomorrow.
TEST(CookieKeys, no_message_shows_one) {
  const std::string secret = "s3cret";
  for (const std::string& value :
       {secret, "[" + secret + "]", "{ a: " + secret + " }", "[[" + secret + "]]",
        "[{ " + secret + ": 1 }]", "[" + first + secret + ", " + first + secret + "]",
        "[!" + secret + " a]", "[&" + secret + " a]", "[*" + secret + "]",
        "[\"${" + secret + " a}\"]", "[\"a${" + secret + "}\"]", "[\"${" + secret + "\"]"}) {
    const auto loaded = load_after_listener("cookie_keys: " + value + "\n");
    EXPECT_FALSE(loaded.model) << value;
    EXPECT_NE(joined(loaded), "") << value;
    EXPECT_EQ(joined(loaded).find(secret), std::string::npos) << joined(loaded);
  }
}

}  // namespace
}  // namespace sluice::config
