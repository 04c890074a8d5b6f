#include "sluice/net/json_web_key.h"

#include <gtest/gtest.h>

#include <string>

#include "support/json_web_token.h"

namespace sluice::net {
namespace {

using support::key_set;
using support::SigningKey;

JsonWebKeySet parsed(const std::string& text) {
  std::string error;
  auto set = parse_json_web_keys(text, error);
  EXPECT_TRUE(set.has_value()) << error;
  return set ? *std::move(set) : JsonWebKeySet{};
}

std::string error_of(const std::string& text) {
  std::string error;
  EXPECT_FALSE(parse_json_web_keys(text, error).has_value()) << text;
  return error;
}

const SigningKey& rsa() {
  static const SigningKey key = SigningKey::rsa();
  return key;
}

struct Pair {
  SigningKey key;
  std::vector<const char*> algorithms;
};

const std::vector<Pair>& pairs() {
  static const std::vector<Pair> all = {
      {rsa(), {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
      {SigningKey::elliptic("P-256"), {"ES256"}},
      {SigningKey::elliptic("P-384"), {"ES384"}},
      {SigningKey::elliptic("P-521"), {"ES512"}},
      {SigningKey::ed25519(), {"EdDSA"}},
  };
  return all;
}

TEST(JsonWebKey, every_algorithm_verifies_its_own_signature_and_no_other) {
  for (const Pair& pair : pairs()) {
    const JsonWebKeySet set = parsed(key_set({pair.key.jwk()}));
    ASSERT_EQ(set.keys.size(), 1U);
    const VerificationKey& key = set.keys[0].key;
    for (const char* name : pair.algorithms) {
      const auto algorithm = signature_algorithm(name).value();
      const std::string signature = pair.key.sign("a message", name);
      EXPECT_TRUE(key.verify(algorithm, "a message", signature)) << name;
      EXPECT_FALSE(key.verify(algorithm, "a massage", signature)) << name;
      EXPECT_FALSE(key.verify(algorithm, "a message", "")) << name;
      EXPECT_FALSE(key.verify(algorithm, "a message", signature + "x")) << name;
      EXPECT_FALSE(key.verify(algorithm, "a message", signature.substr(1))) << name;
      std::string flipped = signature;
      flipped[signature.size() / 2] = static_cast<char>(flipped[signature.size() / 2] ^ 1);
      EXPECT_FALSE(key.verify(algorithm, "a message", flipped)) << name;
      for (int other = 0; other <= static_cast<int>(SignatureAlgorithm::eddsa); ++other) {
        const auto as = static_cast<SignatureAlgorithm>(other);
        if (as == algorithm) continue;
        EXPECT_FALSE(key.verify(as, "a message", signature)) << name << " as " << text(as);
      }
    }
  }
}

TEST(JsonWebKey, the_type_of_a_key_decides_what_it_may_be_asked_for) {
  for (const Pair& pair : pairs()) {
    const JsonWebKeySet set = parsed(key_set({pair.key.jwk()}));
    for (int one = 0; one <= static_cast<int>(SignatureAlgorithm::eddsa); ++one) {
      const auto algorithm = static_cast<SignatureAlgorithm>(one);
      const bool is_its_own = std::ranges::any_of(
          pair.algorithms, [&](std::string_view name) { return name == text(algorithm); });
      EXPECT_EQ(set.keys[0].may_verify(algorithm), is_its_own) << text(algorithm);
    }
  }
}

TEST(JsonWebKey, a_signature_of_zeros_verifies_nothing) {
  const SigningKey key = SigningKey::elliptic("P-256");
  const JsonWebKeySet set = parsed(key_set({key.jwk()}));
  EXPECT_FALSE(set.keys[0].key.verify(SignatureAlgorithm::es256, "m", std::string(64, '\0')));
  const JsonWebKeySet of_rsa = parsed(key_set({rsa().jwk()}));
  EXPECT_FALSE(of_rsa.keys[0].key.verify(SignatureAlgorithm::rs256, "m", std::string(256, '\0')));
}

TEST(JsonWebKey, names_of_algorithms_that_are_none_here) {
  for (const char* name :
       {"none", "None", "HS256", "HS512", "rs256", "RS1", "ES256K", "", "RS256 "})
    EXPECT_EQ(signature_algorithm(name), std::nullopt) << name;
}

TEST(JsonWebKey, use_key_ops_and_alg_are_honoured) {
  EXPECT_EQ(parsed(key_set({rsa().jwk(R"("use":"sig","key_ops":["verify"],"alg":"PS256")")}))
                .keys[0]
                .only,
            SignatureAlgorithm::ps256);
  for (const char* more : {R"("use":"enc")", R"("use":1)", R"("key_ops":["sign"])",
                           R"("key_ops":"verify")", R"("key_ops":[])", R"("alg":"RSA-OAEP")",
                           R"("alg":"HS256")", R"("alg":"ES256")", R"("alg":null)", R"("kid":7)"}) {
    EXPECT_NE(error_of(key_set({rsa().jwk(more)})), "") << more;
  }
}

TEST(JsonWebKey, weak_symmetric_and_unknown_keys_are_passed_over) {
  const JsonWebKeySet set = parsed(key_set(
      {SigningKey::rsa(1024).jwk(R"("kid":"weak")"), R"({"kty":"oct","k":"c2VjcmV0","kid":"s"})",
       R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})", R"({"kty":"new"})", "7",
       rsa().jwk(R"("kid":"good")")}));
  ASSERT_EQ(set.keys.size(), 1U);
  EXPECT_EQ(set.keys[0].id, "good");
  ASSERT_EQ(set.passed_over.size(), 5U);
  EXPECT_NE(set.passed_over[0].find("'weak'"), std::string::npos) << set.passed_over[0];
  EXPECT_NE(set.passed_over[0].find("1024 bits"), std::string::npos) << set.passed_over[0];
  EXPECT_NE(set.passed_over[1].find("symmetric"), std::string::npos) << set.passed_over[1];
}

TEST(JsonWebKey, a_point_that_is_not_on_its_curve_is_no_key) {
  const std::string zeros(43, 'A');
  EXPECT_NE(error_of(R"({"keys":[{"kty":"EC","crv":"P-256","x":")" + zeros + R"(","y":")" + zeros +
                     R"("}]})")
                .find("no point"),
            std::string::npos);
}

TEST(JsonWebKey, a_set_that_is_none_is_refused_whole) {
  for (const char* text :
       {"", "<html></html>", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})",
        R"({"keys":[],"keys":[]})", R"({"keys":[[[[[[[[[[[]]]]]]]]]]]})", "null"}) {
    EXPECT_NE(error_of(text), "") << text;
  }
}

TEST(JsonWebKey, a_set_is_bounded_in_keys_and_bytes) {
  const std::string key = rsa().jwk();
  std::string many = R"({"keys":[)" + key;
  for (std::size_t i = 1; i < key_set_keys_max; ++i) many += ',' + key;
  EXPECT_EQ(parsed(many + "]}").keys.size(), key_set_keys_max);
  EXPECT_EQ(error_of(many + ',' + key + "]}"), "more than 64 keys");
  EXPECT_EQ(error_of(key_set({key}) + std::string(key_set_bytes_max, ' ')),
            "larger than 262144 bytes");
}

}  // namespace
}  // namespace sluice::net
