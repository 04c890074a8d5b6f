#include "net/tls_certificate.h"

#include <algorithm>
#include <ctime>
#include <string_view>
#include <utility>

#include "net/tls_file.h"
#include "net/tls_names.h"
#include "net/tls_ocsp.h"
#include "net/tls_settings.h"
#include "sluice/base/text.h"

namespace sluice::net {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

// Reports what is wrong with one pair of files.
class Reporter {
 public:
  Reporter(const config::CertificateFiles& files, config::Problems& problems, CertificateUse use)
      : files_(files), problems_(problems), use_(use) {}

  // The file at fault is the certificate's, unless `about_key` was called.
  void error(std::string what) { problems_.error(position(), path(), std::move(what)); }
  void warning(std::string what) { problems_.warning(position(), path(), std::move(what)); }
  void about_key(bool is_key) { is_key_ = is_key; }
  // Who is shown the certificate.
  [[nodiscard]] std::string peers() const { return is_for_clients() ? "clients" : "targets"; }
  [[nodiscard]] std::string owner() const { return is_for_clients() ? "server" : "client"; }

 private:
  [[nodiscard]] bool is_for_clients() const { return use_ == CertificateUse::towards_clients; }
  [[nodiscard]] const char* path() const {
    if (is_key_) return is_for_clients() ? "tls.certificates.key" : "tls.client_key";
    return is_for_clients() ? "tls.certificates.cert" : "tls.client_cert";
  }
  [[nodiscard]] const config::Position& position() const {
    return position_or(is_key_ ? files_.key_position : files_.certificate_position,
                       files_.position);
  }
  const config::CertificateFiles& files_;
  config::Problems& problems_;
  CertificateUse use_;
  bool is_key_ = false;
};

std::string quoted(const std::string& path) { return "'" + path + "'"; }

// --- the two files ------------------------------------------------------------------------------

bool is_last_block(unsigned long error) {
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

// Called by OpenSSL for an encrypted block. The default would ask on the terminal, for ever if
// nobody sits there, so it refuses, and tells that it was asked.
int refuse_passphrase(char* /*buffer*/, int /*size*/, int /*is_writing*/, void* was_asked) {
  if (was_asked != nullptr) *static_cast<bool*>(was_asked) = true;
  return -1;
}

bool read_file(TlsFile& file, const std::string& path, std::string_view kind,
               Fingerprint& fingerprint, Reporter& report) {
  file.read(path);
  fingerprint.add(file.bytes);
  if (file.error.empty()) return true;
  report.error("cannot read the " + std::string(kind) + " file " + quoted(path) + ": " +
               file.error);
  return false;
}

bool load_chain(Certificate& certificate, Fingerprint& fingerprint, Reporter& report) {
  const std::string& path = certificate.files.certificate;
  TlsFile file;
  if (!read_file(file, path, "certificate", fingerprint, report)) return false;
  const BioPointer pem = file.open();
  X509StackPointer all = pem ? read_certificates(*pem) : nullptr;
  if (!all) {
    report.error("a certificate in " + quoted(path) + " is damaged: " + tls_error_text());
    return false;
  }
  certificate.leaf.reset(sk_X509_shift(all.get()));
  if (!certificate.leaf) {
    report.error(
        quoted(path) +
        " is not PEM or holds no certificate (a line '-----BEGIN CERTIFICATE-----' is needed)");
    return false;
  }
  certificate.chain = std::move(all);
  return true;
}

bool load_key(Certificate& certificate, Fingerprint& fingerprint, Reporter& report) {
  const std::string& path = certificate.files.key;
  TlsFile file;
  if (!read_file(file, path, "key", fingerprint, report)) return false;
  if (file.is_readable_by_all) {
    report.warning("every user of this machine may read the private key " + quoted(path) +
                   "; 'chmod o-r' helps");
  }
  const BioPointer pem = file.open();
  bool is_encrypted = false;
  if (pem) {
    certificate.key.reset(
        PEM_read_bio_PrivateKey(pem.get(), nullptr, refuse_passphrase, &is_encrypted));
  }
  if (certificate.key) {
    ERR_clear_error();  // what the decoders of other formats said on the way
    return true;
  }
  const std::string reason = tls_error_text();
  if (is_encrypted) {
    report.error(
        "the private key " + quoted(path) +
        " is encrypted and there is nobody to ask for its passphrase; 'openssl pkey' decrypts it");
  } else if (file.bytes.find("PRIVATE KEY-----") == std::string::npos) {
    report.error(
        quoted(path) +
        " is not PEM or holds no private key (a line '-----BEGIN PRIVATE KEY-----' is needed)");
  } else {
    report.error("the private key in " + quoted(path) + " is damaged: " + reason);
  }
  return false;
}

// --- what they hold -----------------------------------------------------------------------------

bool check_key(Certificate& certificate, Reporter& report) {
  certificate.key_type = EVP_PKEY_get_base_id(certificate.key.get());
  static constexpr int usable[] = {EVP_PKEY_RSA, EVP_PKEY_RSA_PSS, EVP_PKEY_EC, EVP_PKEY_ED25519,
                                   EVP_PKEY_ED448};
  if (std::ranges::find(usable, certificate.key_type) == std::end(usable)) {
    report.error("the private key " + quoted(certificate.files.key) +
                 " is of a kind TLS cannot use; RSA, ECDSA and EdDSA are allowed");
    return false;
  }
  if (X509_check_private_key(certificate.leaf.get(), certificate.key.get()) == 1) return true;
  ERR_clear_error();
  report.error("the private key " + quoted(certificate.files.key) +
               " does not match the certificate " + quoted(certificate.files.certificate) +
               " (whose first certificate must be the " + report.owner() + "'s own)");
  return false;
}

std::string time_text(const TimePoint& time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  char text[32];
  gmtime_r(&seconds, &parts);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts)};
}

std::optional<TimePoint> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

void warn_about_time(const X509& certificate, const std::string& subject, Reporter& report) {
  const std::optional<TimePoint> begin = time_of(X509_get0_notBefore(&certificate));
  const std::optional<TimePoint> end = time_of(X509_get0_notAfter(&certificate));
  const TimePoint now = std::chrono::system_clock::now();
  if (!begin || !end) {
    report.warning(subject + " has dates that cannot be read; " + report.peers() +
                   " will refuse it");
  } else if (*end < now) {
    report.warning(subject + " has expired on " + time_text(*end) + "; " + report.peers() +
                   " will refuse it");
  } else if (*begin > now) {
    report.warning(subject + " is not valid before " + time_text(*begin) + "; " + report.peers() +
                   " will refuse it");
  }
}

// An intermediate that has expired or stands in the wrong place fails for some clients only, which
// is the hardest kind of failure to find later (RFC 8446 4.4.2: each certifies the one before it).
void warn_about_chain(const Certificate& certificate, Reporter& report) {
  const std::string& path = certificate.files.certificate;
  warn_about_time(*certificate.leaf, "the certificate " + quoted(path), report);
  X509* previous = certificate.leaf.get();
  for (int i = 0; i < sk_X509_num(certificate.chain.get()); ++i) {
    X509* issuer = sk_X509_value(certificate.chain.get(), i);
    const std::string subject = "certificate " + std::to_string(i + 2) + " in " + quoted(path);
    warn_about_time(*issuer, subject, report);
    if (X509_check_issued(issuer, previous) != X509_V_OK) {
      report.warning(subject + " did not issue the one before it; some " + report.peers() +
                     " will refuse the chain");
    }
    previous = issuer;
  }
}

// --- names --------------------------------------------------------------------------------------

std::string_view text_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

std::vector<std::string> alternative_names(X509& certificate) {
  std::vector<std::string> names;
  const GeneralNamesPointer all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_DNS) names.emplace_back(text_of(name->d.dNSName));
  }
  return names;
}

std::vector<std::string> common_names(const X509& certificate) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (index < 0) return {};
  return {std::string(text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index))))};
}

// A name with a NUL or another stray byte inside is not one that a client may be shown this
// certificate for: comparing up to the NUL once let certificates speak for other people's hosts.
void find_names(Certificate& certificate, Reporter& report) {
  const std::vector<std::string> alternatives = alternative_names(*certificate.leaf);
  const bool has_alternatives = !alternatives.empty();
  for (const std::string& name :
       has_alternatives ? alternatives : common_names(*certificate.leaf)) {
    if (is_certificate_name(name)) {
      certificate.names.push_back(base::to_lower(name));
    } else if (has_alternatives) {  // a common name may be anything
      report.warning("the certificate " + quoted(certificate.files.certificate) +
                     " has a name that is not a host name; it is left out");
    }
  }
  ERR_clear_error();
}

}  // namespace

std::optional<Certificate> load_certificate(const config::CertificateFiles& files,
                                            Fingerprint& fingerprint, config::Problems& problems,
                                            CertificateUse use) {
  Certificate certificate;
  certificate.files = files;
  Reporter report(files, problems, use);
  const bool has_chain = load_chain(certificate, fingerprint, report);
  report.about_key(true);
  const bool has_key = load_key(certificate, fingerprint, report);  // both, to report both at once
  report.about_key(false);
  if (has_chain) {
    if (use == CertificateUse::towards_clients) find_names(certificate, report);
    warn_about_chain(certificate, report);
    certificate.not_after =
        time_of(X509_get0_notAfter(certificate.leaf.get())).value_or(TimePoint{});
  }
  const bool has_ocsp = !has_chain || files.ocsp.empty() || load_ocsp(certificate, problems);
  report.about_key(true);
  if (!has_chain || !has_key || !check_key(certificate, report) || !has_ocsp) return std::nullopt;
  return certificate;
}

X509StackPointer read_certificates(BIO& pem) {
  X509StackPointer all(sk_X509_new_null());
  if (!all) return nullptr;
  while (X509* certificate = PEM_read_bio_X509_AUX(&pem, nullptr, refuse_passphrase, nullptr)) {
    if (sk_X509_push(all.get(), certificate) == 0) {
      X509_free(certificate);
      return nullptr;
    }
  }
  if (!is_last_block(ERR_peek_last_error())) return nullptr;
  ERR_clear_error();
  return all;
}

bool use_certificate(SSL& session, const Certificate& certificate) {
  return SSL_use_cert_and_key(&session, certificate.leaf.get(), certificate.key.get(),
                              certificate.chain.get(), 1) == 1;
}

bool use_certificate(SSL_CTX& context, const Certificate& certificate) {
  return SSL_CTX_use_cert_and_key(&context, certificate.leaf.get(), certificate.key.get(),
                                  certificate.chain.get(), 1) == 1;
}

}  // namespace sluice::net
