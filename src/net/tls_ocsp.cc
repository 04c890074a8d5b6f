#include "net/tls_ocsp.h"

#include <array>
#include <ctime>
#include <utility>

#include "net/tls_file.h"
#include "net/tls_settings.h"

namespace sluice::net {
namespace {

using TimePoint = std::chrono::system_clock::time_point;

// The clocks of an authority and of this machine may differ.
constexpr std::chrono::minutes clock_difference{5};

std::optional<TimePoint> time_of(const ASN1_GENERALIZEDTIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

bool is_equal(const ASN1_OCTET_STRING* stored, const unsigned char* digest, unsigned int size) {
  return std::cmp_equal(ASN1_STRING_length(stored), size) &&
         std::equal(digest, digest + size, ASN1_STRING_get0_data(stored));
}

// The issuer's certificate, when the chain has it.
X509* issuer_of(const Certificate& certificate) {
  X509* const next = sk_X509_num(certificate.chain.get()) > 0
                         ? sk_X509_value(certificate.chain.get(), 0)
                         : nullptr;
  const bool is_issuer =
      next != nullptr && X509_check_issued(next, certificate.leaf.get()) == X509_V_OK;
  return is_issuer ? next : nullptr;
}

// RFC 6960 4.1.1: the serial number, and digests of the issuer's name and key. The key is compared
// when the chain holds it.
bool is_about(OCSP_SINGLERESP* single, const Certificate& certificate) {
  ASN1_OCTET_STRING* name = nullptr;
  ASN1_OCTET_STRING* key = nullptr;
  ASN1_INTEGER* serial = nullptr;
  ASN1_OBJECT* algorithm = nullptr;
  auto* const id = const_cast<OCSP_CERTID*>(OCSP_SINGLERESP_get0_id(single));
  if (OCSP_id_get0_info(&name, &algorithm, &key, &serial, id) != 1) return false;
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate.leaf.get())) != 0) return false;
  const EVP_MD* const digest = EVP_get_digestbyobj(algorithm);
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned int size = 0;
  if (digest == nullptr ||
      X509_NAME_digest(X509_get_issuer_name(certificate.leaf.get()), digest, bytes.data(), &size) !=
          1 ||
      !is_equal(name, bytes.data(), size)) {
    return false;
  }
  const X509* const issuer = issuer_of(certificate);
  if (issuer == nullptr) return true;
  return X509_pubkey_digest(issuer, digest, bytes.data(), &size) == 1 &&
         is_equal(key, bytes.data(), size);
}

OCSP_SINGLERESP* find_answer(OCSP_BASICRESP& answers, const Certificate& certificate) {
  for (int i = 0; i < OCSP_resp_count(&answers); ++i) {
    OCSP_SINGLERESP* const single = OCSP_resp_get0(&answers, i);
    if (is_about(single, certificate)) return single;
  }
  return nullptr;
}

// By the issuer or by whom it appointed; unknown, and left to the clients, without its certificate.
bool is_signed(OCSP_BASICRESP& answers, const Certificate& certificate) {
  X509* const issuer = issuer_of(certificate);
  if (issuer == nullptr) return true;
  const X509StorePointer store(X509_STORE_new());
  if (!store || X509_STORE_add_cert(store.get(), issuer) != 1 ||
      X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN) != 1) {
    return false;
  }
  return OCSP_basic_verify(&answers, certificate.chain.get(), store.get(), 0) == 1;
}

}  // namespace

bool load_ocsp(Certificate& certificate, config::Problems& problems) {
  const std::string subject = "the OCSP answer '" + certificate.files.ocsp + "'";
  const config::Position& position =
      position_or(certificate.files.ocsp_position, certificate.files.position);
  const auto error = [&](const std::string& what) {
    ERR_clear_error();
    problems.error(position, "tls.certificates.ocsp", subject + " " + what);
    return false;
  };
  const auto leave_out = [&](const std::string& what) {
    ERR_clear_error();
    problems.warning(position, "tls.certificates.ocsp",
                     subject + " " + what + "; it is not sent to clients");
    return true;
  };

  TlsFile file;
  file.read(certificate.files.ocsp);
  if (!file.error.empty()) return error("cannot be read: " + file.error);
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.bytes.data());
  const unsigned char* const end = bytes + file.bytes.size();
  const OcspResponsePointer response(
      d2i_OCSP_RESPONSE(nullptr, &bytes, static_cast<long>(file.bytes.size())));
  if (!response || bytes != end) return error("is not an OCSP response in DER");
  const int status = OCSP_response_status(response.get());
  if (status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return error(std::string("is not successful: ") + OCSP_response_status_str(status));
  }
  const OcspBasicPointer answers(OCSP_response_get1_basic(response.get()));
  if (!answers) return error("is of a kind that is not known");
  OCSP_SINGLERESP* const single = find_answer(*answers, certificate);
  if (single == nullptr) {
    return error("is not about the certificate '" + certificate.files.certificate + "'");
  }
  if (!is_signed(*answers, certificate)) {
    return error("is not signed by the issuer of the certificate: " + tls_error_text());
  }

  ASN1_GENERALIZEDTIME* begin = nullptr;
  ASN1_GENERALIZEDTIME* until = nullptr;
  const int verdict = OCSP_single_get0_status(single, nullptr, nullptr, &begin, &until);
  const TimePoint now = std::chrono::system_clock::now();
  if (verdict == V_OCSP_CERTSTATUS_REVOKED) {
    return leave_out("says that the certificate '" + certificate.files.certificate +
                     "' is revoked");
  }
  if (verdict != V_OCSP_CERTSTATUS_GOOD) return leave_out("does not know the certificate");
  const std::optional<TimePoint> from = time_of(begin);
  certificate.ocsp_until = time_of(until);
  if (!from || *from > now + clock_difference) return leave_out("is not valid yet");
  if (certificate.ocsp_until && *certificate.ocsp_until < now) return leave_out("has expired");
  certificate.ocsp = file.bytes;
  ERR_clear_error();
  return true;
}

}  // namespace sluice::net
