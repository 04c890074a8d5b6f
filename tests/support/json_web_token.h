// Makes keys and signs tokens, by OpenSSL: the other side of what Sluice verifies.
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct evp_pkey_st;

namespace sluice::support {

class SigningKey {
 public:
  static SigningKey rsa(int bits = 2048);
  static SigningKey elliptic(const char* curve);  // "P-256" and so on
  static SigningKey ed25519();

  // A JWK with these members besides: `"kid":"a","alg":"RS256"`.
  [[nodiscard]] std::string jwk(const std::string& more = {}) const;
  // The public key as PEM: what HS256 is "signed" with when algorithms are confused.
  [[nodiscard]] std::string public_pem() const;
  // Both are JSON. `algorithm` says how it is signed, whatever the header says.
  [[nodiscard]] std::string token(const std::string& header, const std::string& claims,
                                  std::string_view algorithm) const;
  [[nodiscard]] std::string sign(std::string_view text, std::string_view algorithm) const;

 private:
  explicit SigningKey(evp_pkey_st* key);
  std::shared_ptr<evp_pkey_st> key_;
};

// header.payload, both encoded, and a dot at the end.
[[nodiscard]] std::string unsigned_token(const std::string& header, const std::string& claims);
[[nodiscard]] std::string hmac_token(const std::string& header, const std::string& claims,
                                     const std::string& secret);
[[nodiscard]] std::string key_set(std::initializer_list<std::string> keys);

}  // namespace sluice::support
