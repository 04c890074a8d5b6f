// Public keys that signatures are verified with, and the algorithms of JWS (RFC 7518 3, RFC 8037
// 3).
//
// A key is of one type, and its type decides which algorithms it may be asked for: what a token
// says about its algorithm can only choose among those, so a public key is never taken for the
// secret of an HMAC. There is no symmetric key and no `none` here. Immutable; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_pkey_st;  // EVP_PKEY

namespace sluice::net {

enum class SignatureAlgorithm : std::uint8_t {
  rs256,
  rs384,
  rs512,
  ps256,
  ps384,
  ps512,
  es256,
  es384,
  es512,
  eddsa,
};

// "RS256" and so on; case counts. Nothing for every other name, `none` and HS256 among them.
[[nodiscard]] std::optional<SignatureAlgorithm> signature_algorithm(std::string_view name);
[[nodiscard]] std::string_view text(SignatureAlgorithm algorithm);

enum class Curve : std::uint8_t { p256, p384, p521 };

class VerificationKey {
 public:
  static constexpr int rsa_bits_least = 2048;
  static constexpr int rsa_bits_most = 8192;  // the time of a verification grows with the square

  // From octets, the most significant first. Nothing, and why in `error`, when they are no key, or
  // one that is too weak or too costly.
  [[nodiscard]] static std::optional<VerificationKey> rsa(std::string_view modulus,
                                                          std::string_view exponent,
                                                          std::string& error);
  [[nodiscard]] static std::optional<VerificationKey> elliptic(Curve curve, std::string_view x,
                                                               std::string_view y,
                                                               std::string& error);
  [[nodiscard]] static std::optional<VerificationKey> ed25519(std::string_view octets,
                                                              std::string& error);

  [[nodiscard]] bool suits(SignatureAlgorithm algorithm) const;

  // False too when the algorithm does not suit the key, or memory is short. Takes 30 to 200
  // microseconds.
  [[nodiscard]] bool verify(SignatureAlgorithm algorithm, std::string_view message,
                            std::string_view signature) const;

 private:
  enum class Type : std::uint8_t { rsa, p256, p384, p521, ed25519 };
  VerificationKey(Type type, std::shared_ptr<evp_pkey_st> key)
      : type_(type), key_(std::move(key)) {}

  Type type_;
  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace sluice::net
