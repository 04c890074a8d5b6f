// Digests of secrets, for comparing and finding them again without keeping them: HMAC-SHA-256 with
// a random key that is this object's alone and never leaves it.
#pragma once

#include <array>
#include <initializer_list>
#include <string_view>

#include "sluice/net/digest.h"
#include "sluice/net/secret.h"

namespace sluice::net {

// Immutable; any thread.
class KeyedDigest {
 public:
  // Ends the process when OpenSSL has no randomness: then there is no TLS either.
  KeyedDigest();
  ~KeyedDigest();  // wipes the key
  KeyedDigest(const KeyedDigest&) = delete;
  KeyedDigest& operator=(const KeyedDigest&) = delete;

  // Of these texts in this order; no other list of texts has the same but by chance of 2^-256.
  // False when memory is short.
  [[nodiscard]] bool digest(std::initializer_list<std::string_view> texts, Sha256& digest) const;

 private:
  std::array<unsigned char, 32> key_;
};

}  // namespace sluice::net
