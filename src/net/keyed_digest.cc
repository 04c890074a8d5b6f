#include "sluice/net/keyed_digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace sluice::net {

KeyedDigest::KeyedDigest() {
  if (RAND_bytes(key_.data(), static_cast<int>(key_.size())) != 1) std::abort();
}

KeyedDigest::~KeyedDigest() { OPENSSL_cleanse(key_.data(), key_.size()); }

bool KeyedDigest::digest(std::initializer_list<std::string_view> texts, Sha256& digest) const {
  std::string whole;
  std::size_t bytes = 0;
  for (const std::string_view text : texts) bytes += sizeof(std::uint64_t) + text.size();
  whole.reserve(bytes);  // never moved, so that wiping finds all of it
  for (const std::string_view text : texts) {
    for (std::size_t i = 0; i < sizeof(std::uint64_t); ++i) {
      whole.push_back(static_cast<char>(std::uint64_t{text.size()} >> (8 * i)));
    }
    whole.append(text);
  }
  unsigned size = 0;
  const bool done = HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
                         reinterpret_cast<const unsigned char*>(whole.data()), whole.size(),
                         digest.data(), &size) != nullptr;
  wipe(whole);
  return done && size == digest.size();
}

}  // namespace sluice::net
