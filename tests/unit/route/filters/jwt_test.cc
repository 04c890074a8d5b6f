#include "sluice/route/filters/jwt.h"

#include <filesystem>
#include <fstream>

#include "support/certificates.h"
#include "support/json_web_token.h"
#include "unit/route/route_support.h"

namespace sluice::route::testing {
namespace {

// A file of one key.
class KeyFile {
 public:
  KeyFile() { write(support::key_set({support::SigningKey::ed25519().jwk(R"("kid":"a")")})); }
  void write(const std::string& text) const { std::ofstream(path()) << text; }
  [[nodiscard]] std::string path() const {
    return (std::filesystem::temp_directory_path() /
            ("sluice-jwt-" + std::to_string(::getpid()) + ".json"))
        .string();
  }
  ~KeyFile() { std::filesystem::remove(path()); }
  KeyFile(const KeyFile&) = delete;
  KeyFile& operator=(const KeyFile&) = delete;
};

const KeyFile& file() {
  static const KeyFile instance;
  return instance;
}

std::string filter(const std::string& more = "audience: shop",
                   const std::string& jwks = "file: \"" + file().path() + '"') {
  return "jwt: { jwks: {" + jwks + "}, issuer: \"https://idp.test\"" +
         (more.empty() ? "" : ", " + more) + " }";
}

std::shared_ptr<const Jwt> read(const std::string& text) {
  const auto read = read_filter(text);
  EXPECT_EQ(read.errors, "") << text;
  return read.value.jwt;
}

std::string url(const std::string& of, const std::string& more = {}) {
  return filter("audience: shop", "url: \"" + of + '"' + (more.empty() ? "" : ", " + more));
}

TEST(Jwt, the_short_form_has_these_defaults) {
  const auto jwt = read(filter());
  ASSERT_NE(jwt, nullptr);
  EXPECT_EQ(jwt->keys->keys()->set.keys.size(), 1U);
  EXPECT_EQ(jwt->place, TokenPlace::authorization);
  EXPECT_EQ(jwt->token_bytes, 8192U);
  EXPECT_EQ(jwt->issuers, std::vector<std::string>{"https://idp.test"});
  EXPECT_EQ(jwt->audiences, std::vector<std::string>{"shop"});
  EXPECT_EQ(jwt->leeway, std::chrono::seconds(5));
  EXPECT_TRUE(jwt->algorithms.empty());
  EXPECT_TRUE(jwt->forward_token);
  EXPECT_EQ(jwt->cache, 10'000U);
  EXPECT_EQ(jwt->waiting, 1000U);
}

TEST(Jwt, all_of_its_keys_are_read) {
  const auto jwt = read(filter(
      "audience: [shop, stock], algorithms: [EdDSA, RS256], leeway: 1500ms, token: { cookie: t },"
      " token_bytes: 4KiB, claims: { tenant: blue, scope: { values: [read, write], format: "
      "space_separated, match: all } }, claims_to_headers: { sub: X-User }, forward_token: false, "
      "cache: 0"));
  ASSERT_NE(jwt, nullptr);
  EXPECT_EQ(jwt->audiences.size(), 2U);
  EXPECT_EQ(jwt->algorithms.size(), 2U);
  EXPECT_EQ(jwt->leeway, std::chrono::seconds(2));
  EXPECT_EQ(jwt->place, TokenPlace::cookie);
  EXPECT_EQ(jwt->place_name, "t");
  EXPECT_EQ(jwt->token_bytes, 4096U);
  const std::vector<RequiredClaim> wanted{
      {"tenant", {"blue"}},
      {"scope", {"read", "write"}, RequiredClaim::Format::space_separated, true}};
  EXPECT_EQ(jwt->claims, wanted);
  EXPECT_EQ(jwt->headers, (std::vector<ClaimHeader>{{"sub", "X-User"}}));
  EXPECT_FALSE(jwt->forward_token);
  EXPECT_EQ(jwt->cache, 0U);
}

TEST(Jwt, a_url_is_taken_apart) {
  const auto jwt = read(url("https://[2001:db8::1]:8443/keys?v=1", "refresh: 1m, keep: 2m"));
  ASSERT_NE(jwt, nullptr);
  const KeySettings& settings = jwt->keys->settings();
  EXPECT_EQ(settings.host, "2001:db8::1");
  EXPECT_EQ(settings.port, 8443);
  EXPECT_EQ(settings.authority, "[2001:db8::1]:8443");
  EXPECT_EQ(settings.path, "/keys?v=1");
  EXPECT_EQ(settings.refresh, std::chrono::minutes(1));
  EXPECT_EQ(settings.keep, std::chrono::minutes(2));
  EXPECT_EQ(jwt->keys->keys(), nullptr);
  const auto plain = read(url("https://idp.test"));
  EXPECT_EQ(plain->keys->settings().path, "/");
  EXPECT_EQ(plain->keys->settings().port, 443);
  EXPECT_EQ(plain->keys->settings().timeout, std::chrono::seconds(5));
  EXPECT_EQ(plain->keys->settings().refetch, std::chrono::seconds(10));
}

TEST(Jwt, a_missing_audience_is_a_warning) {
  const auto read = read_filter(filter(""));
  EXPECT_NE(read.value.jwt, nullptr);
  EXPECT_NE(read.errors.find("has no audience"), std::string::npos) << read.errors;
}

TEST(Jwt, a_wrong_value_is_named_with_its_place) {
  for (const std::string& text : std::vector<std::string>{
           "jwt: {}",
           "jwt: yes",
           "jwt: { issuer: a, audience: b }",
           "jwt: { jwks: { file: \"" + file().path() + "\" }, audience: b }",
           filter("audience: []"),
           filter("audience: b, issuers: c"),
           filter("audience: b, algorithms: [none]"),
           filter("audience: b, algorithms: [HS256]"),
           filter("audience: b, algorithms: []"),
           filter("audience: b, algorithms: "),
           filter("audience: b, leeway: 1h"),
           filter("audience: b, token: cookie"),
           filter("audience: b, token: { header: Authorization }"),
           filter("audience: b, token: { header: X_Token }"),
           filter("audience: b, token: { cookie: \"a b\" }"),
           filter("audience: b, token: { body: a }"),
           filter("audience: b, token_bytes: 1MiB"),
           filter("audience: b, claims: {}"),
           filter("audience: b, claims: "),
           filter("audience: b, claims: { a: [] }"),
           filter("audience: b, claims: { a: { values: [b], format: csv } }"),
           filter("audience: b, claims: { a: { format: array } }"),
           filter("audience: b, claims_to_headers: { a: Host }"),
           filter("audience: b, claims_to_headers: { a: Transfer-Encoding }"),
           filter("audience: b, claims_to_headers: { a: Content-Range }"),
           filter("audience: b, claims_to_headers: { a: X-Forwarded-For }"),
           filter("audience: b, claims_to_headers: { a: X_User }"),
           filter("audience: b, claims_to_headers: { a: \"X-User\\r\\nHost\" }"),
           filter("audience: b, claims_to_headers: { a: X-User, b: x-user }"),
           filter("audience: b, cache: -1"),
           filter("audience: b, waiting: 100001"),
           filter("audience: b", "file: /nowhere/keys"),
           filter("audience: b", "file: a, url: \"https://idp.test\""),
           filter("audience: b", ""),
           url("http://idp.test/keys"),
           url("https://user@idp.test/keys"),
           url("https://idp.test/keys#a"),
           url("https://idp.test:0/keys"),
           url("https:///keys"),
           url("https://169.254.169.254/keys"),
           url("https://[fd00:ec2::254]/keys"),
           url("https://idp.test", "refresh: 2h, keep: 1h"),
           url("https://idp.test", "timeout: 1d"),
           url("https://idp.test", "ca: /nowhere/ca.pem"),
           url("https://idp.test", "verify: false"),
       }) {
    const auto read = read_filter(text);
    EXPECT_NE(read.errors.find("filters.jwt"), std::string::npos)
        << text << " gives " << read.errors;
    EXPECT_EQ(read.value.jwt, nullptr) << text;
  }
}

TEST(Jwt, keys_stay_over_a_reload_while_settings_and_file_are_the_same) {
  config::Problems problems;
  const auto read_again = [&](const std::string& text, const Filters* former) {
    const auto model = load_listener("    filters: { " + text + " }\n", problems);
    const config::Listener& listener = model->listeners[0];
    return read_filters(*listener.filters, {}, {groups(), listener, former}, problems);
  };
  for (const std::string& text : {url("https://idp.test/keys"), filter()}) {
    const Filters first = read_again(text, nullptr);
    EXPECT_EQ(read_again(text, &first).jwt->keys, first.jwt->keys) << text;
    EXPECT_NE(read_again(url("https://idp.test/other"), &first).jwt->keys, first.jwt->keys);
    EXPECT_NE(read_again(url("https://idp.test/keys", "refresh: 1h"), &first).jwt->keys,
              first.jwt->keys);
  }
  const Filters first = read_again(filter(), nullptr);
  file().write(support::key_set({support::SigningKey::ed25519().jwk(R"("kid":"b")")}));
  const Filters second = read_again(filter(), &first);
  EXPECT_NE(second.jwt->keys, first.jwt->keys);
  EXPECT_EQ(second.jwt->keys->keys()->set.keys[0].id, "b");
  EXPECT_EQ(text_of(problems), "");
}

// --- the live state -----------------------------------------------------------------------------

KeySource::SharedKeys keys_of(const std::string& text, const KeySource::SharedKeys& former) {
  std::string error;
  return KeySource::make_keys(*net::parse_json_web_keys(text, error), text, former);
}

TEST(KeySource, a_set_that_is_the_same_again_keeps_its_generation) {
  const std::string text = support::key_set({support::SigningKey::ed25519().jwk()});
  const auto first = keys_of(text, nullptr);
  EXPECT_EQ(keys_of(text, first)->generation, first->generation);
  EXPECT_NE(keys_of(text + " ", first)->generation, first->generation);
}

TEST(KeySource, a_set_that_is_older_than_keep_is_outdated) {
  KeySettings settings;
  settings.url = "https://idp.test";
  settings.keep = std::chrono::seconds(10);
  KeySource source(settings);
  const base::SteadyTime begin = base::Steady::now();
  source.publish(keys_of(support::key_set({support::SigningKey::ed25519().jwk()}), nullptr), begin);
  EXPECT_FALSE(source.is_outdated(begin + std::chrono::seconds(10)));
  EXPECT_TRUE(source.is_outdated(begin + std::chrono::milliseconds(10'001)));
}

TEST(KeySource, unknown_keys_cause_one_fetch_per_refetch) {
  KeySettings settings;
  settings.url = "https://idp.test";
  settings.refetch = std::chrono::seconds(10);
  KeySource source(settings);
  const base::SteadyTime begin = base::Steady::now();
  EXPECT_FALSE(source.ask_for_fetch(begin));  // nobody would
  int asked = 0;
  source.fetch_by([&asked] { ++asked; });
  EXPECT_TRUE(source.ask_for_fetch(begin));
  EXPECT_TRUE(source.ask_for_fetch(begin));
  EXPECT_EQ(asked, 1);
  source.fetch_began(begin);
  EXPECT_TRUE(source.ask_for_fetch(begin));  // worth waiting for
  source.fetch_ended();
  EXPECT_EQ(source.fetches(), 1U);
  EXPECT_FALSE(source.ask_for_fetch(begin + std::chrono::seconds(9)));
  EXPECT_TRUE(source.ask_for_fetch(begin + std::chrono::seconds(10)));
  EXPECT_EQ(asked, 2);
  source.fetch_by({});
  EXPECT_EQ(source.fetches(), 2U);  // whoever waits goes on
}

}  // namespace
}  // namespace sluice::route::testing
