#include "sluice/route/filters/credential_cache.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace sluice::route {
namespace {

using namespace std::chrono_literals;

net::Sha256 key_of(const CredentialCache& cache, std::string_view user,
                   std::string_view password = "secret", std::string_view hash = "$y$",
                   bool is_known = true) {
  net::Sha256 key{};
  EXPECT_TRUE(cache.key(user, password, hash, is_known, key));
  return key;
}

const base::SteadyTime start{1h};

TEST(CredentialCache, what_was_found_out_is_known_until_its_time_is_over) {
  CredentialCache cache({.entries = 10, .ttl = 60s, .failure_ttl = 5s});
  const auto good = key_of(cache, "alice");
  const auto bad = key_of(cache, "alice", "wrong");
  EXPECT_EQ(cache.find(good, start), std::nullopt);
  cache.add(good, true, start);
  cache.add(bad, false, start);
  EXPECT_EQ(cache.find(good, start + 59s), true);
  EXPECT_EQ(cache.find(bad, start + 4999ms), false);
  EXPECT_EQ(cache.find(bad, start + 5s), std::nullopt);
  // Being used makes none of them younger.
  EXPECT_EQ(cache.find(good, start + 60s), std::nullopt);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(CredentialCache, the_least_recently_used_goes_when_there_is_no_room) {
  CredentialCache cache({.entries = 2});
  const auto a = key_of(cache, "a");
  const auto b = key_of(cache, "b");
  const auto c = key_of(cache, "c");
  cache.add(a, true, start);
  cache.add(b, true, start);
  EXPECT_EQ(cache.find(a, start), true);
  cache.add(c, true, start);
  EXPECT_EQ(cache.find(a, start), true);
  EXPECT_EQ(cache.find(b, start), std::nullopt);
  EXPECT_EQ(cache.find(c, start), true);
}

TEST(CredentialCache, a_flood_of_wrong_passwords_displaces_no_right_one_and_is_bounded) {
  for (const std::uint32_t entries : {1U, 10U, 2000U}) {
    CredentialCache cache({.entries = entries});
    const auto good = key_of(cache, "alice");
    cache.add(good, true, start);
    for (int i = 0; i < 5000; ++i) {
      cache.add(key_of(cache, "alice", std::to_string(i)), false, start);
    }
    EXPECT_EQ(cache.find(good, start), true);
    EXPECT_LE(cache.size(), entries + 1U);
    EXPECT_GE(cache.size(), entries / 2);
  }
}

TEST(CredentialCache, without_entries_nothing_is_kept) {
  CredentialCache cache({.entries = 0});
  cache.add(key_of(cache, "alice"), true, start);
  EXPECT_EQ(cache.find(key_of(cache, "alice"), start), std::nullopt);
  EXPECT_EQ(cache.size(), 0U);
}

TEST(CredentialCache, user_password_hash_and_whether_the_user_is_known_all_count) {
  const CredentialCache cache({});
  const auto key = key_of(cache, "alice");
  EXPECT_EQ(key, key_of(cache, "alice"));
  EXPECT_NE(key, key_of(cache, "alicE"));
  EXPECT_NE(key, key_of(cache, "alice", "secreT"));
  EXPECT_NE(key, key_of(cache, "alice", "secret", "$2y$"));
  EXPECT_NE(key, key_of(cache, "alice", "secret", "$y$", false));
  EXPECT_NE(key, key_of(CredentialCache({}), "alice"));
}

TEST(CredentialCache, several_threads_share_it) {
  CredentialCache cache({.entries = 5000});
  const auto use = [&cache](const std::string& user) {
    for (int i = 0; i < 500; ++i) {
      const auto key = key_of(cache, user + std::to_string(i % 50));
      cache.add(key, i % 2 == 0, start);
      EXPECT_TRUE(cache.find(key, start).has_value());
    }
  };
  std::thread one(use, "a");
  std::thread other(use, "a");
  one.join();
  other.join();
  EXPECT_LE(cache.size(), 100U);
}

}  // namespace
}  // namespace sluice::route
