#include "sluice/net/tls_session_cache.h"

#include <ctime>
#include <utility>

#include "net/tls_openssl.h"
#include "net/tls_session_cache.h"

namespace sluice::net {

using SessionPointer = std::unique_ptr<SSL_SESSION, OpensslDeleter<SSL_SESSION_free>>;

struct TlsSessionCache::Kept {
  SessionPointer newest;
};

namespace {

using KeptPointer = std::shared_ptr<TlsSessionCache::Kept>;

void free_kept(void* /*session*/, void* kept, CRYPTO_EX_DATA* /*data*/, int /*index*/,
               long /*unused*/, void* /*unused*/) {
  std::unique_ptr<KeptPointer>(static_cast<KeptPointer*>(kept)).reset();
}

int kept_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_kept);
  return index;
}

// 1: the session is ours now; 0: OpenSSL frees it.
int on_new_session(SSL* session, SSL_SESSION* ticket) {
  const auto* kept = static_cast<const KeptPointer*>(SSL_get_ex_data(session, kept_index()));
  if (kept == nullptr) return 0;
  (*kept)->newest.reset(ticket);
  return 1;
}

// OpenSSL itself looks at the lifetime of TLS 1.3's tickets only. The certificate that the target
// proved to have is not verified again in a resumption, so its end is the session's.
bool may_be_used(const SSL& session, SSL_SESSION& ticket, std::time_t now) {
  const long age = static_cast<long>(now - SSL_SESSION_get_time(&ticket));
  if (SSL_SESSION_is_resumable(&ticket) != 1 || age < 0 || age >= SSL_SESSION_get_timeout(&ticket))
    return false;
  if ((SSL_get_verify_mode(&session) & SSL_VERIFY_PEER) == 0) return true;
  const X509* const peer = SSL_SESSION_get0_peer(&ticket);
  // TLS of today always has one; 0 means a date that cannot be read.
  return peer != nullptr && X509_cmp_time(X509_get0_notAfter(peer), &now) > 0;
}

}  // namespace

TlsSessionCache::TlsSessionCache() : kept_(std::make_shared<Kept>()) {}

TlsSessionCache::~TlsSessionCache() { clear(); }

void TlsSessionCache::use(ssl_st& session, std::chrono::system_clock::time_point now) {
  const long mode = SSL_CTX_get_session_cache_mode(SSL_get_SSL_CTX(&session));
  if ((mode & SSL_SESS_CACHE_CLIENT) == 0) return;
  auto kept = std::make_unique<KeptPointer>(kept_);
  if (SSL_set_ex_data(&session, kept_index(), kept.get()) != 1) return;
  (void)kept.release();  // freed with the session
  if (kept_->newest == nullptr) return;
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  if (!may_be_used(session, *kept_->newest, seconds)) {
    kept_->newest.reset();
    return;
  }
  // A copy, because OpenSSL lets a ticket of TLS 1.3 be used once. That hides from onlookers which
  // connections are of one client (RFC 8446 C.4), and ours all are; but not every target sends a
  // new ticket in a resumption, and a pool may open several connections at a time.
  const SessionPointer copy(SSL_SESSION_dup(kept_->newest.get()));
  if (!copy || SSL_set_session(&session, copy.get()) != 1) ERR_clear_error();
}

void TlsSessionCache::clear() {
  kept_->newest.reset();
  kept_ = std::make_shared<Kept>();  // the former one goes with the last session that knows it
}

bool TlsSessionCache::has_ticket() const { return kept_->newest != nullptr; }

void use_session_reuse(SSL_CTX& context) {
  // The callback is all: OpenSSL's own store would be one for all workers, behind a lock.
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(&context, on_new_session);
}

}  // namespace sluice::net
