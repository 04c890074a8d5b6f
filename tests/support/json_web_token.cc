#include "support/json_web_token.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <stdexcept>
#include <vector>

#include "sluice/base/base64url.h"

namespace sluice::support {
namespace {

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(what);
}

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string number(const evp_pkey_st* key, const char* name, std::size_t size = 0) {
  BIGNUM* value = nullptr;
  require(EVP_PKEY_get_bn_param(key, name, &value) == 1, name);
  if (size == 0) size = static_cast<std::size_t>(BN_num_bytes(value));
  std::string out(size, '\0');
  require(BN_bn2binpad(value, reinterpret_cast<unsigned char*>(out.data()),
                       static_cast<int>(size)) == static_cast<int>(size),
          "padding");
  BN_free(value);
  return base::encode_base64url(out);
}

std::size_t coordinate_octets(const evp_pkey_st* key) {
  return (static_cast<std::size_t>(EVP_PKEY_get_bits(key)) + 7) / 8;
}

const EVP_MD* digest_of(std::string_view algorithm) {
  if (algorithm == "EdDSA") return nullptr;
  if (algorithm.ends_with("384")) return EVP_sha384();
  return algorithm.ends_with("512") ? EVP_sha512() : EVP_sha256();
}

// DER into two numbers of full length.
std::string to_jose(const std::string& der, std::size_t half) {
  const unsigned char* at = octets(der);
  ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size()));
  require(pair != nullptr, "a signature");
  std::string out(2 * half, '\0');
  auto* bytes = reinterpret_cast<unsigned char*>(out.data());
  BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, static_cast<int>(half));
  BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + half, static_cast<int>(half));
  ECDSA_SIG_free(pair);
  return out;
}

}  // namespace

SigningKey::SigningKey(evp_pkey_st* key) : key_(key, EVP_PKEY_free) {
  require(key != nullptr, "a key");
}

SigningKey SigningKey::rsa(int bits) {
  return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", static_cast<std::size_t>(bits)));
}
SigningKey SigningKey::elliptic(const char* curve) {
  return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve));
}
SigningKey SigningKey::ed25519() {
  return SigningKey(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
}

std::string SigningKey::jwk(const std::string& more) const {
  std::string out = "{";
  const evp_pkey_st* key = key_.get();
  if (EVP_PKEY_is_a(key, "RSA") == 1) {
    out += R"("kty":"RSA","n":")" + number(key, OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
           number(key, OSSL_PKEY_PARAM_RSA_E) + '"';
  } else if (EVP_PKEY_is_a(key, "EC") == 1) {
    const std::size_t size = coordinate_octets(key);
    const std::string curve = size == 32 ? "P-256" : size == 48 ? "P-384" : "P-521";
    out += R"("kty":"EC","crv":")" + curve + R"(","x":")" +
           number(key, OSSL_PKEY_PARAM_EC_PUB_X, size) + R"(","y":")" +
           number(key, OSSL_PKEY_PARAM_EC_PUB_Y, size) + '"';
  } else {
    std::string raw(32, '\0');
    std::size_t size = raw.size();
    require(
        EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(raw.data()), &size) == 1,
        "a raw key");
    out += R"("kty":"OKP","crv":"Ed25519","x":")" + base::encode_base64url(raw) + '"';
  }
  if (!more.empty()) out += ',' + more;
  return out + '}';
}

std::string SigningKey::public_pem() const {
  BIO* memory = BIO_new(BIO_s_mem());
  require(PEM_write_bio_PUBKEY(memory, key_.get()) == 1, "PEM");
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory, &text);
  std::string pem(text, static_cast<std::size_t>(size));
  BIO_free(memory);
  return pem;
}

std::string SigningKey::sign(std::string_view text, std::string_view algorithm) const {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  EVP_PKEY_CTX* of_key = nullptr;
  require(EVP_DigestSignInit(context, &of_key, digest_of(algorithm), nullptr, key_.get()) == 1,
          "a signer");
  if (algorithm.starts_with("PS")) {
    require(EVP_PKEY_CTX_set_rsa_padding(of_key, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(of_key, RSA_PSS_SALTLEN_DIGEST) == 1,
            "PSS");
  }
  std::size_t size = 0;
  require(EVP_DigestSign(context, nullptr, &size, octets(text), text.size()) == 1, "a size");
  std::string signature(size, '\0');
  require(EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                         octets(text), text.size()) == 1,
          "a signature");
  EVP_MD_CTX_free(context);
  signature.resize(size);
  if (EVP_PKEY_is_a(key_.get(), "EC") == 1) {
    return to_jose(signature, coordinate_octets(key_.get()));
  }
  return signature;
}

std::string SigningKey::token(const std::string& header, const std::string& claims,
                              std::string_view algorithm) const {
  std::string text = unsigned_token(header, claims);
  const std::string signature = sign(std::string_view(text).substr(0, text.size() - 1), algorithm);
  return text + base::encode_base64url(signature);
}

std::string unsigned_token(const std::string& header, const std::string& claims) {
  return base::encode_base64url(header) + '.' + base::encode_base64url(claims) + '.';
}

std::string hmac_token(const std::string& header, const std::string& claims,
                       const std::string& secret) {
  std::string text = unsigned_token(header, claims);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), octets(text), text.size() - 1,
       digest, &size);
  return text + base::encode_base64url({reinterpret_cast<const char*>(digest), size});
}

std::string key_set(std::initializer_list<std::string> keys) {
  std::string out = R"({"keys":[)";
  for (const std::string& key : keys) {
    if (!out.ends_with('[')) out += ',';
    out += key;
  }
  return out + "]}";
}

}  // namespace sluice::support
