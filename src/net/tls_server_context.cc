// The server's side: every session starts from one SSL_CTX with the default certificate, and is
// given others when the ClientHello asks for another name. One SSL_CTX for each certificate would
// cost 13 KiB and 125 us each; handing a certificate to a session costs 0.5 us (ECDSA) to 1.5 us
// (RSA).
#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "net/tls_authority.h"
#include "net/tls_certificate_table.h"
#include "net/tls_client_verification.h"
#include "net/tls_openssl.h"
#include "net/tls_settings.h"
#include "net/tls_ticket_keys.h"
#include "sluice/base/text.h"

namespace sluice::net {
namespace {

// RFC 7301 3.1: each name with its length in front, the one we like best first. HTTP/1.0 is what
// `curl --http1.0` offers, alone.
constexpr std::string_view http1_protocols{"\x08http/1.1\x08http/1.0"};
constexpr std::string_view all_protocols{"\x02h2\x08http/1.1\x08http/1.0"};

// What the callbacks of a handshake need. Belongs to the SSL_CTX, not to the ServerTlsContext:
// sessions keep the former alive when the latter goes in a reload.
struct Policy {
  Policy(std::vector<Certificate> certificates, std::string scope, bool offer_http2)
      : table(std::move(certificates)),
        ticket_scope(std::move(scope)),
        protocols(offer_http2 ? all_protocols : http1_protocols) {
    for (const Certificate& certificate : table.certificates()) {
      if (!certificate.ocsp.empty()) stapled.emplace(certificate.leaf.get(), &certificate);
    }
  }

  CertificateTable table;
  std::string ticket_scope;
  std::string_view protocols;
  std::unique_ptr<TicketKeys> own_keys;  // from a file; null: those of the process
  std::unordered_map<const X509*, const Certificate*> stapled;  // with an OCSP answer
};

void free_policy(void* /*context*/, void* policy, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                 long /*unused*/, void* /*unused*/) {
  std::unique_ptr<Policy>(static_cast<Policy*>(policy)).reset();
}

int policy_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_policy);
  return index;
}

// --- callbacks, in the order in which a handshake comes to them
// ------------------------------------

// The host name of a server_name extension (RFC 6066 3): length of the list, type 0, length, name.
// Empty when absent or malformed; OpenSSL refuses the malformed ones right after this.
std::string_view server_name_in(SSL* session) {
  constexpr std::size_t prefix = 5;
  const unsigned char* data = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(session, TLSEXT_TYPE_server_name, &data, &size) != 1) return {};
  if (size <= prefix || data[2] != TLSEXT_NAMETYPE_host_name) return {};
  const std::size_t length = static_cast<std::size_t>(data[3]) << 8 | data[4];
  if (length != size - prefix || length > TLSEXT_MAXLEN_host_name) return {};
  return {reinterpret_cast<const char*>(data) + prefix, length};
}

// T20: a ticket opens only where it was made: under the same certificates and settings and for the
// same server name (RFC 6066 3 demands the latter of TLS 1.2). Else one host's ticket would skip
// the checks of another.
bool bind_tickets(SSL* session, std::string scope, std::string_view server_name) {
  scope.append(1, '\n').append(server_name);
  std::array<unsigned char, 32> digest{};
  static_assert(digest.size() <= SSL_MAX_SID_CTX_LENGTH);
  return EVP_Digest(scope.data(), scope.size(), digest.data(), nullptr, EVP_sha256(), nullptr) ==
             1 &&
         SSL_set_session_id_context(session, digest.data(), digest.size()) == 1;
}

bool use_choice(SSL* session, const CertificateTable& table, const CertificateChoice& choice) {
  SSL_certs_clear(session);
  return std::ranges::all_of(choice, [&](std::size_t index) {
    return use_certificate(*session, table.certificates()[index]);
  });
}

// First of all callbacks, before OpenSSL looks at tickets: those of TLS 1.3 are opened before it
// calls the server name callback, so that one would bind them too late.
int on_client_hello(SSL* session, int* alert, void* argument) {
  const Policy& policy = *static_cast<const Policy*>(argument);
  const std::string server_name = base::to_lower(server_name_in(session));
  const CertificateChoice& choice = policy.table.find(server_name);
  const bool has_certificate =
      choice == policy.table.default_choice() || use_choice(session, policy.table, choice);
  if (has_certificate && bind_tickets(session, policy.ticket_scope, server_name)) {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  *alert = SSL_AD_INTERNAL_ERROR;
  return SSL_CLIENT_HELLO_ERROR;
}

// Accepting the name, also one we have no certificate for, makes OpenSSL remember it in the ticket:
// without that SSL_get_servername knows nothing in a resumed TLS 1.2 session.
int on_server_name(SSL* /*session*/, int* /*alert*/, void* /*argument*/) {
  return SSL_TLSEXT_ERR_OK;
}

// RFC 9113 9.2.2: browsers end an HTTP/2 connection whose TLS 1.2 cipher has no forward secrecy or
// is not AEAD. Ours always have both; a list of the operator's may not, and HTTP/1.1 then serves.
bool is_good_for_http2(const SSL* session) {
  const SSL_CIPHER* const cipher = SSL_get_pending_cipher(session);
  if (SSL_version(session) >= TLS1_3_VERSION) return true;
  const int exchange = cipher != nullptr ? SSL_CIPHER_get_kx_nid(cipher) : NID_undef;
  return (exchange == NID_kx_ecdhe || exchange == NID_kx_dhe) && SSL_CIPHER_is_aead(cipher) == 1;
}

// RFC 7301 3.2: our order decides, and a client whose protocols we do not speak must be told so,
// not served another one (which is what cross-protocol attacks live on). A client without ALPN
// never gets here: it is served HTTP/1.1.
int on_protocols(SSL* session, const unsigned char** chosen, unsigned char* chosen_length,
                 const unsigned char* offered, unsigned int offered_length, void* argument) {
  std::string_view ours = static_cast<const Policy*>(argument)->protocols;
  if (!is_good_for_http2(session)) ours = http1_protocols;
  unsigned char* selected = nullptr;
  const int result = SSL_select_next_proto(
      &selected, chosen_length, reinterpret_cast<const unsigned char*>(ours.data()),
      static_cast<unsigned int>(ours.size()), offered, offered_length);
  if (result != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = selected;
  return SSL_TLSEXT_ERR_OK;
}

// RFC 6066 8: the answer about the certificate that was chosen, when the client asks for one. Its
// end may come while we run.
int on_status_request(SSL* session, void* argument) {
  const auto& stapled = static_cast<const Policy*>(argument)->stapled;
  const auto found = stapled.find(SSL_get_certificate(session));
  if (found == stapled.end()) return SSL_TLSEXT_ERR_NOACK;
  const Certificate& certificate = *found->second;
  if (certificate.ocsp_until && *certificate.ocsp_until < std::chrono::system_clock::now()) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  void* const copy = OPENSSL_memdup(certificate.ocsp.data(), certificate.ocsp.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(session, copy, static_cast<long>(certificate.ocsp.size()));
  return SSL_TLSEXT_ERR_OK;
}

// --- building -----------------------------------------------------------------------------------

constexpr const char* path = "tls.certificates";
constexpr const char* cert_path = "tls.certificates.cert";

const config::Position& position_of(const config::CertificateFiles& files) {
  return position_or(files.certificate_position, files.position);
}

// What decides how a session may be resumed goes in here, and so into the scope of tickets.
void fingerprint_settings(const config::ServerTls& settings, Fingerprint& fingerprint) {
  fingerprint.add("server");
  fingerprint.add(std::to_string(static_cast<int>(settings.min_version)));
  fingerprint.add(std::to_string(static_cast<int>(settings.max_version)));
  fingerprint.add(settings.ciphers);
  fingerprint.add(settings.ciphersuites);
  fingerprint.add(settings.groups);
  fingerprint.add(settings.offer_http2 ? "h2" : "http/1.1");
  fingerprint.add(std::to_string(static_cast<int>(settings.check_authority)));
}

// The rest of what a context is made from; none of it keeps a ticket from being resumed.
std::string fingerprint_all(const config::ServerTls& settings,
                            const std::vector<Certificate>& certificates,
                            Fingerprint& fingerprint) {
  for (const Certificate& certificate : certificates) {
    fingerprint.add(certificate.files.certificate);
    fingerprint.add(certificate.files.key);
    fingerprint.add(certificate.files.ocsp);
    fingerprint.add(certificate.ocsp);
  }
  fingerprint.add(settings.session_tickets ? "tickets" : "no tickets");
  return fingerprint.finish();
}

// Those that could be loaded; what is missing is in `problems`.
std::vector<Certificate> load_certificates(const config::ServerTls& settings,
                                           Fingerprint& fingerprint, config::Problems& problems) {
  std::vector<Certificate> certificates;
  if (settings.certificates.empty()) {
    problems.error({}, path, "a TLS listener needs at least one certificate");
  }
  for (const config::CertificateFiles& files : settings.certificates) {
    std::optional<Certificate> certificate = load_certificate(files, fingerprint, problems);
    if (certificate) certificates.push_back(std::move(*certificate));
  }
  return certificates;
}

// OpenSSL's security level for keys and signatures of certificates: RSA of 2048 bits and up.
constexpr int least_level = 2;

// What a handshake will do is tried once with each certificate now, so that it cannot fail then.
bool try_certificates(SSL_CTX& context, const std::vector<Certificate>& certificates,
                      config::Problems& problems) {
  bool all_usable = true;
  for (const Certificate& certificate : certificates) {
    const SslPointer session(SSL_new(&context));
    // Also where the level is lowered for old versions.
    if (session && SSL_get_security_level(session.get()) < least_level) {
      SSL_set_security_level(session.get(), least_level);
    }
    if (session && use_certificate(*session, certificate)) continue;
    problems.error(position_of(certificate.files), cert_path,
                   "the certificate '" + certificate.files.certificate +
                       "' cannot be used: " + tls_error_text());
    all_usable = false;
  }
  return all_usable;
}

void warn_about_unused(const CertificateTable& table, config::Problems& problems) {
  const auto files_of = [&](std::size_t index) -> const config::CertificateFiles& {
    return table.certificates()[index].files;
  };
  for (const CertificateTable::Double& found : table.doubles()) {
    const config::CertificateFiles& files = files_of(found.index);
    problems.warning(position_of(files), cert_path,
                     "the certificate '" + files.certificate +
                         (table.is_never_chosen(found.index) ? "' is never used: '"
                                                             : "' is not used for every name: '") +
                         files_of(found.winner).certificate +
                         "' before it has the same kind of key and serves '" + found.name + "'");
  }
  for (std::size_t index = 0; index < table.certificates().size(); ++index) {
    const bool is_told = std::ranges::any_of(
        table.doubles(), [index](const auto& found) { return found.index == index; });
    if (is_told || !table.is_never_chosen(index)) continue;
    const config::CertificateFiles& files = files_of(index);
    problems.warning(position_of(files), cert_path,
                     "the certificate '" + files.certificate +
                         "' is never used: it has no host name that clients could ask for");
  }
}

bool use_server_settings(SSL_CTX& context, const config::ServerTls& settings) {
  // The client's preference counts where it knows better: a phone without AES instructions puts
  // ChaCha20 first, and gets it.
  SSL_CTX_set_options(&context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // One ticket instead of two: a browser opens its second connection with the one it has, and each
  // costs about 250 bytes and an encryption in every handshake.
  return use_common_settings(context, settings.min_version, settings.max_version) &&
         SSL_CTX_set_num_tickets(&context, 1) == 1 &&
         // No 0-RTT: its requests can be replayed (RFC 8470).
         SSL_CTX_set_max_early_data(&context, 0) == 1 &&
         SSL_CTX_set_recv_max_early_data(&context, 0) == 1;
}

// Their keys: none, those of a file, which become `own_keys`, or those of the process.
bool prepare_tickets(SSL_CTX& context, const config::ServerTls& settings, TicketKeys& shared,
                     std::unique_ptr<TicketKeys>& own_keys, Fingerprint& fingerprint,
                     config::Problems& problems) {
  if (settings.session_tickets && !settings.ticket_keys_file.empty()) {
    own_keys = load_ticket_keys(settings, fingerprint, problems);
    if (!own_keys) return false;
  }
  const bool is_ready = settings.session_tickets
                            ? use_ticket_keys(context, own_keys ? *own_keys : shared)
                            : use_no_tickets(context);
  if (is_ready) return true;
  problems.error({}, "tls", "OpenSSL cannot make a context: " + tls_error_text());
  return false;
}

// From here on the context owns the policy.
bool use_policy(SSL_CTX& context, std::unique_ptr<Policy> policy) {
  const CertificateTable& table = policy->table;
  for (const std::size_t index : table.default_choice()) {
    if (!use_certificate(context, table.certificates()[index])) return false;
  }
  if (SSL_CTX_set_ex_data(&context, policy_index(), policy.get()) != 1) return false;
  Policy* const borrowed = policy.release();
  SSL_CTX_set_client_hello_cb(&context, on_client_hello, borrowed);
  SSL_CTX_set_tlsext_servername_callback(&context, on_server_name);
  SSL_CTX_set_alpn_select_cb(&context, on_protocols, borrowed);
  SSL_CTX_set_tlsext_status_arg(&context, borrowed);
  SSL_CTX_set_tlsext_status_cb(&context, on_status_request);
  return true;
}

std::vector<ServerTlsContext::CertificateInfo> describe(
    const std::vector<Certificate>& certificates) {
  std::vector<ServerTlsContext::CertificateInfo> all;
  all.reserve(certificates.size());
  for (const Certificate& certificate : certificates) {
    all.push_back({certificate.files.certificate, certificate.names, certificate.not_after,
                   certificate.files.ocsp, certificate.ocsp_until});
  }
  return all;
}

}  // namespace

struct ServerTlsContext::Impl {
  SslContextPointer context;
};

ServerTlsContext::ServerTlsContext() : impl_(std::make_unique<Impl>()) {}
ServerTlsContext::~ServerTlsContext() = default;

std::shared_ptr<const ServerTlsContext> ServerTlsContext::load(const config::ServerTls& settings,
                                                               TicketKeys& keys,
                                                               config::Problems& problems) {
  ERR_clear_error();
  Fingerprint fingerprint;
  std::vector<Certificate> certificates = load_certificates(settings, fingerprint, problems);
  SslContextPointer context(SSL_CTX_new(TLS_server_method()));
  if (!context || !use_server_settings(*context, settings)) {
    problems.error({}, "tls", "OpenSSL cannot make a context: " + tls_error_text());
    return nullptr;
  }
  // Before the fingerprint is finished: who is let in is part of what a ticket is bound to (T20).
  const bool has_clients =
      use_client_verification(*context, settings.client_certificates, fingerprint, problems);
  fingerprint_settings(settings, fingerprint);
  const std::string ticket_scope = fingerprint.finish();
  Fingerprint all;
  all.add(ticket_scope);
  std::unique_ptr<TicketKeys> own_keys;
  const bool has_ciphers = use_ciphers(*context, settings, problems);
  const bool has_tickets = prepare_tickets(*context, settings, keys, own_keys, all, problems);
  const bool all_loaded =
      !certificates.empty() && certificates.size() == settings.certificates.size();
  if (!try_certificates(*context, certificates, problems) || !has_ciphers || !has_clients ||
      !has_tickets || !all_loaded) {
    return nullptr;
  }

  const std::shared_ptr<ServerTlsContext> loaded(new ServerTlsContext);
  loaded->fingerprint_ = fingerprint_all(settings, certificates, all);
  loaded->certificates_ = describe(certificates);
  auto policy =
      std::make_unique<Policy>(std::move(certificates), ticket_scope, settings.offer_http2);
  policy->own_keys = std::move(own_keys);
  warn_about_unused(policy->table, problems);
  if (ticket_scope.empty() || loaded->fingerprint_.empty() ||
      !use_authority_check(*context, policy->table, settings.check_authority) ||
      !use_policy(*context, std::move(policy))) {
    problems.error({}, "tls", "OpenSSL cannot make a context: " + tls_error_text());
    return nullptr;
  }
  loaded->impl_->context = std::move(context);
  return loaded;
}

SslPointer ServerTlsContext::new_session() const {
  SslPointer session(SSL_new(impl_->context.get()));
  if (session) SSL_set_accept_state(session.get());
  return session;
}

}  // namespace sluice::net
