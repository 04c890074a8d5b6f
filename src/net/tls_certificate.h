// One certificate with its chain and private key, read from PEM files and checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "net/tls_fingerprint.h"
#include "net/tls_openssl.h"
#include "sluice/config/model.h"

namespace sluice::net {

struct Certificate {
  X509Pointer leaf;
  X509StackPointer chain;  // what is sent after the leaf; may be empty
  PrivateKeyPointer key;
  int key_type = 0;  // EVP_PKEY_RSA, EVP_PKEY_EC, ...
  config::CertificateFiles files;
  std::vector<std::string> names;  // lower case; `*.` in front of a wildcard's
  std::chrono::system_clock::time_point not_after;
  std::string ocsp;  // DER, to be stapled; empty: none
  std::optional<std::chrono::system_clock::time_point> ocsp_until;  // no longer stapled then
};

// `fingerprint` takes in what the files hold, not how they are called: instances with equal files
// resume each other's sessions. The OCSP file is no part of it, for its answers come and go.
//
// Nothing, with each thing that is wrong in `problems`, when one of the files cannot serve. A
// certificate outside its time, a chain out of order or a key that everybody may read are warnings.
enum class CertificateUse : std::uint8_t { towards_clients, towards_targets };
[[nodiscard]] std::optional<Certificate> load_certificate(
    const config::CertificateFiles& files, Fingerprint& fingerprint, config::Problems& problems,
    CertificateUse use = CertificateUse::towards_clients);

// All certificates of a PEM text, in order; an empty stack when there is none. Null, with the
// reason in OpenSSL's error queue, when one of them is damaged.
[[nodiscard]] X509StackPointer read_certificates(BIO& pem);

// Gives the certificate to a session or a context. False, with the reason in OpenSSL's error queue,
// when its key or signature is too weak for the security level in force.
[[nodiscard]] bool use_certificate(SSL& session, const Certificate& certificate);
[[nodiscard]] bool use_certificate(SSL_CTX& context, const Certificate& certificate);

}  // namespace sluice::net
