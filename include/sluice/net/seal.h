// Small texts that we give to clients and want back untouched and unread: authenticated encryption.
//
// A sealed text is base64url without padding (RFC 4648 5) of
//
//   version (1) | key id (4) | nonce (12) | ciphertext | tag (16)
//
// by AES-256-GCM, the key and its id derived from a secret text with HKDF-SHA256. Version, key id
// and a context that both sides know are authenticated with it, so that what was sealed for one use
// does not open in another. Every sealed text has one spelling: another one does not open.
// Nonces are random. After 2^32 seals two of one key meet with a probability of 2^-33, and whoever
// saw that pair could forge; secrets should be replaced before that (NIST SP 800-38D 8.3).
// Immutable; any number of threads at once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct evp_cipher_st;  // EVP_CIPHER

namespace sluice::net {

class Sealer {
 public:
  static constexpr std::size_t overhead_bytes = 1 + 4 + 12 + 16;
  static constexpr std::size_t sealed_bytes_max = 1024;  // in base64url
  static constexpr std::size_t plain_bytes_max = sealed_bytes_max / 4 * 3 - overhead_bytes;

  // The first secret seals, all of them open; without any, a random key of this object does both.
  // The secrets are not kept, and the keys are wiped at the end. Ends the process when OpenSSL has
  // no randomness, AES or SHA-256: then there is no TLS either.
  explicit Sealer(std::span<const std::string> secrets);
  ~Sealer();
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;

  // Another text each time. Empty when `plain` is longer than plain_bytes_max, or memory or
  // randomness is short.
  [[nodiscard]] std::string seal(std::string_view plain, std::string_view context) const;

  // What was sealed with one of the secrets for this context; nothing for anything else. Longer
  // texts than sealed_bytes_max, and keys that are not ours, are refused before any work is done.
  [[nodiscard]] std::optional<std::string> open(std::string_view sealed,
                                                std::string_view context) const;

 private:
  struct Key {
    std::array<unsigned char, 32> aes;
    std::array<unsigned char, 4> id;  // says which key opens, and nothing about the key
  };
  struct CipherDeleter {
    void operator()(evp_cipher_st* cipher) const;
  };

  std::unique_ptr<evp_cipher_st, CipherDeleter> cipher_;  // looked up once: that takes locks
  std::vector<Key> keys_;                                 // never empty
};

}  // namespace sluice::net
