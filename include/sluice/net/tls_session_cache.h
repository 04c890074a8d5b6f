// The newest session ticket of one target: a new connection to it resumes, which saves both sides
// the signature and the certificates (RFC 5077, RFC 8446 2.2).
//
// One per pool, for one ClientTlsContext: a session holds what was verified then, so it must never
// meet other settings. Exactly one ticket is kept, a kilobyte or two. One thread. The connections
// it was used for may outlive it.
#pragma once

#include <chrono>
#include <memory>

#include "sluice/net/tls_context.h"

namespace sluice::net {

class TlsSessionCache {
 public:
  TlsSessionCache();
  ~TlsSessionCache();
  TlsSessionCache(const TlsSessionCache&) = delete;
  TlsSessionCache& operator=(const TlsSessionCache&) = delete;

  // Before the handshake of `session`, made by the ClientTlsContext of this cache: gives it the
  // ticket, if there is one that may still be used, and keeps those that come in on it. Does
  // nothing when the settings say `session_reuse: false`.
  void use(ssl_st& session,
           std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

  // Forgets the ticket, and takes none from the connections that have used this cache so far.
  void clear();

  [[nodiscard]] bool has_ticket() const;

  struct Kept;  // shared with the sessions

 private:
  std::shared_ptr<Kept> kept_;
};

}  // namespace sluice::net
