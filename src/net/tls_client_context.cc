// The client's side: TLS towards targets.
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/tls_certificate.h"
#include "net/tls_file.h"
#include "net/tls_fingerprint.h"
#include "net/tls_names.h"
#include "net/tls_openssl.h"
#include "net/tls_session_cache.h"
#include "net/tls_settings.h"
#include "sluice/base/cidr.h"

namespace sluice::net {
namespace {

constexpr std::string_view http1_protocols{"\x08http/1.1"};

// Each name with its length in front (RFC 7301 3.1). Empty when one of them cannot be offered.
std::string wire_format(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    if (protocol.empty() || protocol.size() > 255) return {};
    wire.append(1, static_cast<char>(protocol.size())).append(protocol);
  }
  return wire;
}

// Here 0 is success.
bool offer(SSL& session, const std::string& wire) {
  return !wire.empty() &&
         SSL_set_alpn_protos(&session, reinterpret_cast<const unsigned char*>(wire.data()),
                             static_cast<unsigned int>(wire.size())) == 0;
}

class Loader {
 public:
  Loader(const config::ClientTls& settings, Fingerprint& fingerprint, config::Problems& problems)
      : settings_(settings), fingerprint_(fingerprint), problems_(problems) {}

  // All checks are made whatever the first one says: all problems are reported at once.
  [[nodiscard]] bool load(SSL_CTX& context) {
    fingerprint_.add("client");
    fingerprint_.add(settings_.verify ? "verify" : "trust");
    fingerprint_.add(settings_.server_name);
    fingerprint_.add(settings_.ca);
    fingerprint_.add(settings_.session_reuse ? "reuse" : "no reuse");
    fingerprint_.add(settings_.min_version == config::TlsVersion::tls1_3 ? "1.3" : "1.2");
    fingerprint_.add(settings_.ciphers);
    const bool is_name_good = check_server_name();
    const bool has_trust = !settings_.verify || load_trust(context);
    const bool has_certificate = !settings_.certificate || load_own_certificate(context);
    const bool has_ciphers =
        use_cipher_list(context, settings_.ciphers,
                        position_or(settings_.ciphers_position, settings_.position), problems_);
    return is_name_good && has_trust && has_certificate && has_ciphers;
  }

 private:
  bool check_server_name() {
    const std::string& name = settings_.server_name;
    if (name.empty() || is_host_name(name) || base::IpAddress::parse(name)) return true;
    return error("server_name", settings_.server_name_position,
                 "'" + name + "' is neither a host name nor an IP address");
  }

  bool load_trust(SSL_CTX& context) {
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
    if (!settings_.ca.empty()) return load_bundle(context);
    // The directory is read certificate by certificate when a target presents one, the file at
    // once. SSL_CERT_FILE and SSL_CERT_DIR in the environment name others.
    if (SSL_CTX_set_default_verify_paths(&context) == 1) return true;
    return error("ca", settings_.position,
                 "the system's certificate authorities cannot be loaded: " + tls_error_text());
  }

  bool load_bundle(SSL_CTX& context) {
    TlsFile file;
    file.read(settings_.ca);
    fingerprint_.add(file.bytes);
    if (!file.error.empty())
      return error("ca", settings_.ca_position,
                   "cannot read '" + settings_.ca + "': " + file.error);
    const BioPointer pem = file.open();
    const X509StackPointer authorities = pem ? read_certificates(*pem) : nullptr;
    if (!authorities)
      return error("ca", settings_.ca_position,
                   "a certificate in '" + settings_.ca + "' is damaged: " + tls_error_text());
    if (sk_X509_num(authorities.get()) == 0) {
      return error("ca", settings_.ca_position,
                   "'" + settings_.ca + "' is not PEM or holds no certificate");
    }
    X509_STORE* const store = SSL_CTX_get_cert_store(&context);
    for (int i = 0; i < sk_X509_num(authorities.get()); ++i) {
      if (X509_STORE_add_cert(store, sk_X509_value(authorities.get(), i)) != 1) {
        return error("ca", settings_.ca_position,
                     "'" + settings_.ca + "' cannot be used: " + tls_error_text());
      }
    }
    // What the operator lists is trusted, be it an intermediate or a target's own certificate.
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(&context), X509_V_FLAG_PARTIAL_CHAIN);
    return true;
  }

  bool load_own_certificate(SSL_CTX& context) {
    const config::CertificateFiles& files = *settings_.certificate;
    const std::optional<Certificate> certificate =
        load_certificate(files, fingerprint_, problems_, CertificateUse::towards_targets);
    if (!certificate) return false;
    if (use_certificate(context, *certificate)) return true;
    problems_.error(
        position_or(files.certificate_position, files.position), "tls.client_cert",
        "the certificate '" + files.certificate + "' cannot be used: " + tls_error_text());
    return false;
  }

  bool error(std::string_view key, const config::Position& position, std::string what) {
    problems_.error(position_or(position, settings_.position), "tls." + std::string(key),
                    std::move(what));
    return false;
  }

  const config::ClientTls& settings_;
  Fingerprint& fingerprint_;
  config::Problems& problems_;
};

// Ciphers, unless given, and groups stay OpenSSL's defaults: what a target of 2012 speaks is still
// better than plain text.
bool use_client_settings(SSL_CTX& context, const config::ClientTls& settings) {
  return use_common_settings(context, settings.min_version, config::TlsVersion::tls1_3) &&
         // Here 0 is success.
         SSL_CTX_set_alpn_protos(&context,
                                 reinterpret_cast<const unsigned char*>(http1_protocols.data()),
                                 static_cast<unsigned int>(http1_protocols.size())) == 0;
}

// A host that is neither name nor address (the path of a Unix socket) matches no certificate. It
// must not reach SSL_set1_host, for which an empty name means "any".
constexpr const char* unmatchable_name = "nothing-to-verify.invalid";

bool expect_name(SSL& session, const std::string& name) {
  if (const std::optional<base::IpAddress> address = base::IpAddress::parse(name)) {
    return X509_VERIFY_PARAM_set1_ip(SSL_get0_param(&session), address->bytes().data(),
                                     address->bytes().size()) == 1;
  }
  SSL_set_hostflags(&session, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set1_host(&session, is_host_name(name) ? name.c_str() : unmatchable_name) == 1;
}

}  // namespace

struct ClientTlsContext::Impl {
  SslContextPointer context;
  std::string server_name;
  bool verify = true;
};

ClientTlsContext::ClientTlsContext() : impl_(std::make_unique<Impl>()) {}
ClientTlsContext::~ClientTlsContext() = default;

std::shared_ptr<const ClientTlsContext> ClientTlsContext::load(const config::ClientTls& settings,
                                                               config::Problems& problems) {
  ERR_clear_error();
  Fingerprint fingerprint;
  SslContextPointer context(SSL_CTX_new(TLS_client_method()));
  if (!context || !use_client_settings(*context, settings)) {
    problems.error(settings.position, "tls", "OpenSSL cannot make a context: " + tls_error_text());
    return nullptr;
  }
  if (!Loader(settings, fingerprint, problems).load(*context)) return nullptr;
  if (settings.session_reuse) use_session_reuse(*context);

  const std::shared_ptr<ClientTlsContext> loaded(new ClientTlsContext);
  loaded->fingerprint_ = fingerprint.finish();
  loaded->impl_->context = std::move(context);
  loaded->impl_->server_name = settings.server_name;
  loaded->impl_->verify = settings.verify;
  return loaded;
}

SslPointer ClientTlsContext::new_session(const std::string& host,
                                         const std::vector<std::string>& protocols) const {
  SslPointer session(SSL_new(impl_->context.get()));
  if (!session) return nullptr;
  if (!protocols.empty() && !offer(*session, wire_format(protocols))) return nullptr;
  SSL_set_connect_state(session.get());
  std::string name = impl_->server_name.empty() ? host : impl_->server_name;
  if (name.ends_with('.'))
    name.pop_back();  // "example.com." means the same, certificates say it without
  // An address is no server name (RFC 6066 3).
  if (is_host_name(name) && SSL_set_tlsext_host_name(session.get(), name.c_str()) != 1)
    return nullptr;
  if (impl_->verify && !expect_name(*session, name)) return nullptr;
  return session;
}

}  // namespace sluice::net
