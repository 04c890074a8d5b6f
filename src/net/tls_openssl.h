// What our TLS files need of OpenSSL, and owners for its objects: freed once, on every path.
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>

#include "sluice/net/tls_context.h"

namespace sluice::net {

template <auto free_function>
struct OpensslDeleter {
  template <class Object>
  void operator()(Object* object) const {
    free_function(object);
  }
};

inline void free_certificate_stack(STACK_OF(X509) * stack) { sk_X509_pop_free(stack, X509_free); }

using SslContextPointer = std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>>;
using BioPointer = std::unique_ptr<BIO, OpensslDeleter<BIO_free_all>>;
using X509Pointer = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using X509StackPointer = std::unique_ptr<STACK_OF(X509), OpensslDeleter<free_certificate_stack>>;
using PrivateKeyPointer = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using DigestContextPointer = std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>>;
using OcspResponsePointer = std::unique_ptr<OCSP_RESPONSE, OpensslDeleter<OCSP_RESPONSE_free>>;
using OcspBasicPointer = std::unique_ptr<OCSP_BASICRESP, OpensslDeleter<OCSP_BASICRESP_free>>;
using X509StorePointer = std::unique_ptr<X509_STORE, OpensslDeleter<X509_STORE_free>>;
using GeneralNamesPointer = std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>>;

}  // namespace sluice::net
