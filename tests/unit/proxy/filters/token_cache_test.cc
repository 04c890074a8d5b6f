#include "proxy/filters/token_cache.h"

#include <gtest/gtest.h>

#include <string>

#include "proxy/filters/token_place.h"
#include "support/json_web_token.h"

namespace sluice::proxy {
namespace {

net::Sha256 digest(std::string_view text) {
  net::Sha256 made{};
  EXPECT_TRUE(net::sha256(text, made));
  return made;
}

TokenCache::SharedToken some_token() { return std::make_shared<const route::VerifiedToken>(); }

std::shared_ptr<route::KeySource> make_source() {
  return std::make_shared<route::KeySource>(route::KeySettings{});
}

void publish(route::KeySource& source, const std::string& text) {
  std::string error;
  source.publish(
      route::KeySource::make_keys(*net::parse_json_web_keys(text, error), text, source.keys()), {});
}

std::string some_keys() { return support::key_set({support::SigningKey::ed25519().jwk()}); }

TEST(TokenCache, the_least_recently_used_token_goes_when_there_is_no_room) {
  TokenCache cache;
  for (const char* name : {"a", "b"}) cache.add(digest(name), some_token(), 2);
  EXPECT_NE(cache.find(digest("a")), nullptr);
  cache.add(digest("c"), some_token(), 2);
  EXPECT_NE(cache.find(digest("a")), nullptr);
  EXPECT_EQ(cache.find(digest("b")), nullptr);
  EXPECT_NE(cache.find(digest("c")), nullptr);
  EXPECT_EQ(cache.size(), 2U);
  cache.remove(digest("a"));
  EXPECT_EQ(cache.find(digest("a")), nullptr);
  cache.add(digest("d"), some_token(), 0);
  EXPECT_EQ(cache.find(digest("d")), nullptr);
}

TEST(TokenCache, what_other_keys_verified_is_forgotten) {
  const auto source = make_source();
  TokenCache cache;
  EXPECT_EQ(cache.keys_of(*source), nullptr);
  const std::string text = some_keys();
  publish(*source, text);
  ASSERT_NE(cache.keys_of(*source), nullptr);
  cache.add(digest("a"), some_token(), 10);
  publish(*source, text);  // the same again
  (void)cache.keys_of(*source);
  EXPECT_NE(cache.find(digest("a")), nullptr);
  publish(*source, some_keys());
  (void)cache.keys_of(*source);
  EXPECT_EQ(cache.find(digest("a")), nullptr);
}

TEST(TokenCache, each_set_of_keys_has_its_own) {
  observe::Cells cells;
  TokenCaches caches(cells);
  auto first = make_source();
  const auto second = make_source();
  caches.of(first).add(digest("a"), some_token(), 10);
  EXPECT_EQ(caches.of(second).find(digest("a")), nullptr);
  EXPECT_NE(caches.of(first).find(digest("a")), nullptr);
}

TEST(TokenInQuery, is_taken_out_for_targets_and_logs) {
  EXPECT_EQ(query_without("a=1&token=x.y.z&b", "token"), "a=1&b");
  EXPECT_EQ(query_without("%74oken=x&a=token", "token"), "a=token");
  EXPECT_EQ(query_without("token=x", "token"), "");
  route::Jwt jwt;
  jwt.place = route::TokenPlace::query;
  jwt.place_name = "token";
  EXPECT_EQ(target_without_token("/p?a=1&tok%65n=x.y.z&b", jwt), "/p?a=1&tok%65n=-&b");
  EXPECT_EQ(target_without_token("/token=x", jwt), "/token=x");
}

}  // namespace
}  // namespace sluice::proxy
