#include "sluice/net/seal.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "net/tls_openssl.h"

namespace sluice::net {

namespace {

constexpr unsigned char version = 1;
constexpr std::size_t id_at = 1;
constexpr std::size_t nonce_at = id_at + 4;
constexpr std::size_t text_at = nonce_at + 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::string_view derivation_label = "sluice sealing key 1";

using CipherContextPointer = std::unique_ptr<EVP_CIPHER_CTX, OpensslDeleter<EVP_CIPHER_CTX_free>>;
using KdfPointer = std::unique_ptr<EVP_KDF, OpensslDeleter<EVP_KDF_free>>;
using KdfContextPointer = std::unique_ptr<EVP_KDF_CTX, OpensslDeleter<EVP_KDF_CTX_free>>;
using Octets = std::span<const unsigned char>;

// ---------------------------------------------------------------- base64url

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> values = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}();

std::string encode(Octets octets) {
  std::string out;
  out.reserve((octets.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned held = 0;  // bits not yet written
  for (const unsigned char octet : octets) {
    bits = (bits << 8) | octet;
    for (held += 8; held >= 6; held -= 6) out.push_back(alphabet[(bits >> (held - 6)) & 63]);
  }
  if (held > 0) out.push_back(alphabet[(bits << (6 - held)) & 63]);
  return out;
}

// The number of octets, or nothing. Bits left over must be zero: one text, one spelling.
std::optional<std::size_t> decode(std::string_view text, std::span<unsigned char> out) {
  std::uint32_t bits = 0;
  unsigned held = 0;
  std::size_t size = 0;
  for (const char c : text) {
    const std::int8_t value = values[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[size++] = static_cast<unsigned char>(bits >> held);
  }
  const bool is_canonical = held < 6 && (bits & ((1U << held) - 1)) == 0;
  return is_canonical ? std::optional(size) : std::nullopt;
}

// ---------------------------------------------------------------- OpenSSL

// Key and key id from different blocks of the output (RFC 5869 2.3).
bool derive(const std::string& secret, std::span<unsigned char> out) {
  const KdfPointer kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const KdfContextPointer context(EVP_KDF_CTX_new(kdf.get()));
  if (context == nullptr) return false;
  char digest[] = "SHA256";
  std::string label(derivation_label);
  std::string material = secret;  // OpenSSL's parameters are not const
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, material.data(), material.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, label.data(), label.size()),
      OSSL_PARAM_construct_end()};
  const bool done = EVP_KDF_derive(context.get(), out.data(), out.size(), parameters) == 1;
  OPENSSL_cleanse(material.data(), material.size());
  return done;
}

bool add_context(EVP_CIPHER_CTX* cipher, Octets header, std::string_view context) {
  int size = 0;
  const auto* text = reinterpret_cast<const unsigned char*>(context.data());
  return EVP_CipherUpdate(cipher, nullptr, &size, header.data(), static_cast<int>(header.size())) ==
             1 &&
         EVP_CipherUpdate(cipher, nullptr, &size, text, static_cast<int>(context.size())) == 1;
}

}  // namespace

void Sealer::CipherDeleter::operator()(evp_cipher_st* cipher) const { EVP_CIPHER_free(cipher); }

Sealer::Sealer(std::span<const std::string> secrets)
    : cipher_(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr)),
      keys_(std::max<std::size_t>(secrets.size(), 1)) {
  std::array<unsigned char, sizeof(Key::aes) + sizeof(Key::id)> material;
  bool ready = cipher_ != nullptr;
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    ready = ready && (secrets.empty()
                          ? RAND_priv_bytes(material.data(), static_cast<int>(material.size())) == 1
                          : derive(secrets[i], material));
    std::memcpy(keys_[i].aes.data(), material.data(), keys_[i].aes.size());
    std::memcpy(keys_[i].id.data(), material.data() + keys_[i].aes.size(), keys_[i].id.size());
  }
  OPENSSL_cleanse(material.data(), material.size());
  if (!ready) std::abort();
}

Sealer::~Sealer() {
  for (Key& key : keys_) OPENSSL_cleanse(key.aes.data(), key.aes.size());
}

std::string Sealer::seal(std::string_view plain, std::string_view context) const {
  if (plain.size() > plain_bytes_max) return {};
  const Key& key = keys_.front();
  std::array<unsigned char, plain_bytes_max + overhead_bytes> sealed;
  sealed[0] = version;
  std::memcpy(sealed.data() + id_at, key.id.data(), key.id.size());
  unsigned char* const nonce = sealed.data() + nonce_at;
  unsigned char* const text = sealed.data() + text_at;
  unsigned char* const tag = text + plain.size();
  const CipherContextPointer cipher(EVP_CIPHER_CTX_new());
  const auto* source = reinterpret_cast<const unsigned char*>(plain.data());
  int size = 0;
  const bool done =
      cipher != nullptr && RAND_bytes(nonce, text_at - nonce_at) == 1 &&
      EVP_EncryptInit_ex2(cipher.get(), cipher_.get(), key.aes.data(), nonce, nullptr) == 1 &&
      add_context(cipher.get(), {sealed.data(), nonce_at}, context) &&
      EVP_EncryptUpdate(cipher.get(), text, &size, source, static_cast<int>(plain.size())) == 1 &&
      EVP_EncryptFinal_ex(cipher.get(), tag, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, tag_bytes, tag) == 1;
  ERR_clear_error();
  if (!done) return {};
  return encode({sealed.data(), plain.size() + overhead_bytes});
}

std::optional<std::string> Sealer::open(std::string_view sealed, std::string_view context) const {
  if (sealed.size() > sealed_bytes_max) return std::nullopt;
  std::array<unsigned char, sealed_bytes_max / 4 * 3> octets;
  const std::optional<std::size_t> size = decode(sealed, octets);
  if (!size.has_value() || *size < overhead_bytes || octets[0] != version) return std::nullopt;
  const auto key = std::ranges::find_if(keys_, [&octets](const Key& candidate) {
    return std::memcmp(candidate.id.data(), octets.data() + id_at, candidate.id.size()) == 0;
  });
  if (key == keys_.end()) return std::nullopt;

  std::string plain(*size - overhead_bytes, '\0');
  auto* out = reinterpret_cast<unsigned char*>(plain.data());
  const unsigned char* const text = octets.data() + text_at;
  unsigned char* const tag = octets.data() + text_at + plain.size();
  const CipherContextPointer cipher(EVP_CIPHER_CTX_new());
  int written = 0;
  const bool is_ours =
      cipher != nullptr &&
      EVP_DecryptInit_ex2(cipher.get(), cipher_.get(), key->aes.data(), octets.data() + nonce_at,
                          nullptr) == 1 &&
      add_context(cipher.get(), {octets.data(), nonce_at}, context) &&
      EVP_DecryptUpdate(cipher.get(), out, &written, text, static_cast<int>(plain.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, tag_bytes, tag) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), out + plain.size(), &written) == 1;
  ERR_clear_error();  // a forged text leaves its mark there
  if (!is_ours) return std::nullopt;
  return plain;
}

}  // namespace sluice::net
