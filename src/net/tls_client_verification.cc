#include "net/tls_client_verification.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "net/tls_certificate.h"
#include "net/tls_file.h"
#include "net/tls_settings.h"

namespace sluice::net {
namespace {

using CrlPointer = std::unique_ptr<X509_CRL, OpensslDeleter<X509_CRL_free>>;
using StorePointer = std::unique_ptr<X509_STORE, OpensslDeleter<X509_STORE_free>>;

// Seconds since 1970.
using Until = std::int64_t;
constexpr Until for_ever = std::numeric_limits<Until>::max();
constexpr Until never = 0;

// What the callbacks need in mode `verify`. Belongs to the SSL_CTX.
struct Policy {
  bool ignore_expired = false;
  Until lists_until = for_ever;  // the first revocation list to go out of date
};

void free_policy(void* /*context*/, void* policy, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                 long /*unused*/, void* /*unused*/) {
  std::unique_ptr<Policy>(static_cast<Policy*>(policy)).reset();
}

int policy_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_policy);
  return index;
}

const Policy* policy_of(const SSL_CTX* context) {
  return static_cast<const Policy*>(SSL_CTX_get_ex_data(context, policy_index()));
}

Until until_of(const ASN1_TIME* time) {
  std::tm parts{};
  return time != nullptr && ASN1_TIME_to_tm(time, &parts) == 1 ? Until{timegm(&parts)} : never;
}

// --- callbacks of the handshake -----------------------------------------------------------------

// Passthrough: the target judges. The client has proved to hold the key all the same.
int accept_any(X509_STORE_CTX* verification, void* /*argument*/) {
  X509_STORE_CTX_set_error(verification, X509_V_OK);
  return 1;
}

int on_finding(int is_good, X509_STORE_CTX* verification) {
  if (is_good == 1) return 1;
  const auto* const session = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  const Policy* const policy = session != nullptr ? policy_of(SSL_get_SSL_CTX(session)) : nullptr;
  const int depth = X509_STORE_CTX_get_error_depth(verification);
  const int last = sk_X509_num(X509_STORE_CTX_get0_chain(verification)) - 1;
  bool is_overlooked = false;
  switch (X509_STORE_CTX_get_error(verification)) {
    // Of the client's own certificate only, as ALB's option: an authority's end is the operator's
    // will.
    case X509_V_ERR_CERT_HAS_EXPIRED:
      is_overlooked = policy != nullptr && policy->ignore_expired && depth == 0;
      break;
    // Whom the operator trusts nobody above can revoke; everyone below needs a list of its issuer.
    case X509_V_ERR_UNABLE_TO_GET_CRL: is_overlooked = depth == last && depth > 0; break;
    default: break;
  }
  if (!is_overlooked) return 0;
  X509_STORE_CTX_set_error(verification, X509_V_OK);
  return 1;
}

// A ticket carries the certificate but not its chain: how long that holds is written into it.
int on_ticket_made(SSL* session, void* argument) {
  const Policy& policy = *static_cast<const Policy*>(argument);
  STACK_OF(X509)* const chain = SSL_get0_verified_chain(session);
  if (chain == nullptr) return 1;  // a resumed session: what was written still stands
  Until until = for_ever;
  for (int i = policy.ignore_expired ? 1 : 0; i < sk_X509_num(chain); ++i) {
    until = std::min(until, until_of(X509_get0_notAfter(sk_X509_value(chain, i))));
  }
  return SSL_SESSION_set1_ticket_appdata(SSL_get_session(session), &until, sizeof until);
}

bool may_resume(const Policy& policy, SSL_SESSION& ticket, Until now) {
  void* data = nullptr;
  std::size_t size = 0;
  Until until = never;
  if (SSL_SESSION_get0_peer(&ticket) == nullptr ||
      SSL_SESSION_get0_ticket_appdata(&ticket, &data, &size) != 1 || size != sizeof until) {
    return false;
  }
  std::memcpy(&until, data, sizeof until);
  return now < until && now < policy.lists_until;
}

SSL_TICKET_RETURN on_ticket_opened(SSL* /*session*/, SSL_SESSION* ticket,
                                   const unsigned char* /*key_name*/, std::size_t /*size*/,
                                   SSL_TICKET_STATUS status, void* argument) {
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  // Ignored: a whole handshake follows, which says what is wrong with the certificate by now.
  if (!may_resume(*static_cast<const Policy*>(argument), *ticket, std::time(nullptr))) {
    return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

// --- loading ------------------------------------------------------------------------------------

class Loader {
 public:
  Loader(const config::ClientCertificates& settings, Fingerprint& fingerprint,
         config::Problems& problems)
      : settings_(settings),
        fingerprint_(fingerprint),
        problems_(problems),
        position_(position_or(settings.trust_store_position, settings.position)) {}

  // Null when something was wrong. Reports everything at once.
  [[nodiscard]] StorePointer load(SSL_CTX& context, Policy& policy) {
    StorePointer store(X509_STORE_new());
    if (!store) {
      error("", "OpenSSL cannot make a trust store: " + tls_error_text());
      return nullptr;
    }
    bool is_good = load_trust(context, *store);
    for (std::size_t i = 0; i < settings_.crls.size(); ++i) {
      position_ =
          i < settings_.crl_positions.size() ? settings_.crl_positions[i] : settings_.position;
      is_good &= load_lists(settings_.crls[i], *store, policy);
    }
    if (!is_good) return nullptr;
    return store;
  }

 private:
  bool read(std::string_view key, const std::string& name, TlsFile& file) {
    file.read(name);
    // Not the name: instances with equal files resume each other's sessions.
    fingerprint_.add(file.bytes);
    return file.error.empty() || error(key, "cannot read '" + name + "': " + file.error);
  }

  bool load_trust(SSL_CTX& context, X509_STORE& store) {
    const std::string& name = settings_.trust_store;
    TlsFile file;
    if (name.empty()) return false;  // the configuration's reader has said so
    if (!read("trust_store", name, file)) return false;
    const BioPointer pem = file.open();
    authorities_ = pem ? read_certificates(*pem) : nullptr;
    if (!authorities_) {
      return error("trust_store",
                   "a certificate in '" + name + "' is damaged: " + tls_error_text());
    }
    if (sk_X509_num(authorities_.get()) == 0) {
      return error("trust_store", "'" + name + "' is not PEM or holds no certificate");
    }
    for (int i = 0; i < sk_X509_num(authorities_.get()); ++i) {
      X509* const authority = sk_X509_value(authorities_.get(), i);
      const bool is_taken =
          X509_STORE_add_cert(&store, authority) == 1 &&
          (!settings_.advertise_trust_store || SSL_CTX_add_client_CA(&context, authority) == 1);
      if (!is_taken)
        return error("trust_store", "'" + name + "' cannot be used: " + tls_error_text());
      if (X509_cmp_current_time(X509_get0_notAfter(authority)) < 0) {
        warning("trust_store", "certificate " + std::to_string(i + 1) + " in '" + name +
                                   "' has expired; whoever it vouches for is refused");
      }
    }
    return true;
  }

  // PEM, any number of them, or one in DER.
  bool load_lists(const std::string& name, X509_STORE& store, Policy& policy) {
    TlsFile file;
    if (!read("crls", name, file)) return false;
    const BioPointer bytes = file.open();
    const bool is_pem = file.bytes.find("-----BEGIN") != std::string::npos;
    std::size_t count = 0;
    while (bytes) {
      const CrlPointer list(is_pem ? PEM_read_bio_X509_CRL(bytes.get(), nullptr, nullptr, nullptr)
                                   : d2i_X509_CRL_bio(bytes.get(), nullptr));
      if (!list) break;
      ++count;
      if (X509_STORE_add_crl(&store, list.get()) != 1) {
        return error("crls", "'" + name + "' cannot be used: " + tls_error_text());
      }
      note(*list, name, policy);
      if (!is_pem) break;
    }
    const unsigned long last = ERR_peek_last_error();
    const bool is_at_end = last == 0 || (ERR_GET_LIB(last) == ERR_LIB_PEM &&
                                         ERR_GET_REASON(last) == PEM_R_NO_START_LINE);
    if (count > 0 && (is_at_end || !is_pem)) {
      ERR_clear_error();
      return true;
    }
    if (is_pem && !is_at_end) {
      return error("crls", "a revocation list in '" + name + "' is damaged: " + tls_error_text());
    }
    ERR_clear_error();
    return error("crls", "'" + name + "' holds no revocation list, neither in PEM nor in DER");
  }

  void note(const X509_CRL& list, const std::string& name, Policy& policy) {
    const ASN1_TIME* const next = X509_CRL_get0_nextUpdate(&list);
    if (next != nullptr) {  // without, it holds for ever
      policy.lists_until = std::min(policy.lists_until, until_of(next));
      if (X509_cmp_current_time(next) < 0) {
        warning("crls", "a revocation list in '" + name +
                            "' is out of date; all clients of its authority are refused");
      }
    }
    const X509_NAME* const issuer = X509_CRL_get_issuer(&list);
    for (int i = 0; i < sk_X509_num(authorities_.get()); ++i) {
      const X509* const authority = sk_X509_value(authorities_.get(), i);
      if (X509_NAME_cmp(X509_get_subject_name(authority), issuer) == 0) return;
    }
    warning("crls", "a revocation list in '" + name +
                        "' is of an authority that is not in the trust store; it counts only for "
                        "intermediates that clients send");
  }

  bool error(std::string_view key, std::string what) {
    problems_.error(position_, path_of(key), std::move(what));
    return false;
  }
  void warning(std::string_view key, std::string what) {
    problems_.warning(position_, path_of(key), std::move(what));
  }
  static std::string path_of(std::string_view key) {
    std::string path = "tls.client_certificates";
    if (!key.empty()) path.append(".").append(key);
    return path;
  }

  const config::ClientCertificates& settings_;
  Fingerprint& fingerprint_;
  config::Problems& problems_;
  config::Position position_;  // of the key that is being read
  X509StackPointer authorities_;
};

void fingerprint_settings(const config::ClientCertificates& settings, Fingerprint& fingerprint) {
  fingerprint.add("client certificates");
  fingerprint.add(std::to_string(static_cast<int>(settings.mode)));
  fingerprint.add(std::to_string(settings.depth));
  fingerprint.add(settings.ignore_expired ? "ignore expired" : "refuse expired");
  fingerprint.add(settings.advertise_trust_store ? "advertise" : "do not tell");
  fingerprint.add(std::to_string(settings.chain_bytes));
}

bool pass_through(SSL_CTX& context) {
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(&context, accept_any, nullptr);
  // A ticket would bring back the leaf without the chain that the targets are promised.
  SSL_CTX_set_options(&context, SSL_OP_NO_TICKET);
  return SSL_CTX_set_num_tickets(&context, 0) == 1;
}

bool verify(SSL_CTX& context, const config::ClientCertificates& settings, X509_STORE& store,
            std::unique_ptr<Policy> policy) {
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, on_finding);
  SSL_CTX_set_verify_depth(&context, static_cast<int>(settings.depth));
  // A store of its own: the one of the context would complete our own chain from it, and show
  // clients the operator's private authorities. The purpose, clientAuth, is a server's default.
  unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;  // whom the operator lists is trusted
  if (!settings.crls.empty()) flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
  if (X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(&context), flags) != 1 ||
      SSL_CTX_set1_verify_cert_store(&context, &store) != 1 ||
      SSL_CTX_set_ex_data(&context, policy_index(), policy.get()) != 1) {
    return false;
  }
  Policy* const borrowed = policy.release();  // the context's from here on
  return SSL_CTX_set_session_ticket_cb(&context, on_ticket_made, on_ticket_opened, borrowed) == 1;
}

}  // namespace

bool use_client_verification(SSL_CTX& context, const config::ClientCertificates& settings,
                             Fingerprint& fingerprint, config::Problems& problems) {
  using config::ClientCertificateMode;
  fingerprint_settings(settings, fingerprint);
  if (settings.mode == ClientCertificateMode::off) return true;
  SSL_CTX_set_max_cert_list(&context, static_cast<long>(settings.chain_bytes));
  bool is_good = false;
  if (settings.mode == ClientCertificateMode::passthrough) {
    is_good = pass_through(context);
  } else {
    auto policy = std::make_unique<Policy>();
    policy->ignore_expired = settings.ignore_expired;
    const StorePointer store = Loader(settings, fingerprint, problems).load(context, *policy);
    if (!store) return false;
    is_good = verify(context, settings, *store, std::move(policy));
  }
  if (!is_good) {
    problems.error(settings.position, "tls.client_certificates",
                   "OpenSSL cannot use it: " + tls_error_text());
  }
  return is_good;
}

bool verifies_clients(const SSL& session) {
  return policy_of(SSL_get_SSL_CTX(&session)) != nullptr;
}

bool is_client_certificate_refusal(const SSL& session) {
  if (SSL_is_server(&session) == 0 || (SSL_get_verify_mode(&session) & SSL_VERIFY_PEER) == 0)
    return false;
  if (SSL_get_verify_result(&session) != X509_V_OK) return true;
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return false;
  const int reason = ERR_GET_REASON(error);
  return reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE ||
         reason == SSL_R_EXCESSIVE_MESSAGE_SIZE;
}

bool may_resume(const SSL_CTX& context, SSL_SESSION& ticket,
                std::chrono::system_clock::time_point now) {
  const Policy* const policy = policy_of(&context);
  return policy != nullptr &&
         may_resume(*policy, ticket, std::chrono::system_clock::to_time_t(now));
}

}  // namespace sluice::net
