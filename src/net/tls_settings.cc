#include "net/tls_settings.h"

#include <string_view>

namespace sluice::net {
namespace {

// Forward secrecy and authenticated encryption only (RFC 9325 4.2), the cheapest on our hardware
// first.
constexpr const char* default_ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
// TLS 1.0 and 1.1 know none of these: an operator who allows the versions gets, behind them, what
// is left of forward secrecy there.
constexpr const char* ciphers_for_old_versions =
    ":ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA";
constexpr const char* default_groups = "X25519:P-256:P-384";

int set_groups(SSL_CTX* context, const char* list) {
  return static_cast<int>(SSL_CTX_set1_groups_list(context, list));
}

int number_of(config::TlsVersion version) {
  switch (version) {
    case config::TlsVersion::tls1_0: return TLS1_VERSION;
    case config::TlsVersion::tls1_1: return TLS1_1_VERSION;
    case config::TlsVersion::tls1_2: return TLS1_2_VERSION;
    case config::TlsVersion::tls1_3: break;
  }
  return TLS1_3_VERSION;
}

struct List {
  const char* key;         // in the configuration
  const char* kind;        // of a word, in a message
  const char* known_from;  // where the operator finds the words
  const char* separators;
  int (*set)(SSL_CTX*, const char*);
};

constexpr List ciphers{"tls.ciphers", "cipher", "'openssl ciphers -v -tls1_2 ALL' lists them",
                       ":, ;", SSL_CTX_set_cipher_list};
constexpr List ciphersuites{"tls.ciphersuites", "TLS 1.3 ciphersuite",
                            "'openssl ciphers -s -v -tls1_3 ALL' lists them", ":",
                            SSL_CTX_set_ciphersuites};
constexpr List groups{"tls.groups", "group",
                      "X25519, X448, P-256, P-384, P-521, ffdhe2048... are allowed", ":",
                      set_groups};

// `@STRENGTH` and its like are commands. What `!` and `-` take away may be absent: lists in use
// name ciphers that OpenSSL removed long ago (`!RC4`).
bool must_be_known(std::string_view word) {
  return !word.empty() && word.front() != '@' && word.front() != '!' && word.front() != '-';
}

bool is_known(SSL_CTX& context, const List& list, std::string_view word) {
  if (word.front() == '+') word.remove_prefix(1);
  return list.set(&context, std::string(word).c_str()) == 1;
}

bool use_list(SSL_CTX& context, const List& list, const std::string& text,
              const config::Position& position, config::Problems& problems) {
  bool all_known = true;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = rest.find_first_of(list.separators);
    const std::string_view word = rest.substr(0, length);
    rest.remove_prefix(length == std::string_view::npos ? rest.size() : length + 1);
    if (!must_be_known(word) || is_known(context, list, word)) continue;
    problems.error(
        position, list.key,
        std::string("unknown ") + list.kind + " '" + std::string(word) + "'; " + list.known_from);
    all_known = false;
  }
  ERR_clear_error();
  if (!all_known) return false;
  if (list.set(&context, text.c_str()) == 1) return true;
  problems.error(position, list.key, "cannot be used: " + tls_error_text());
  return false;
}

}  // namespace

bool use_common_settings(SSL_CTX& context, config::TlsVersion min_version,
                         config::TlsVersion max_version) {
  // RELEASE_BUFFERS: an idle session holds no 16 KiB buffers. The write modes let a write that
  // would block be repeated from another address and with more bytes behind it.
  SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Renegotiation costs the server more than the client (CVE-2011-1473), compression leaks (CRIME).
  // SSL_OP_IGNORE_UNEXPECTED_EOF stays off: without close_notify a body that ends with the
  // connection may have been cut by anybody on the way (RFC 9112 9.8).
  SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // One read of the socket takes in the header of a record with its body, and what follows, up to
  // the default buffer of one full record (SSL3_RT_MAX_PACKET_SIZE, about 16.7 KB) that only lives
  // while bytes are in flight. So SSL_has_pending must be asked before waiting for the descriptor.
  SSL_CTX_set_read_ahead(&context, 1);
  // Sessions live in tickets. A cache in the server would be one more lock and memory per client.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  // OpenSSL lets go of what TLS before 1.2 is made of (SHA-1 in its handshake) at level 0 only.
  // Certificates are held to level 2 all the same, when they are loaded.
  if (min_version < config::TlsVersion::tls1_2) SSL_CTX_set_security_level(&context, 0);
  return SSL_CTX_set_min_proto_version(&context, number_of(min_version)) == 1 &&
         SSL_CTX_set_max_proto_version(&context, number_of(max_version)) == 1;
}

bool use_cipher_list(SSL_CTX& context, const std::string& list, const config::Position& position,
                     config::Problems& problems) {
  return list.empty() || use_list(context, ciphers, list, position, problems);
}

bool use_ciphers(SSL_CTX& context, const config::ServerTls& settings, config::Problems& problems) {
  const config::Position section =
      settings.certificates.empty() ? config::Position{} : settings.certificates.front().position;
  std::string used_ciphers = settings.ciphers.empty() ? default_ciphers : settings.ciphers;
  const bool allows_old_versions = settings.min_version < config::TlsVersion::tls1_2;
  if (settings.ciphers.empty() && allows_old_versions) used_ciphers += ciphers_for_old_versions;
  const std::string& given_groups = settings.groups;
  bool is_good = use_list(context, ciphers, used_ciphers,
                          position_or(settings.ciphers_position, section), problems);
  is_good &= use_list(context, groups, given_groups.empty() ? default_groups : given_groups,
                      position_or(settings.groups_position, section), problems);
  if (!settings.ciphersuites.empty()) {
    is_good &= use_list(context, ciphersuites, settings.ciphersuites,
                        position_or(settings.ciphersuites_position, section), problems);
  }
  return is_good;
}

}  // namespace sluice::net
