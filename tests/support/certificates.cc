#include "support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sluice::support {
namespace {

struct Free {
  void operator()(BIO* object) const { BIO_free_all(object); }
  void operator()(GENERAL_NAMES* object) const { GENERAL_NAMES_free(object); }
  void operator()(EVP_PKEY* object) const { EVP_PKEY_free(object); }
  void operator()(X509* object) const { X509_free(object); }
  void operator()(X509_CRL* object) const { X509_CRL_free(object); }
  void operator()(ASN1_TIME* object) const { ASN1_TIME_free(object); }
  void operator()(X509_EXTENSION* object) const { X509_EXTENSION_free(object); }
};
using BioPointer = std::unique_ptr<BIO, Free>;
using KeyPointer = std::unique_ptr<EVP_PKEY, Free>;
using CertificatePointer = std::unique_ptr<X509, Free>;
using ExtensionPointer = std::unique_ptr<X509_EXTENSION, Free>;

void require(bool is_good, const char* what) {
  if (is_good) return;
  std::fprintf(stderr, "test certificates: %s failed\n", what);
  std::abort();
}

KeyPointer make_key(KeyKind kind) {
  KeyPointer key;
  switch (kind) {
    case KeyKind::ecdsa_p256: key.reset(EVP_EC_gen("P-256")); break;
    case KeyKind::rsa_1024: key.reset(EVP_RSA_gen(1024)); break;
    case KeyKind::rsa_2048: key.reset(EVP_RSA_gen(2048)); break;
    case KeyKind::ed25519: key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")); break;
  }
  require(key != nullptr, "making a key");
  return key;
}

void add_extension(X509& certificate, int kind, const std::string& value) {
  const ExtensionPointer extension(X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str()));
  require(extension && X509_add_ext(&certificate, extension.get(), -1) == 1, "an extension");
}

// Made by hand and not from text, so that a name may hold any byte.
GENERAL_NAME* alternative_name(const std::string& name) {
  GENERAL_NAME* const made = GENERAL_NAME_new();
  require(made != nullptr, "a name");
  if (ASN1_OCTET_STRING* const address = a2i_IPADDRESS(name.c_str())) {
    GENERAL_NAME_set0_value(made, GEN_IPADD, address);
  } else {
    ASN1_IA5STRING* const text = ASN1_IA5STRING_new();
    require(ASN1_STRING_set(text, name.data(), static_cast<int>(name.size())) == 1, "a name");
    GENERAL_NAME_set0_value(made, GEN_DNS, text);
  }
  return made;
}

void add_alternative_names(X509& certificate, const std::vector<std::string>& names) {
  const std::unique_ptr<GENERAL_NAMES, Free> all(sk_GENERAL_NAME_new_null());
  for (const std::string& name : names) sk_GENERAL_NAME_push(all.get(), alternative_name(name));
  require(X509_add1_ext_i2d(&certificate, NID_subject_alt_name, all.get(), 0, 0) == 1,
          "alternative names");
}

// Without extensions and signature.
CertificatePointer make_certificate(EVP_PKEY& key, const std::string& common_name,
                                    std::chrono::seconds from, std::chrono::seconds until) {
  static long serial = 0;
  CertificatePointer certificate(X509_new());
  require(certificate && X509_set_version(certificate.get(), X509_VERSION_3) == 1, "a certificate");
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from.count());
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), until.count());
  X509_set_pubkey(certificate.get(), &key);
  require(X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(common_name.c_str()),
                                     -1, -1, 0) == 1,
          "a common name");
  return certificate;
}

std::string text_of(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem_of(X509& certificate) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  require(bio && PEM_write_bio_X509(bio.get(), &certificate) == 1, "writing a certificate");
  return text_of(*bio);
}

std::string pem_of(EVP_PKEY& key) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  require(
      bio && PEM_write_bio_PrivateKey(bio.get(), &key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
      "writing a key");
  return text_of(*bio);
}

}  // namespace

struct CertificateAuthority::Impl {
  KeyPointer key;
  CertificatePointer certificate;
};

namespace {

void sign_authority(X509& certificate, const X509& issuer, EVP_PKEY& key) {
  X509_set_issuer_name(&certificate, X509_get_subject_name(&issuer));
  add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  require(X509_sign(&certificate, &key, EVP_sha256()) != 0, "signing an authority");
}

}  // namespace

CertificateAuthority::CertificateAuthority(const std::string& name)
    : impl_(std::make_unique<Impl>()) {
  impl_->key = make_key(KeyKind::ecdsa_p256);
  impl_->certificate = make_certificate(*impl_->key, name, std::chrono::hours(-100'000),
                                        std::chrono::hours(100'000));
  sign_authority(*impl_->certificate, *impl_->certificate, *impl_->key);
}

CertificateAuthority::CertificateAuthority(const std::string& name,
                                           const CertificateAuthority& issuer,
                                           std::chrono::seconds valid_for)
    : impl_(std::make_unique<Impl>()) {
  impl_->key = make_key(KeyKind::ecdsa_p256);
  impl_->certificate = make_certificate(*impl_->key, name, std::chrono::hours(-100'000), valid_for);
  sign_authority(*impl_->certificate, *issuer.impl_->certificate, *issuer.impl_->key);
}

std::string CertificateAuthority::revocation_list(const std::vector<std::string>& revoked,
                                                  std::chrono::seconds next_update) const {
  const std::unique_ptr<X509_CRL, Free> list(X509_CRL_new());
  const std::unique_ptr<ASN1_TIME, Free> now(X509_gmtime_adj(nullptr, -3600));
  const std::unique_ptr<ASN1_TIME, Free> next(X509_gmtime_adj(nullptr, next_update.count()));
  require(list && now && next && X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(list.get(),
                                       X509_get_subject_name(impl_->certificate.get())) == 1 &&
              X509_CRL_set1_lastUpdate(list.get(), now.get()) == 1 &&
              X509_CRL_set1_nextUpdate(list.get(), next.get()) == 1,
          "a revocation list");
  for (const std::string& pem : revoked) {
    const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const CertificatePointer certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    X509_REVOKED* const entry = X509_REVOKED_new();
    require(
        certificate && entry != nullptr &&
            X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(certificate.get())) == 1 &&
            X509_REVOKED_set_revocationDate(entry, now.get()) == 1 &&
            X509_CRL_add0_revoked(list.get(), entry) == 1,
        "a revocation");
  }
  X509_CRL_sort(list.get());
  const BioPointer out(BIO_new(BIO_s_mem()));
  require(X509_CRL_sign(list.get(), impl_->key.get(), EVP_sha256()) != 0 &&
              PEM_write_bio_X509_CRL(out.get(), list.get()) == 1,
          "signing a revocation list");
  return text_of(*out);
}

std::string der_of(const std::string& pem) {
  const BioPointer bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  require(PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1, "reading PEM");
  std::string der(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  return der;
}

CertificateAuthority::~CertificateAuthority() = default;

CertificateText CertificateAuthority::issue(const CertificateWish& wish) const {
  const KeyPointer key = make_key(wish.key);
  const std::string common_name = !wish.common_name.empty() ? wish.common_name
                                  : wish.names.empty()      ? "nameless"
                                                            : wish.names.front();
  const CertificatePointer certificate =
      make_certificate(*key, common_name, wish.valid_from, wish.valid_for);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(impl_->certificate.get()));
  add_extension(*certificate, NID_basic_constraints, "critical,CA:FALSE");
  if (!wish.usage.empty()) add_extension(*certificate, NID_ext_key_usage, wish.usage);
  if (!wish.names.empty()) add_alternative_names(*certificate, wish.names);
  require(X509_sign(certificate.get(), impl_->key.get(), EVP_sha256()) != 0, "signing");
  return {pem_of(*certificate), pem_of(*key)};
}

std::string CertificateAuthority::certificate() const { return pem_of(*impl_->certificate); }

std::string encrypted_key(const CertificateText& text) {
  const BioPointer plain(BIO_new_mem_buf(text.key.data(), static_cast<int>(text.key.size())));
  const KeyPointer key(PEM_read_bio_PrivateKey(plain.get(), nullptr, nullptr, nullptr));
  const BioPointer sealed(BIO_new(BIO_s_mem()));
  unsigned char passphrase[] = "correct horse";
  require(key && PEM_write_bio_PrivateKey(sealed.get(), key.get(), EVP_aes_256_cbc(), passphrase,
                                          sizeof passphrase - 1, nullptr, nullptr) == 1,
          "encrypting a key");
  return text_of(*sealed);
}

CertificateDirectory::CertificateDirectory()
    : path_((std::filesystem::temp_directory_path() / "sluice-certificates-XXXXXX").string()) {
  require(::mkdtemp(path_.data()) != nullptr, "making a directory");
}

CertificateDirectory::~CertificateDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string CertificateDirectory::path(std::string_view name) const {
  return path_ + "/" + std::string(name);
}

std::string CertificateDirectory::write(std::string_view name, std::string_view text,
                                        unsigned mode) const {
  const std::string file = path(name);
  std::ofstream(file, std::ios::binary | std::ios::trunc) << text;
  require(::chmod(file.c_str(), mode) == 0, "writing a file");
  return file;
}

}  // namespace sluice::support
