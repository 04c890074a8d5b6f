#include "net/tls_ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>

namespace sluice::net {
namespace {

std::optional<TicketKeys::Key> random_key() {
  TicketKeys::Key key;
  if (RAND_bytes(key.name.data(), static_cast<int>(key.name.size())) != 1 ||
      RAND_priv_bytes(key.aes.data(), static_cast<int>(key.aes.size())) != 1 ||
      RAND_priv_bytes(key.hmac.data(), static_cast<int>(key.hmac.size())) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return key;
}

int ticket_keys_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

const TicketKeys& ticket_keys_of(SSL* session) {
  return *static_cast<const TicketKeys*>(
      SSL_CTX_get_ex_data(SSL_get_SSL_CTX(session), ticket_keys_index()));
}

bool set_hmac_key(EVP_MAC_CTX* mac, TicketKeys::Key& key) {
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.hmac.data(), key.hmac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

// What the callback of SSL_CTX_set_tlsext_ticket_key_evp_cb may answer.
enum TicketAnswer : int { failed = -1, unknown_key = 0, usable = 1, usable_but_renew = 2 };

TicketAnswer prepare_sealing(const TicketKeys& keys, unsigned char* name, unsigned char* iv,
                             EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  TicketKeys::Key key = keys.newest();
  std::ranges::copy(key.name, name);
  const bool ready =
      RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
      EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key.aes.data(), iv, nullptr) == 1 &&
      set_hmac_key(mac, key);
  return ready ? usable : failed;
}

TicketAnswer prepare_opening(const TicketKeys& keys, const unsigned char* name,
                             const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  TicketKeys::Key key;
  bool is_newest = false;
  if (!keys.find(name, key, is_newest)) return unknown_key;
  const bool ready =
      EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key.aes.data(), iv, nullptr) == 1 &&
      set_hmac_key(mac, key);
  if (!ready) return failed;
  return is_newest ? usable : usable_but_renew;
}

int on_ticket(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int is_sealing) {
  const TicketKeys& keys = ticket_keys_of(session);
  return is_sealing != 0 ? prepare_sealing(keys, name, iv, cipher, mac)
                         : prepare_opening(keys, name, iv, cipher, mac);
}

}  // namespace

TicketKeys::Key::~Key() {
  OPENSSL_cleanse(aes.data(), aes.size());
  OPENSSL_cleanse(hmac.data(), hmac.size());
}

TicketKeys::TicketKeys() {
  keys_.reserve(kept + 1);  // never reallocated: no forgotten copy of a key stays on the heap
  std::optional<Key> key = random_key();
  if (!key) std::abort();  // a system without randomness can do no TLS at all
  keys_.push_back(*key);
}

void TicketKeys::rotate() {
  const std::optional<Key> key = random_key();
  if (!key) return;  // the current key is better than none; the next rotation tries again
  const std::lock_guard lock(mutex_);
  keys_.insert(keys_.begin(), *key);
  if (keys_.size() > kept) keys_.pop_back();
}

TicketKeys::Key TicketKeys::newest() const {
  const std::lock_guard lock(mutex_);
  return keys_.front();
}

bool TicketKeys::find(const unsigned char* name, Key& key, bool& is_newest) const {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(keys_, [name](const Key& candidate) {
    return std::memcmp(candidate.name.data(), name, candidate.name.size()) == 0;
  });
  if (found == keys_.end()) return false;
  key = *found;
  is_newest = found == keys_.begin();
  return true;
}

bool use_ticket_keys(SSL_CTX& context, TicketKeys& keys) {
  if (SSL_CTX_set_ex_data(&context, ticket_keys_index(), &keys) != 1) return false;
  if (SSL_CTX_set_tlsext_ticket_key_evp_cb(&context, on_ticket) != 1) return false;
  // The clients are told to keep a ticket as long as some key opens it: the one that sealed it was
  // the newest for up to one rotation.
  SSL_CTX_set_timeout(&context, std::chrono::seconds(TicketKeys::rotation).count() *
                                    static_cast<long>(TicketKeys::kept - 1));
  return true;
}

}  // namespace sluice::net
