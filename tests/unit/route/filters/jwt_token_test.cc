// What never passes, and what does.
#include "sluice/route/filters/jwt_token.h"

#include <gtest/gtest.h>

#include <string>

#include "sluice/base/base64url.h"
#include "support/json_web_token.h"

namespace sluice::route {
namespace {

using support::hmac_token;
using support::key_set;
using support::SigningKey;
using support::unsigned_token;

constexpr std::int64_t now = 1'800'000'000;
const std::string header = R"({"alg":"ES256","kid":"a"})";

base::WallTime at(std::int64_t seconds) { return base::WallTime(std::chrono::seconds(seconds)); }

const SigningKey& key() {
  static const SigningKey instance = SigningKey::elliptic("P-256");
  return instance;
}
const SigningKey& stranger() {
  static const SigningKey instance = SigningKey::elliptic("P-256");
  return instance;
}

net::JsonWebKeySet keys_of(const std::string& text) {
  std::string error;
  auto set = net::parse_json_web_keys(text, error);
  EXPECT_TRUE(set.has_value()) << error;
  return *std::move(set);
}

const net::JsonWebKeySet& keys() {
  static const net::JsonWebKeySet set = keys_of(key_set({key().jwk(R"("kid":"a")")}));
  return set;
}

Jwt settings() {
  Jwt jwt;
  jwt.issuers = {"https://idp.test"};
  jwt.audiences = {"shop", "stock"};
  return jwt;
}

std::string claims(const std::string& more = {}) {
  return R"({"iss":"https://idp.test","aud":"shop","exp":)" + std::to_string(now + 60) + more + "}";
}

TokenFault fault_of(const std::string& token, const Jwt& with = settings(),
                    const net::JsonWebKeySet& set = keys()) {
  const OpenedToken opened = open_token(token, set, with.algorithms);
  if (opened.fault != TokenFault::none) return opened.fault;
  return check_claims(*opened.token, with, at(now));
}

std::string good() { return key().token(header, claims(), "ES256"); }

// Signed by the right key, whatever the rest is.
std::string with_claims(const std::string& text) { return key().token(header, text, "ES256"); }
std::string with_header(const std::string& text) { return key().token(text, claims(), "ES256"); }

TEST(JwtToken, a_sound_token_passes) { EXPECT_EQ(fault_of(good()), TokenFault::none); }

TEST(JwtToken, what_never_passes) {
  const std::string deep = R"({"a":)" + std::string(9, '[') + std::string(9, ']') + "}";
  struct Case {
    const char* what;
    std::string token;
    TokenFault fault;
  };
  const std::string token = good();
  const std::size_t dot = token.find('.');
  const std::string expired =
      R"({"iss":"https://idp.test","aud":"shop","exp":)" + std::to_string(now - 5) + "}";
  const std::string admin = claims(R"(,"admin":true)");
  const std::vector<Case> cases = {
      {"nothing", "", TokenFault::malformed},
      {"one part", "abc", TokenFault::malformed},
      {"five parts", "a.b.c.d.e", TokenFault::malformed},
      {"no signature", token.substr(0, token.rfind('.') + 1), TokenFault::malformed},
      {"padding", token + "=", TokenFault::malformed},
      {"white space", token + " ", TokenFault::malformed},
      {"claims of another token",
       token.substr(0, dot + 1) + base::encode_base64url(admin) + token.substr(token.rfind('.')),
       TokenFault::signature},
      {"signature of another token",
       token.substr(0, token.rfind('.') + 1) +
           base::encode_base64url(key().sign("another", "ES256")),
       TokenFault::signature},
      {"another key", stranger().token(header, claims(), "ES256"), TokenFault::signature},
      {"alg none", unsigned_token(R"({"alg":"none"})", claims()), TokenFault::algorithm},
      {"alg NONE with a signature", with_header(R"({"alg":"NONE","kid":"a"})"),
       TokenFault::algorithm},
      {"HS256 with the public key as PEM",
       hmac_token(R"({"alg":"HS256","kid":"a"})", claims(), key().public_pem()),
       TokenFault::algorithm},
      {"HS256 with the JWK", hmac_token(R"({"alg":"HS256"})", claims(), key().jwk()),
       TokenFault::algorithm},
      {"RS256 for a key of P-256", with_header(R"({"alg":"RS256","kid":"a"})"),
       TokenFault::unknown_key},
      {"ES384 for a key of P-256", with_header(R"({"alg":"ES384","kid":"a"})"),
       TokenFault::unknown_key},
      {"no alg", with_header(R"({"kid":"a"})"), TokenFault::malformed},
      {"alg twice", with_header(R"({"alg":"none","kid":"a","alg":"ES256"})"),
       TokenFault::malformed},
      {"crit", with_header(R"({"alg":"ES256","kid":"a","crit":["exp"]})"), TokenFault::malformed},
      {"kid is a number", with_header(R"({"alg":"ES256","kid":1})"), TokenFault::malformed},
      {"kid is a path", with_header(R"({"alg":"ES256","kid":"../../dev/null"})"),
       TokenFault::unknown_key},
      {"kid is empty", with_header(R"({"alg":"ES256","kid":""})"), TokenFault::unknown_key},
      {"its own key in the header",
       stranger().token(R"({"alg":"ES256","jwk":)" + stranger().jwk() + "}", claims(), "ES256"),
       TokenFault::signature},
      {"header is a list", with_header("[]"), TokenFault::malformed},
      {"claims are a text", with_claims("\"a\""), TokenFault::malformed},
      {"claims are no JSON", with_claims("exp"), TokenFault::malformed},
      {"claims are too deep", with_claims(deep), TokenFault::malformed},
      {"header is too deep", with_header(deep), TokenFault::malformed},
      {"a claim twice", with_claims(claims(R"(,"sub":"a","sub":"b")")), TokenFault::malformed},
      {"exp twice", with_claims(claims(R"(,"exp":9999999999)")), TokenFault::malformed},
      {"expired", with_claims(expired), TokenFault::expired},
      {"no exp", with_claims(R"({"iss":"https://idp.test","aud":"shop"})"), TokenFault::claims},
      {"exp is a text",
       with_claims(R"({"iss":"https://idp.test","aud":"shop","exp":"9999999999"})"),
       TokenFault::malformed},
      {"exp long ago", with_claims(R"({"iss":"https://idp.test","aud":"shop","exp":-1e300})"),
       TokenFault::expired},
      {"not yet valid", with_claims(claims(R"(,"nbf":)" + std::to_string(now + 6))),
       TokenFault::not_yet_valid},
      {"made in the future", with_claims(claims(R"(,"iat":)" + std::to_string(now + 6))),
       TokenFault::not_yet_valid},
      {"another issuer", with_claims(R"({"iss":"https://idp.test.evil","aud":"shop","exp":9e9})"),
       TokenFault::issuer},
      {"no issuer", with_claims(R"({"aud":"shop","exp":9e9})"), TokenFault::issuer},
      {"issuer is a list", with_claims(R"({"iss":["https://idp.test"],"aud":"shop","exp":9e9})"),
       TokenFault::issuer},
      {"another audience", with_claims(R"({"iss":"https://idp.test","aud":"shops","exp":9e9})"),
       TokenFault::audience},
      {"no audience", with_claims(R"({"iss":"https://idp.test","exp":9e9})"), TokenFault::audience},
      {"audience is a number", with_claims(R"({"iss":"https://idp.test","aud":1,"exp":9e9})"),
       TokenFault::audience},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(static_cast<int>(fault_of(one.token)), static_cast<int>(one.fault)) << one.what;
  }
}

TEST(JwtToken, no_token_with_one_changed_character_passes) {
  const std::string token = good();
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_NE(fault_of(changed), TokenFault::none) << i;
  }
}

TEST(JwtToken, leeway_is_for_clocks_that_differ) {
  Jwt with = settings();
  const std::string token = with_claims(R"({"iss":"https://idp.test","aud":"shop","exp":)" +
                                        std::to_string(now - 10) + "}");
  with.leeway = std::chrono::seconds(10);
  EXPECT_EQ(fault_of(token, with), TokenFault::expired);
  with.leeway = std::chrono::seconds(11);
  EXPECT_EQ(fault_of(token, with), TokenFault::none);
}

TEST(JwtToken, any_of_several_audiences_is_enough) {
  for (const char* audience : {R"("stock")", R"(["other","shop"])", R"(["shop"])"}) {
    EXPECT_EQ(fault_of(with_claims(R"({"iss":"https://idp.test","exp":9e9,"aud":)" +
                                   std::string(audience) + "}")),
              TokenFault::none)
        << audience;
  }
}

TEST(JwtToken, algorithms_of_the_filter_narrow_those_of_the_keys) {
  Jwt with = settings();
  with.algorithms = {net::SignatureAlgorithm::rs256};
  EXPECT_EQ(fault_of(good(), with), TokenFault::algorithm);
  // A filter that allows it may have verified it: what is kept must not help another filter.
  const OpenedToken opened = open_token(good(), keys(), {});
  ASSERT_NE(opened.token, nullptr);
  EXPECT_EQ(check_claims(*opened.token, with, at(now)), TokenFault::algorithm);
}

TEST(JwtToken, keys_without_a_kid_and_tokens_without_one_find_each_other) {
  const std::string without = key().token(R"({"alg":"ES256"})", claims(), "ES256");
  const net::JsonWebKeySet two =
      keys_of(key_set({stranger().jwk(R"("kid":"s")"), key().jwk(R"("kid":"a")")}));
  EXPECT_EQ(fault_of(without, settings(), two), TokenFault::none);
  const net::JsonWebKeySet nameless = keys_of(key_set({stranger().jwk(), key().jwk()}));
  EXPECT_EQ(fault_of(good(), settings(), nameless), TokenFault::none);
}

TEST(JwtToken, an_unknown_key_may_be_a_newer_one) {
  const auto opened = [](const std::string& token) { return open_token(token, keys(), {}); };
  EXPECT_TRUE(opened(with_header(R"({"alg":"ES256","kid":"b"})")).may_have_newer_key);
  EXPECT_TRUE(opened(stranger().token(R"({"alg":"ES256"})", claims(), "ES256")).may_have_newer_key);
  EXPECT_FALSE(opened(stranger().token(header, claims(), "ES256")).may_have_newer_key);
}

TEST(JwtToken, at_most_four_keys_are_tried) {
  const std::string other = stranger().jwk();
  const std::string without = key().token(R"({"alg":"ES256"})", claims(), "ES256");
  EXPECT_EQ(fault_of(without, settings(), keys_of(key_set({other, other, other, key().jwk()}))),
            TokenFault::none);
  EXPECT_EQ(
      fault_of(without, settings(), keys_of(key_set({other, other, other, other, key().jwk()}))),
      TokenFault::signature);
}

TEST(JwtToken, required_claims_in_each_format) {
  using Format = RequiredClaim::Format;
  struct Case {
    const char* claim;
    RequiredClaim required;
    bool passes;
  };
  const std::vector<std::string> ab{"a", "b"};
  const std::vector<Case> cases = {
      {R"("a")", {"r", ab, Format::any}, true},
      {R"("c")", {"r", ab, Format::any}, false},
      {R"("a b")", {"r", ab, Format::any}, false},
      {R"(["c","b"])", {"r", ab, Format::any}, true},
      {R"([])", {"r", ab, Format::any}, false},
      {R"(["b"])", {"r", ab, Format::any, true}, false},
      {R"(["b","a"])", {"r", ab, Format::any, true}, true},
      {R"({"a":1})", {"r", ab, Format::any}, false},
      {"null", {"r", {"null"}, Format::any}, false},
      {"7", {"r", {"7"}, Format::any}, true},
      {"true", {"r", {"true"}, Format::any}, true},
      {R"("a")", {"r", ab, Format::string}, true},
      {R"(["a"])", {"r", ab, Format::string}, false},
      {"7", {"r", {"7"}, Format::string}, false},
      {R"(["a"])", {"r", ab, Format::array}, true},
      {R"("a")", {"r", ab, Format::array}, false},
      {R"("x a y")", {"r", ab, Format::space_separated}, true},
      {R"("xa ya")", {"r", ab, Format::space_separated}, false},
      {R"("a  b")", {"r", ab, Format::space_separated, true}, true},
      {R"("a")", {"r", ab, Format::space_separated, true}, false},
      {R"(["a"])", {"r", ab, Format::space_separated}, false},
  };
  for (const Case& one : cases) {
    Jwt with = settings();
    with.claims = {one.required};
    EXPECT_EQ(fault_of(with_claims(claims(R"(,"r":)" + std::string(one.claim))), with),
              one.passes ? TokenFault::none : TokenFault::claims)
        << one.claim;
  }
  Jwt with = settings();
  with.claims = {{"r", ab}};
  EXPECT_EQ(fault_of(good(), with), TokenFault::claims);
}

TEST(JwtToken, claims_become_text_that_a_field_can_carry) {
  const OpenedToken opened = open_token(
      with_claims(claims(R"(,"s":"x y","n":7,"t":true,"l":["a",1],"o":{},"z":null,"c":["a,b"],)"
                         R"("i":["a",""],"j":["","a"],"k":[""],"m":[],"q":["a"," b"],"p":"a,b",)"
                         R"("e":"a\r\nX-Admin: 1","d":"a\u0000")")),
      keys(), {});
  ASSERT_NE(opened.token, nullptr);
  std::string all;
  for (const auto& [name, value] : texts_of_claims(*opened.token)) {
    if (name != "iss" && name != "aud" && name != "exp") all += name + "=" + value + ";";
  }
  EXPECT_EQ(all, "s=x y;n=7;t=true;l=a,1;m=;p=a,b;");
}

}  // namespace
}  // namespace sluice::route
