#include "sluice/net/stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "net/client_certificate.h"
#include "net/tls_authority.h"
#include "net/tls_client_verification.h"
#include "sluice/base/text.h"

namespace sluice::net {

namespace {

// One TLS record's content (RFC 8446 5.1).
constexpr std::size_t record_bytes = 16 * 1024;
// Plain bytes encrypted in one call: their ciphertext must fit the loop's scratch beside a
// handshake's.
constexpr std::size_t encrypt_bytes_max = 128 * 1024;
constexpr std::size_t pieces_max = 16;
// A small head with its small body: copying them together costs less than the kernel's gathering.
constexpr std::size_t gather_bytes_max = 2048;

// recv and send of the C library are cancellation points: in a program with threads each pays for
// four atomic operations around the call, 2% of a proxied request. We never cancel a thread.
ssize_t receive_now(int fd, base::MutableBytes into) {
  return ::syscall(SYS_recvfrom, fd, into.data(), into.size(), 0, nullptr, nullptr);
}

ssize_t send_now(int fd, const iovec& piece) {
  return ::syscall(SYS_sendto, fd, piece.iov_base, piece.iov_len, MSG_NOSIGNAL, nullptr, 0);
}

void expire_reader(void* context) { static_cast<WaitSlot*>(context)->fire(Wake::expired); }

}  // namespace

// OpenSSL's view of a stream. Writing never blocks: ciphertext is collected and sent by the caller.
struct StreamBio {
  static Stream& stream(BIO* bio) { return *static_cast<Stream*>(BIO_get_data(bio)); }

  static int write(BIO* bio, const char* data, int size) {
    stream(bio).collect_ciphertext({data, static_cast<std::size_t>(size)});
    return size;
  }

  static int read(BIO* bio, char* data, int size) {
    BIO_clear_retry_flags(bio);
    Stream& self = stream(bio);
    if (!self.descriptor_.may_read()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const IoResult result = self.receive({data, static_cast<std::size_t>(size)});
    switch (result.status) {
      case IoStatus::ok: return static_cast<int>(result.bytes);
      case IoStatus::would_block: BIO_set_retry_read(bio); return -1;
      case IoStatus::closed: return 0;
      case IoStatus::failed: break;
    }
    return -1;
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_FLUSH) return 1;
    // Tells a truncated TLS stream from a silent one (RFC 8446 6.1).
    if (command == BIO_CTRL_EOF) return stream(bio).ended_ ? 1 : 0;
    return 0;
  }

  static const BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice stream");
      BIO_meth_set_write(fresh, write);
      BIO_meth_set_read(fresh, read);
      BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
};

Stream::Stream(Loop& loop, int fd)
    : loop_(loop),
      descriptor_(loop.poller, fd),
      read_deadline_(loop.deadlines, expire_reader, &descriptor_.reader),
      write_deadline_(loop.deadlines, expire_reader, &descriptor_.writer) {}

Stream::~Stream() { close(); }

void Stream::close() {
  if (!is_open()) return;
  if (ssl_ != nullptr && !tls_broken_ && SSL_is_init_finished(ssl_.get()) == 1) {
    SSL_shutdown(ssl_.get());  // close_notify, as far as the kernel takes it now
    (void)flush();
  }
  read_deadline_.clear();
  write_deadline_.clear();
  descriptor_.close();
  ssl_.reset();
  client_certificate_.reset();
  pending_.release();
}

void Stream::cut() {
  tls_broken_ = true;
  close();
}

void Stream::abort() {
  if (!is_open()) return;
  const linger reset{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  cut();
}

bool Stream::may_read() const {
  if (descriptor_.may_read()) return true;
  return ssl_ != nullptr && SSL_has_pending(ssl_.get()) == 1;
}

IoResult Stream::receive(base::MutableBytes into) {
  for (;;) {
    const ssize_t got = receive_now(fd(), into);
    if (got > 0) {
      const auto bytes = static_cast<std::size_t>(got);
      if (bytes < into.size()) descriptor_.set_drained();
      return {IoStatus::ok, bytes};
    }
    if (got == 0) {
      ended_ = !into.empty();
      return {ended_ ? IoStatus::closed : IoStatus::ok, 0};
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      descriptor_.set_drained();
      return {IoStatus::would_block, 0};
    }
    return {IoStatus::failed, 0};
  }
}

IoResult Stream::send(std::span<const iovec> pieces) {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());
  message.msg_iovlen = pieces.size();
  for (;;) {
    // One piece is the common case, and the cheaper call.
    const ssize_t sent = pieces.size() == 1 ? send_now(fd(), pieces.front())
                                            : ::sendmsg(fd(), &message, MSG_NOSIGNAL);
    if (sent >= 0) return {IoStatus::ok, static_cast<std::size_t>(sent)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoStatus::would_block, 0};
    return {IoStatus::failed, 0};
  }
}

IoResult Stream::try_read(base::MutableBytes into) {
  if (!is_open()) return {IoStatus::failed, 0};
  if (ssl_ == nullptr) {
    if (!descriptor_.may_read()) return {IoStatus::would_block, 0};
    return receive(into);
  }
  ERR_clear_error();
  std::size_t bytes = 0;
  const int result = SSL_read_ex(ssl_.get(), into.data(), into.size(), &bytes);
  if (collected_ > 0 && flush() == IoStatus::failed) return {IoStatus::failed, 0};
  if (result == 1) return {IoStatus::ok, bytes};
  return {tls_status(result), 0};
}

IoResult Stream::try_peek(base::MutableBytes into) {
  if (!is_open() || ssl_ != nullptr) return {IoStatus::failed, 0};
  for (;;) {
    const ssize_t got = ::recv(fd(), into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT);
    if (got > 0) return {IoStatus::ok, static_cast<std::size_t>(got)};
    if (got == 0) return {IoStatus::closed, 0};
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return {IoStatus::failed, 0};
    descriptor_.set_drained();
    return {IoStatus::would_block, 0};
  }
}

IoResult Stream::try_write(std::span<const base::Bytes> pieces) {
  if (!is_open()) return {IoStatus::failed, 0};
  return ssl_ == nullptr ? write_plain(pieces) : write_tls(pieces);
}

IoResult Stream::write_plain(std::span<const base::Bytes> pieces) {
  std::array<iovec, pieces_max> vectors;
  std::size_t count = 0;
  std::size_t total = 0;
  for (const base::Bytes& piece : pieces) {
    if (piece.empty() || count == vectors.size()) continue;
    vectors[count++] = {const_cast<char*>(piece.data()), piece.size()};
    total += piece.size();
  }
  if (total == 0) return {IoStatus::ok, 0};
  std::array<char, gather_bytes_max> gathered;
  if (count > 1 && total <= gathered.size()) {
    std::size_t filled = 0;
    for (std::size_t i = 0; i < count; ++i) {
      std::memcpy(gathered.data() + filled, vectors[i].iov_base, vectors[i].iov_len);
      filled += vectors[i].iov_len;
    }
    vectors[0] = {gathered.data(), total};
    count = 1;
  }
  const IoResult result = send({vectors.data(), count});
  if (result.status == IoStatus::ok && result.bytes < total) {
    descriptor_.set_full();
    return {IoStatus::would_block, result.bytes};
  }
  if (result.status == IoStatus::would_block) descriptor_.set_full();
  return result;
}

IoResult Stream::write_tls(std::span<const base::Bytes> pieces) {
  if (has_pending_output()) {
    const IoStatus flushed = flush();
    if (flushed != IoStatus::ok) return {flushed, 0};
  }
  std::size_t total = 0;
  for (const base::Bytes& piece : pieces) total += piece.size();
  std::size_t taken = 0;
  // Until the kernel is full: only then does it tell when there is room again.
  while (taken < total) {
    if (!encrypt(pieces, taken)) return {IoStatus::failed, 0};
    const IoStatus flushed = flush();
    if (flushed == IoStatus::failed) return {IoStatus::failed, 0};
    // All that was encrypted counts as taken: the rest of it waits in `pending_`.
    if (flushed == IoStatus::would_block) return {IoStatus::would_block, taken};
  }
  return {IoStatus::ok, taken};
}

// Collects the ciphertext of `pieces` from their byte `taken` on, and moves that on. One record is
// filled from several pieces: a head and its body leave as one.
bool Stream::encrypt(std::span<const base::Bytes> pieces, std::size_t& taken) {
  ERR_clear_error();
  std::array<char, record_bytes> record;
  std::size_t filled = 0;
  const auto seal = [this](base::Bytes bytes) {
    std::size_t written = 0;
    return SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) == 1 &&
           written == bytes.size();
  };
  bool good = true;
  std::size_t skip = taken;
  const std::size_t end = taken + encrypt_bytes_max;
  for (base::Bytes piece : pieces) {
    const std::size_t skipped = std::min(skip, piece.size());
    piece = piece.subspan(skipped);
    skip -= skipped;
    while (good && !piece.empty() && taken < end) {
      if (filled == 0 && piece.size() >= record.size()) {  // whole records straight from the source
        good = seal(piece.first(record.size()));
        piece = piece.subspan(record.size());
        taken += record.size();
        continue;
      }
      const std::size_t part = std::min(piece.size(), record.size() - filled);
      std::memcpy(record.data() + filled, piece.data(), part);
      filled += part;
      taken += part;
      piece = piece.subspan(part);
      if (filled == record.size()) {
        good = seal(record);
        filled = 0;
      }
    }
  }
  if (good && filled > 0) good = seal({record.data(), filled});
  if (!good) {
    tls_broken_ = true;
    error_text_ = tls_error_text();
    collected_ = 0;
  }
  return good;
}

void Stream::collect_ciphertext(base::Bytes bytes) {
  const base::MutableBytes scratch = loop_.scratch();
  if (collected_ + bytes.size() >
      scratch.size()) {  // a peer cannot cause it: see encrypt_bytes_max
    tls_broken_ = true;
    return;
  }
  std::memcpy(scratch.data() + collected_, bytes.data(), bytes.size());
  collected_ += bytes.size();
}

IoStatus Stream::flush() {
  const base::Bytes fresh{loop_.scratch().data(), std::exchange(collected_, 0)};
  const base::Bytes kept = pending_.has_memory() ? pending_.unread() : base::Bytes{};
  const std::size_t total = kept.size() + fresh.size();
  if (total == 0) return IoStatus::ok;
  const std::array<iovec, 2> vectors{iovec{const_cast<char*>(kept.data()), kept.size()},
                                     iovec{const_cast<char*>(fresh.data()), fresh.size()}};
  const IoResult result = kept.empty() ? send({&vectors[1], 1}) : send(vectors);
  if (result.status == IoStatus::failed) {
    tls_broken_ = true;
    return IoStatus::failed;
  }
  if (result.bytes == total) {
    pending_.release();
    return IoStatus::ok;
  }
  descriptor_.set_full();
  const std::size_t from_kept = std::min(result.bytes, kept.size());
  const base::Bytes rest = fresh.subspan(result.bytes - from_kept);
  if (pending_.has_memory()) pending_.consume(from_kept);
  if (!rest.empty()) {
    if (!pending_.has_memory()) pending_ = loop_.buffers.borrow(rest.size());
    pending_.compact();
    while (pending_.free_space().size() < rest.size()) {
      if (!loop_.buffers.grow(pending_)) {
        tls_broken_ = true;
        return IoStatus::failed;
      }
    }
    std::memcpy(pending_.free_space().data(), rest.data(), rest.size());
    pending_.commit(rest.size());
  }
  return IoStatus::would_block;
}

IoStatus Stream::tls_status(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return IoStatus::would_block;
    case SSL_ERROR_ZERO_RETURN: return IoStatus::closed;
    default: break;
  }
  tls_broken_ = true;
  refused_client_certificate_ = is_client_certificate_refusal(*ssl_);
  error_text_ = tls_error_text(*ssl_);
  return IoStatus::failed;
}

void Stream::use_tls(SslPointer session) {
  ssl_ = std::move(session);
  BIO* bio = BIO_new(StreamBio::method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
}

IoStatus Stream::try_handshake() {
  if (!is_open()) return IoStatus::failed;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  const IoStatus status = result == 1 ? IoStatus::ok : tls_status(result);
  const IoStatus flushed = flush();  // also sends the alert of a failure
  if (flushed == IoStatus::failed || status == IoStatus::failed) return IoStatus::failed;
  if (status == IoStatus::closed) return IoStatus::failed;
  return status;
}

std::string_view Stream::tls_version() const {
  return ssl_ != nullptr ? SSL_get_version(ssl_.get()) : std::string_view{};
}

std::string_view Stream::tls_cipher() const {
  return ssl_ != nullptr ? SSL_get_cipher_name(ssl_.get()) : std::string_view{};
}

std::string_view Stream::tls_server_name() const {
  const char* name =
      ssl_ != nullptr ? SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name) : nullptr;
  return name != nullptr ? name : std::string_view{};
}

std::string_view Stream::tls_alpn() const {
  if (ssl_ == nullptr) return {};
  const unsigned char* name = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

bool Stream::tls_resumed() const { return ssl_ != nullptr && SSL_session_reused(ssl_.get()) == 1; }

const ClientCertificate* Stream::client_certificate() const {
  if (client_certificate_ == nullptr && ssl_ != nullptr && SSL_is_server(ssl_.get()) == 1) {
    client_certificate_ = read_client_certificate(*ssl_);
  }
  return client_certificate_.get();
}

bool Stream::serves_authority(std::string_view host) const {
  return ssl_ == nullptr || net::serves_authority(*ssl_, base::to_lower(tls_server_name()), host);
}

std::string tls_library_version() { return OpenSSL_version(OPENSSL_VERSION); }

void Stream::shutdown_write() {
  if (!is_open()) return;
  if (ssl_ != nullptr && !tls_broken_) {
    SSL_shutdown(ssl_.get());
    (void)flush();
  }
  ::shutdown(fd(), SHUT_WR);
}

}  // namespace sluice::net
