// TLS settings of a listener and of a target group: loaded, checked, ready to make sessions from.
//
// With net/stream the only door of OpenSSL. Built on the control thread from files, immutable and
// shared by all workers afterwards; a session made from a context keeps it alive, so a reload never
// touches a connection.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/model.h"

struct ssl_st;      // SSL
struct ssl_ctx_st;  // SSL_CTX

namespace sluice::net {

struct SslDeleter {
  void operator()(ssl_st* ssl) const;
};
using SslPointer = std::unique_ptr<ssl_st, SslDeleter>;

// The keys that seal session tickets (RFC 5077, RFC 8446 4.6.1): one set for the whole process, so
// that a ticket from one worker resumes on another, and outliving reloads. The newest key seals,
// older ones only open; `rotate` is called by the control thread. Any thread.
class TicketKeys {
 public:
  static constexpr std::chrono::hours rotation{1};
  static constexpr std::size_t kept = 13;  // a ticket opens for 12 hours

  TicketKeys();  // one random key
  // Keys that others have too: `keys` is not empty, the first seals.
  struct Key;
  explicit TicketKeys(std::vector<Key> keys);
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;
  void rotate();

  struct Key {
    std::array<unsigned char, 16> name{};
    std::array<unsigned char, 32> aes{};
    std::array<unsigned char, 32> hmac{};
    ~Key();  // wiped: whoever holds a key can read every session that its tickets resumed
  };
  [[nodiscard]] Key newest() const;
  // False when the name is unknown. `is_newest` tells whether the ticket should be renewed.
  [[nodiscard]] bool find(const unsigned char* name, Key& key, bool& is_newest) const;

 private:
  mutable std::mutex mutex_;  // taken once per handshake, never per request
  std::vector<Key> keys_;     // newest first
};

class ServerTlsContext {
 public:
  // Null, with everything that is wrong in `problems`, when a file is missing or unreadable, is not
  // PEM, a key does not match its certificate or is encrypted, a certificate has expired (warning),
  // or a list names an unknown cipher or group. `keys` must outlive the context and its sessions;
  // settings that name a file of ticket keys use that instead.
  [[nodiscard]] static std::shared_ptr<const ServerTlsContext> load(
      const config::ServerTls& settings, TicketKeys& keys, config::Problems& problems);
  ~ServerTlsContext();
  ServerTlsContext(const ServerTlsContext&) = delete;
  ServerTlsContext& operator=(const ServerTlsContext&) = delete;

  // A session in accept state, without a descriptor. Null when memory is short. Of the protocols a
  // client offers in ALPN it takes h2 first (with `offer_http2`), then http/1.1; a client that
  // offers others only is refused with no_application_protocol (RFC 7301 3.2).
  [[nodiscard]] SslPointer new_session() const;

  // Changes when any loaded byte or setting does: a reload keeps the old context while it is equal.
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }

  struct CertificateInfo {
    std::string file;
    std::vector<std::string> names;
    std::chrono::system_clock::time_point not_after;
    std::string ocsp_file;  // empty: none is configured
    // When the answer in it ends or has ended; nothing without an answer, or without an end.
    std::optional<std::chrono::system_clock::time_point> ocsp_until;
  };
  [[nodiscard]] const std::vector<CertificateInfo>& certificates() const { return certificates_; }

 private:
  struct Impl;
  ServerTlsContext();
  std::unique_ptr<Impl> impl_;
  std::string fingerprint_;
  std::vector<CertificateInfo> certificates_;
};

class ClientTlsContext {
 public:
  [[nodiscard]] static std::shared_ptr<const ClientTlsContext> load(
      const config::ClientTls& settings, config::Problems& problems);
  ~ClientTlsContext();
  ClientTlsContext(const ClientTlsContext&) = delete;
  ClientTlsContext& operator=(const ClientTlsContext&) = delete;

  // A session in connect state for a target; `host` is the target's host, used for SNI (names only,
  // RFC 6066 3) and verification when the settings give no server name. A host that is neither a
  // name nor an address (of a Unix socket) fails the handshake when it must be verified. What is
  // offered in ALPN: `protocols` in this order, each 1 to 255 bytes, or http/1.1 when it is empty;
  // Stream::tls_alpn tells what the target chose. Null when memory is short or a protocol's name is
  // none.
  [[nodiscard]] SslPointer new_session(const std::string& host,
                                       const std::vector<std::string>& protocols = {}) const;
  [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }

 private:
  struct Impl;
  ClientTlsContext();
  std::unique_ptr<Impl> impl_;
  std::string fingerprint_;
};

// What OpenSSL's error queue of this thread says, in one printable line of at most 512 bytes,
// oldest first, and empties it. Never empty text: an empty queue says so.
[[nodiscard]] std::string tls_error_text();

// "OpenSSL 3.0.19 ...", as linked at run time.
[[nodiscard]] std::string tls_library_version();
// The same, and why the peer's certificate was refused when that is the cause.
[[nodiscard]] std::string tls_error_text(const ssl_st& session);

}  // namespace sluice::net
