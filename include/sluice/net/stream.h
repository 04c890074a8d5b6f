// One byte stream, clear or TLS, without a template flag: try to read, try to write, wait.
//
// Reads and writes are plain calls that never block; only waiting is a coroutine matter. TLS is
// OpenSSL over a BIO of our own: it reads from the descriptor only when that may be readable (no
// failing recv), and everything one call encrypts leaves in one send. An idle stream holds no
// buffer of ours, and OpenSSL's are released (SSL_MODE_RELEASE_BUFFERS). One thread. Errors: a
// status, and for TLS a text for the log; SIGPIPE is never raised.
#pragma once

#include <sys/uio.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "sluice/base/bytes.h"
#include "sluice/net/client_certificate.h"
#include "sluice/net/loop.h"
#include "sluice/net/tls_context.h"

namespace sluice::net {

enum class IoStatus : std::uint8_t {
  ok,
  would_block,  // wait, then try again
  closed,       // orderly end of the peer's bytes (FIN, and close_notify over TLS)
  failed,       // reset, TLS error, truncated TLS stream
};

struct IoResult {
  IoStatus status = IoStatus::failed;
  std::size_t bytes = 0;
};

class Stream {
 public:
  // Takes the connected, non-blocking descriptor.
  Stream(Loop& loop, int fd);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  [[nodiscard]] bool is_open() const { return descriptor_.is_open(); }
  [[nodiscard]] int fd() const { return descriptor_.fd(); }
  [[nodiscard]] Loop& loop() { return loop_; }
  void close();
  // Close without close_notify: the peer sees that something broke off.
  void cut();
  // Close with RST: the peer cannot mistake what it got for a complete message.
  void abort();

  // --- reading
  // False: a read would certainly find nothing; wait first, without a buffer.
  [[nodiscard]] bool may_read() const;
  [[nodiscard]] IoResult try_read(base::MutableBytes into);
  // The same bytes again until they are read. Only before TLS.
  [[nodiscard]] IoResult try_peek(base::MutableBytes into);
  // Ready, or expired when the read deadline passed. One coroutine at a time.
  [[nodiscard]] auto wait_readable() { return descriptor_.reader.wait(); }
  void set_read_deadline(std::chrono::milliseconds after) { read_deadline_.set(after); }
  void clear_read_deadline() { read_deadline_.clear(); }
  // The peer has closed or reset, as far as the kernel has told us. Bytes may still be unread.
  [[nodiscard]] bool hung_up() const { return descriptor_.hung_up(); }
  [[nodiscard]] bool was_reset() const { return descriptor_.was_reset(); }
  // `callback(Wake)` is called once at the next event, instead of a waiting reader; `unwatch`
  // forgets it.
  template <typename Callback>
  void watch_reader(Callback callback) {
    descriptor_.reader.arm(callback);
  }
  void unwatch_reader() { descriptor_.reader.disarm(); }
  // Resumes a waiting reader with `closed` without closing the descriptor.
  // True when one waited. It runs before this returns, and may destroy whatever it owns.
  bool cancel_reader() { return cancel(descriptor_.reader); }
  bool cancel_writer() { return cancel(descriptor_.writer); }

  // --- writing
  // Writes as much as the kernel takes now. `ok` with all bytes, or `would_block` with those taken.
  [[nodiscard]] IoResult try_write(std::span<const base::Bytes> pieces);
  [[nodiscard]] auto wait_writable() { return descriptor_.writer.wait(); }
  // As watch_reader, for the next time that the kernel takes bytes.
  template <typename Callback>
  void watch_writer(Callback callback) {
    descriptor_.writer.arm(callback);
  }
  void unwatch_writer() { descriptor_.writer.disarm(); }
  void set_write_deadline(std::chrono::milliseconds after) { write_deadline_.set(after); }
  void clear_write_deadline() { write_deadline_.clear(); }
  // TLS: bytes encrypted but not yet taken by the kernel. `try_write` with no pieces flushes them.
  [[nodiscard]] bool has_pending_output() const { return !pending_.is_empty(); }
  void shutdown_write();  // FIN (and close_notify): no more bytes from us

  // --- TLS
  void use_tls(SslPointer session);
  [[nodiscard]] bool is_tls() const { return ssl_ != nullptr; }
  // One step: ok when finished, would_block to wait for the peer, failed.
  [[nodiscard]] IoStatus try_handshake();
  // After the handshake; empty without TLS.
  [[nodiscard]] std::string_view tls_version() const;  // "TLSv1.3"
  [[nodiscard]] std::string_view tls_cipher() const;
  [[nodiscard]] std::string_view tls_server_name() const;  // that the client sent (SNI)
  // Chosen in ALPN ("h2", "http/1.1"); empty when there was none, which means HTTP/1.1.
  [[nodiscard]] std::string_view tls_alpn() const;
  [[nodiscard]] bool tls_resumed() const;
  // What the client showed about itself; null when nothing was asked or nothing came. Made at the
  // first call, kept until the stream closes.
  [[nodiscard]] const ClientCertificate* client_certificate() const;
  // Why a handshake as a server failed: the client's certificate is missing or not accepted.
  [[nodiscard]] bool refused_client_certificate() const { return refused_client_certificate_; }
  // Whether a request for `host` (without port) belongs on this connection: see `check_authority`.
  [[nodiscard]] bool serves_authority(std::string_view host) const;
  [[nodiscard]] std::string take_error_text() { return std::move(error_text_); }

 private:
  friend struct StreamBio;
  [[nodiscard]] IoResult receive(base::MutableBytes into);
  [[nodiscard]] IoResult send(std::span<const iovec> pieces);
  [[nodiscard]] IoResult write_plain(std::span<const base::Bytes> pieces);
  [[nodiscard]] IoResult write_tls(std::span<const base::Bytes> pieces);
  [[nodiscard]] bool encrypt(std::span<const base::Bytes> pieces, std::size_t& taken);
  [[nodiscard]] IoStatus flush();
  [[nodiscard]] IoStatus tls_status(int result);
  void collect_ciphertext(base::Bytes bytes);
  static bool cancel(WaitSlot& slot) {
    const bool waited = slot.armed();
    slot.fire(Wake::closed);
    return waited;
  }

  Loop& loop_;
  Descriptor descriptor_;
  Deadline read_deadline_;
  Deadline write_deadline_;
  SslPointer ssl_;
  Buffer pending_;             // ciphertext the kernel has not taken
  std::size_t collected_ = 0;  // ciphertext in the loop's scratch during one call
  bool ended_ = false;         // the kernel has told the end of the peer's bytes
  bool tls_broken_ = false;    // after a fatal TLS error no close_notify may follow
  bool refused_client_certificate_ = false;
  std::string error_text_;
  mutable std::unique_ptr<const ClientCertificate> client_certificate_;  // none without one
};

}  // namespace sluice::net
