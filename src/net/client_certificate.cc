#include "net/client_certificate.h"

#include <algorithm>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/tls_client_verification.h"

namespace sluice::net {
namespace {

using BigNumberPointer = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = bio != nullptr ? BIO_get_mem_data(bio, &data) : 0;
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

// These texts become header fields: RFC 2253's escapes leave nothing else, and if they ever did, it
// would not get out (T2).
std::string printable(std::string text) {
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  return text;
}

std::string name_text(const X509_NAME* name) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  return printable(text_of(bio.get()));
}

std::string serial_text(const X509& certificate) {
  const BigNumberPointer number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr));
  char* const digits = number ? BN_bn2hex(number.get()) : nullptr;
  if (digits == nullptr) return {};
  std::string text = digits;
  OPENSSL_free(digits);
  return text;
}

// No byte of it may be one that a text comparison could be led astray by: a NUL or a control byte
// inside a name is an attack, and such a name is left out.
bool is_printable(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c > ' ' && c <= '~'; });
}

std::vector<std::string> dns_names_of(const X509& certificate) {
  std::vector<std::string> found;
  const GeneralNamesPointer names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto* const bytes = ASN1_STRING_get0_data(name->d.dNSName);
    const auto size = static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName));
    std::string text(reinterpret_cast<const char*>(bytes), size);
    if (is_printable(text)) found.push_back(std::move(text));
    if (found.size() == ClientCertificate::dns_names_max) break;
  }
  return found;
}

std::chrono::system_clock::time_point time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::system_clock::from_time_t(timegm(&parts));
}

std::string pem_of(X509* certificate) {
  const BioPointer bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  return text_of(bio.get());
}

}  // namespace

std::unique_ptr<const ClientCertificate> read_client_certificate(SSL& session) {
  X509* const leaf = SSL_get0_peer_certificate(&session);
  if (leaf == nullptr) return nullptr;
  auto facts = std::make_unique<ClientCertificate>();
  facts->subject = name_text(X509_get_subject_name(leaf));
  facts->issuer = name_text(X509_get_issuer_name(leaf));
  facts->serial = serial_text(*leaf);
  facts->dns_names = dns_names_of(*leaf);
  facts->not_before = time_of(X509_get0_notBefore(leaf));
  facts->not_after = time_of(X509_get0_notAfter(leaf));
  facts->leaf_pem = pem_of(leaf);
  facts->chain_pem = facts->leaf_pem;
  STACK_OF(X509)* const chain = SSL_get_peer_cert_chain(&session);  // a server's: without the leaf
  for (int i = 0; i < sk_X509_num(chain); ++i) facts->chain_pem += pem_of(sk_X509_value(chain, i));
  facts->is_verified = verifies_clients(session);
  ERR_clear_error();
  return facts;
}

}  // namespace sluice::net
