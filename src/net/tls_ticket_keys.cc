#include "net/tls_ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "net/tls_file.h"

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

// RFC 8446 C.4: a client of TLS 1.3 should use a ticket once, and OpenSSL's do. So each resumption
// gives it another one; of TLS 1.2 a ticket serves until its key is old.
bool is_used_once(const SSL* session) { return SSL_version(session) >= TLS1_3_VERSION; }

TicketAnswer prepare_opening(const SSL* session, const TicketKeys& keys, const unsigned char* name,
                             const unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac) {
  TicketKeys::Key key;
  bool is_newest = false;
  if (!keys.find(name, key, is_newest)) return unknown_key;
  const bool ready =
      EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key.aes.data(), iv, nullptr) == 1 &&
      set_hmac_key(mac, key);
  if (!ready) return failed;
  return is_newest && !is_used_once(session) ? usable : usable_but_renew;
}

int on_ticket(SSL* session, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
              EVP_MAC_CTX* mac, int is_sealing) {
  const TicketKeys& keys = ticket_keys_of(session);
  return is_sealing != 0 ? prepare_sealing(keys, name, iv, cipher, mac)
                         : prepare_opening(session, keys, name, iv, cipher, mac);
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

TicketKeys::TicketKeys(std::vector<Key> keys) : keys_(std::move(keys)) {}

TicketKeys::~TicketKeys() = default;

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

bool use_no_tickets(SSL_CTX& context) {
  SSL_CTX_set_options(&context, SSL_OP_NO_TICKET);   // TLS 1.2
  return SSL_CTX_set_num_tickets(&context, 0) == 1;  // TLS 1.3
}

// --- keys from a file ---------------------------------------------------------------------------
namespace {

constexpr std::size_t key_bytes = 80;
constexpr std::size_t line_length = 108;  // their Base64, with one `=`
constexpr std::size_t most_keys = 16;

std::optional<TicketKeys::Key> decode(std::string_view line) {
  if (line.size() != line_length || line.back() != '=' || line[line.size() - 2] == '=') {
    return std::nullopt;
  }
  std::array<unsigned char, key_bytes + 1> bytes{};  // the decoder fills in a 0 for the `=`
  const int decoded =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(line.data()),
                      static_cast<int>(line.size()));
  std::optional<TicketKeys::Key> key;
  if (decoded == static_cast<int>(bytes.size())) {
    key.emplace();
    const unsigned char* from = bytes.data();
    for (auto part : {std::span<unsigned char>(key->name), std::span<unsigned char>(key->hmac),
                      std::span<unsigned char>(key->aes)}) {
      std::copy_n(from, part.size(), part.data());
      from += part.size();
    }
  }
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return key;
}

bool is_listed(const std::vector<TicketKeys::Key>& keys, const TicketKeys::Key& key) {
  return std::ranges::any_of(keys, [&](const auto& known) { return known.name == key.name; });
}

}  // namespace

std::unique_ptr<TicketKeys> load_ticket_keys(const config::ServerTls& settings,
                                             Fingerprint& fingerprint, config::Problems& problems) {
  const std::string& path = settings.ticket_keys_file;
  bool is_good = true;
  const auto error = [&](const std::string& what) {
    is_good = false;
    problems.error(settings.ticket_keys_position, "tls.ticket_keys.file", "'" + path + "' " + what);
  };
  TlsFile file;
  file.read(path);
  fingerprint.add(file.bytes);
  if (!file.error.empty()) error("cannot be read: " + file.error);
  if (file.is_readable_by_all) {
    problems.warning(
        settings.ticket_keys_position, "tls.ticket_keys.file",
        "every user of this machine may read the keys in '" + path + "'; 'chmod o-r' helps");
  }
  std::vector<TicketKeys::Key> keys;
  keys.reserve(most_keys);  // never reallocated: no forgotten copy of a key stays on the heap
  std::size_t number = 0;
  for (std::string_view rest = file.bytes; !rest.empty() && is_good;) {
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, length);
    rest.remove_prefix(std::min(length + 1, rest.size()));
    ++number;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    const std::optional<TicketKeys::Key> key = decode(line);
    const std::string place = "line " + std::to_string(number) + " ";
    if (!key) {
      error(place +
            "is not the Base64 of 80 bytes; 'openssl rand -base64 80 | tr -d \"\\n\"' makes one");
    } else if (is_listed(keys, *key)) {
      error(place + "has a key with the same first 16 bytes, its name, as one before it");
    } else if (keys.size() == most_keys) {
      error("has more than " + std::to_string(most_keys) + " keys");
    } else {
      keys.push_back(*key);
    }
  }
  if (is_good && keys.empty()) error("holds no key; each line is the Base64 of 80 bytes");
  return is_good ? std::make_unique<TicketKeys>(std::move(keys)) : nullptr;
}

}  // namespace sluice::net
