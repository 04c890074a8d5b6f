#include "sluice/net/self_signed.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "net/tls_openssl.h"
#include "sluice/net/listener.h"

namespace sluice::net {
namespace {

constexpr std::chrono::seconds backdated = std::chrono::hours(1);
constexpr std::chrono::days validity_max{3650};
constexpr int serial_bits = 127;  // positive and under 20 octets (RFC 5280 4.1.2.2), never guessed

using BignumPointer = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;

bool set_serial(X509& certificate) {
  const BignumPointer serial(BN_new());
  return serial != nullptr && BN_rand(serial.get(), serial_bits, BN_RAND_TOP_ONE, 0) == 1 &&
         BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

// Subject and issuer alike: that is what makes it self-signed.
bool set_name(X509& certificate, const std::string& common_name) {
  X509_NAME* const name = X509_get_subject_name(&certificate);
  return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.data()),
                                    static_cast<int>(common_name.size()), -1, 0) == 1 &&
         X509_set_issuer_name(&certificate, name) == 1;
}

bool add_extension(X509& certificate, int kind, const char* value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, &certificate, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  const bool is_added = extension != nullptr && X509_add_ext(&certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return is_added;
}

// Built name by name, not from OpenSSL's text form, in which a name with a comma is two.
bool add_alternative_name(GENERAL_NAMES& names, const std::string& text) {
  GENERAL_NAME* const name = GENERAL_NAME_new();
  if (name == nullptr || sk_GENERAL_NAME_push(&names, name) == 0) {
    GENERAL_NAME_free(name);
    return false;
  }
  if (ASN1_OCTET_STRING* const address = a2i_IPADDRESS(text.c_str())) {
    GENERAL_NAME_set0_value(name, GEN_IPADD, address);
    return true;
  }
  ASN1_IA5STRING* const dns = ASN1_IA5STRING_new();
  if (dns == nullptr) return false;
  GENERAL_NAME_set0_value(name, GEN_DNS, dns);
  return ASN1_STRING_set(dns, text.data(), static_cast<int>(text.size())) == 1;
}

bool add_alternative_names(X509& certificate, const std::vector<std::string>& texts) {
  const GeneralNamesPointer names(sk_GENERAL_NAME_new_null());
  if (names == nullptr) return false;
  for (const std::string& text : texts) {
    if (!add_alternative_name(*names, text)) return false;
  }
  return X509_add1_ext_i2d(&certificate, NID_subject_alt_name, names.get(), 0, 0) == 1;
}

X509Pointer make_certificate(const SelfSignedRequest& request, EVP_PKEY& key) {
  X509Pointer certificate(X509_new());
  if (certificate == nullptr) return nullptr;
  X509& made = *certificate;
  const auto seconds = std::chrono::seconds(request.validity).count();
  const bool is_complete =
      X509_set_version(&made, X509_VERSION_3) == 1 && set_serial(made) &&
      set_name(made, request.names.front()) &&
      X509_gmtime_adj(X509_getm_notBefore(&made), -backdated.count()) != nullptr &&
      X509_gmtime_adj(X509_getm_notAfter(&made), seconds) != nullptr &&
      X509_set_pubkey(&made, &key) == 1 && add_alternative_names(made, request.names) &&
      // Not an authority: whoever trusts this certificate trusts it for its own names only.
      add_extension(made, NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(made, NID_key_usage, "critical,digitalSignature") &&
      add_extension(made, NID_ext_key_usage, "serverAuth") &&
      X509_sign(&made, &key, EVP_sha256()) > 0;
  return is_complete ? std::move(certificate) : nullptr;
}

// O_EXCL also refuses a symbolic link in its place.
std::string write_file(const std::string& path, mode_t mode, BIO& bio) {
  char* data = nullptr;
  const auto size = static_cast<std::size_t>(BIO_get_mem_data(&bio, &data));
  const OwnedFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  const bool is_written =
      file.is_valid() && ::write(file.get(), data, size) == static_cast<ssize_t>(size);
  return is_written ? std::string() : path + ": " + std::generic_category().message(errno);
}

}  // namespace

std::string write_self_signed(const SelfSignedRequest& request, const std::string& certificate_file,
                              const std::string& key_file) {
  if (request.names.empty()) return "a certificate needs at least one name";
  if (request.validity < std::chrono::days(1) || request.validity > validity_max) {
    return "a certificate may be valid for 1 to 3650 days";
  }
  const PrivateKeyPointer key(EVP_EC_gen("P-256"));
  if (key == nullptr) return "making a key: " + tls_error_text();
  const X509Pointer certificate = make_certificate(request, *key);
  if (certificate == nullptr) return "making a certificate: " + tls_error_text();
  // The key's text is wiped when it goes.
  const BioPointer key_text(BIO_new(BIO_s_secmem()));
  const BioPointer certificate_text(BIO_new(BIO_s_mem()));
  if (key_text == nullptr || certificate_text == nullptr ||
      PEM_write_bio_PKCS8PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1 ||
      PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1) {
    return "writing PEM: " + tls_error_text();
  }
  std::string error = write_file(key_file, S_IRUSR | S_IWUSR, *key_text);
  if (error.empty()) error = write_file(certificate_file, 0644, *certificate_text);
  return error;
}

}  // namespace sluice::net
