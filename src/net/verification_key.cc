#include "sluice/net/verification_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>
#include <utility>

#include "net/tls_openssl.h"

namespace sluice::net {
namespace {

using NumberPointer = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;
using BuilderPointer = std::unique_ptr<OSSL_PARAM_BLD, OpensslDeleter<OSSL_PARAM_BLD_free>>;
using ParametersPointer = std::unique_ptr<OSSL_PARAM, OpensslDeleter<OSSL_PARAM_free>>;
using KeyContextPointer = std::unique_ptr<EVP_PKEY_CTX, OpensslDeleter<EVP_PKEY_CTX_free>>;
using EcSignaturePointer = std::unique_ptr<ECDSA_SIG, OpensslDeleter<ECDSA_SIG_free>>;

struct Name {
  SignatureAlgorithm algorithm;
  std::string_view text;
};
constexpr std::array names{
    Name{SignatureAlgorithm::rs256, "RS256"}, Name{SignatureAlgorithm::rs384, "RS384"},
    Name{SignatureAlgorithm::rs512, "RS512"}, Name{SignatureAlgorithm::ps256, "PS256"},
    Name{SignatureAlgorithm::ps384, "PS384"}, Name{SignatureAlgorithm::ps512, "PS512"},
    Name{SignatureAlgorithm::es256, "ES256"}, Name{SignatureAlgorithm::es384, "ES384"},
    Name{SignatureAlgorithm::es512, "ES512"}, Name{SignatureAlgorithm::eddsa, "EdDSA"},
};

struct CurveFacts {
  const char* name;
  std::size_t octets;  // of a coordinate, and of each half of a signature
};
CurveFacts facts_of(Curve curve) {
  switch (curve) {
    case Curve::p256: return {"P-256", 32};
    case Curve::p384: return {"P-384", 48};
    case Curve::p521: return {"P-521", 66};
  }
  return {"P-256", 32};
}

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

NumberPointer number(std::string_view text) {
  return NumberPointer(BN_bin2bn(octets(text), static_cast<int>(text.size()), nullptr));
}

// What one call left in OpenSSL's queue must not be read as the error of a later one.
struct ErrorQueue {
  ~ErrorQueue() { ERR_clear_error(); }
};

std::shared_ptr<EVP_PKEY> make_key(const char* type, OSSL_PARAM_BLD& builder) {
  const ParametersPointer parameters(OSSL_PARAM_BLD_to_param(&builder));
  const KeyContextPointer context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* made = nullptr;
  if (parameters == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return {made, EVP_PKEY_free};
}

bool is_sound(EVP_PKEY& key) {
  const KeyContextPointer context(EVP_PKEY_CTX_new_from_pkey(nullptr, &key, nullptr));
  return context != nullptr && EVP_PKEY_public_check(context.get()) == 1;
}

const EVP_MD* digest_of(SignatureAlgorithm algorithm) {
  switch (algorithm) {
    case SignatureAlgorithm::rs256:
    case SignatureAlgorithm::ps256:
    case SignatureAlgorithm::es256: return EVP_sha256();
    case SignatureAlgorithm::rs384:
    case SignatureAlgorithm::ps384:
    case SignatureAlgorithm::es384: return EVP_sha384();
    case SignatureAlgorithm::rs512:
    case SignatureAlgorithm::ps512:
    case SignatureAlgorithm::es512: return EVP_sha512();
    case SignatureAlgorithm::eddsa: return nullptr;  // it has its own
  }
  return nullptr;
}

bool is_pss(SignatureAlgorithm algorithm) {
  return algorithm == SignatureAlgorithm::ps256 || algorithm == SignatureAlgorithm::ps384 ||
         algorithm == SignatureAlgorithm::ps512;
}

bool use_padding(EVP_PKEY_CTX& context, SignatureAlgorithm algorithm) {
  if (!is_pss(algorithm)) return EVP_PKEY_CTX_set_rsa_padding(&context, RSA_PKCS1_PADDING) == 1;
  // The salt is as long as the digest, MGF1 has the same one (RFC 7518 3.5).
  return EVP_PKEY_CTX_set_rsa_padding(&context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(&context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

// JOSE has the two numbers one after the other, each of full length (RFC 7518 3.4); OpenSSL wants
// DER. Empty when they are no signature.
std::string to_der(std::string_view signature, std::size_t half) {
  if (signature.size() != 2 * half) return {};
  const EcSignaturePointer pair(ECDSA_SIG_new());
  NumberPointer r = number(signature.substr(0, half));
  NumberPointer s = number(signature.substr(half));
  if (pair == nullptr || r == nullptr || s == nullptr) return {};
  if (ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();
  (void)s.release();
  unsigned char* encoded = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &encoded);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size));
  OPENSSL_free(encoded);
  return der;
}

}  // namespace

std::optional<SignatureAlgorithm> signature_algorithm(std::string_view name) {
  for (const Name& one : names) {
    if (one.text == name) return one.algorithm;
  }
  return std::nullopt;
}

std::string_view text(SignatureAlgorithm algorithm) {
  for (const Name& one : names) {
    if (one.algorithm == algorithm) return one.text;
  }
  return "-";
}

std::optional<VerificationKey> VerificationKey::rsa(std::string_view modulus,
                                                    std::string_view exponent, std::string& error) {
  const ErrorQueue queue;
  constexpr std::size_t octets_most = rsa_bits_most / 8 + 1;  // a zero octet in front is forgiven
  if (modulus.size() > octets_most || exponent.empty() || exponent.size() > octets_most) {
    error = "no RSA key of at most " + std::to_string(rsa_bits_most) + " bits";
    return std::nullopt;
  }
  const NumberPointer n = number(modulus);
  const NumberPointer e = number(exponent);
  const BuilderPointer builder(OSSL_PARAM_BLD_new());
  if (n == nullptr || e == nullptr || builder == nullptr) {
    error = "no memory";
    return std::nullopt;
  }
  const int bits = BN_num_bits(n.get());
  if (bits < rsa_bits_least || bits > rsa_bits_most) {
    error = "RSA of " + std::to_string(bits) + " bits; allowed are " +
            std::to_string(rsa_bits_least) + " to " + std::to_string(rsa_bits_most);
    return std::nullopt;
  }
  // With a large exponent a verification would take as long as a signature.
  if (!BN_is_odd(n.get()) || !BN_is_odd(e.get()) || BN_is_one(e.get()) ||
      BN_num_bits(e.get()) > 32) {
    error = "RSA with a modulus or exponent that nobody uses";
    return std::nullopt;
  }
  if (OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    error = "no memory";
    return std::nullopt;
  }
  auto key = make_key("RSA", *builder);
  if (key == nullptr) {
    error = "no RSA key";
    return std::nullopt;
  }
  return VerificationKey(Type::rsa, std::move(key));
}

std::optional<VerificationKey> VerificationKey::elliptic(Curve curve, std::string_view x,
                                                         std::string_view y, std::string& error) {
  const ErrorQueue queue;
  const CurveFacts facts = facts_of(curve);
  // RFC 7518 6.2.1.2: always of full length.
  if (x.size() != facts.octets || y.size() != facts.octets) {
    error = "coordinates of a wrong length for " + std::string(facts.name);
    return std::nullopt;
  }
  std::string point("\x04", 1);  // uncompressed
  point.append(x).append(y);
  const BuilderPointer builder(OSSL_PARAM_BLD_new());
  if (builder == nullptr ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, facts.name, 0) !=
          1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    error = "no memory";
    return std::nullopt;
  }
  auto key = make_key("EC", *builder);
  if (key == nullptr || !is_sound(*key)) {
    error = "no point of the curve " + std::string(facts.name);
    return std::nullopt;
  }
  constexpr std::array types{Type::p256, Type::p384, Type::p521};
  return VerificationKey(types[static_cast<std::size_t>(curve)], std::move(key));
}

std::optional<VerificationKey> VerificationKey::ed25519(std::string_view public_octets,
                                                        std::string& error) {
  const ErrorQueue queue;
  EVP_PKEY* made = nullptr;
  if (public_octets.size() == 32) {
    made = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, octets(public_octets),
                                       public_octets.size());
  }
  if (made == nullptr) {
    error = "no key of Ed25519";
    return std::nullopt;
  }
  return VerificationKey(Type::ed25519, {made, EVP_PKEY_free});
}

bool VerificationKey::suits(SignatureAlgorithm algorithm) const {
  switch (type_) {
    case Type::rsa: return algorithm <= SignatureAlgorithm::ps512;
    case Type::p256: return algorithm == SignatureAlgorithm::es256;
    case Type::p384: return algorithm == SignatureAlgorithm::es384;
    case Type::p521: return algorithm == SignatureAlgorithm::es512;
    case Type::ed25519: return algorithm == SignatureAlgorithm::eddsa;
  }
  return false;
}

bool VerificationKey::verify(SignatureAlgorithm algorithm, std::string_view message,
                             std::string_view signature) const {
  if (!suits(algorithm)) return false;
  const ErrorQueue queue;
  std::string der;
  if (type_ == Type::p256 || type_ == Type::p384 || type_ == Type::p521) {
    const Curve curve = type_ == Type::p256   ? Curve::p256
                        : type_ == Type::p384 ? Curve::p384
                                              : Curve::p521;
    der = to_der(signature, facts_of(curve).octets);
    if (der.empty()) return false;
    signature = der;
  }
  const DigestContextPointer context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* of_key = nullptr;  // the context's
  if (context == nullptr || EVP_DigestVerifyInit(context.get(), &of_key, digest_of(algorithm),
                                                 nullptr, key_.get()) != 1) {
    return false;
  }
  if (type_ == Type::rsa && !use_padding(*of_key, algorithm)) return false;
  return EVP_DigestVerify(context.get(), octets(signature), signature.size(), octets(message),
                          message.size()) == 1;
}

}  // namespace sluice::net
