#include "sluice/net/keyed_digest.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "sluice/net/secret.h"

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
  const std::string_view key(reinterpret_cast<const char*>(key_.data()), key_.size());
  const bool done = hmac_sha256(key, whole, digest);
  wipe(whole);
  return done;
}

}  // namespace sluice::net
