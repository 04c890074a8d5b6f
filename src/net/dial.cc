#include "sluice/net/dial.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "sluice/net/listener.h"

namespace sluice::net {

namespace {

DialError kind_of(int error) {
  switch (error) {
    case ECONNREFUSED:
    case ENOENT: return DialError::refused;
    case ETIMEDOUT: return DialError::timeout;
    case EMFILE:
    case ENFILE:
    case EADDRNOTAVAIL:  // no local port is left towards that address
    case ENOBUFS:
    case ENOMEM: return DialError::descriptors_exhausted;
    default: return DialError::failed;
  }
}

Dialed failure(int error) { return {nullptr, kind_of(error), std::strerror(error)}; }

int pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

}  // namespace

bool Dialing::cancel() {
  if (slot_ != nullptr && slot_->armed()) {
    slot_->fire(Wake::closed);
    return true;
  }
  if (stream_ == nullptr) return false;
  was_cancelled_ = true;
  return stream_->cancel_writer() || stream_->cancel_reader();
}

Task<Dialed> dial(Loop& loop, Endpoint endpoint, std::chrono::milliseconds timeout,
                  Dialing* dialing) {
  OwnedFd fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_valid()) co_return failure(errno);
  set_stream_options(fd.get());
  const bool done = ::connect(fd.get(), endpoint.data(), endpoint.size()) == 0;
  // EAGAIN: a Unix socket whose queue is full; waiting would never end.
  if (!done && errno != EINPROGRESS) co_return failure(errno);

  Dialed dialed;
  dialed.stream = std::make_unique<Stream>(loop, fd.release());
  if (!dialed.stream->is_open()) co_return failure(EMFILE);
  if (!done) {
    if (dialing != nullptr) dialing->waits_on(dialed.stream.get());
    dialed.stream->set_write_deadline(timeout);
    const Wake wake = co_await dialed.stream->wait_writable();
    dialed.stream->clear_write_deadline();
    if (dialing != nullptr) dialing->waits_on(nullptr);
    if (wake != Wake::ready) co_return failure(ETIMEDOUT);
    const int error = pending_error(dialed.stream->fd());
    if (error != 0) co_return failure(error);
  }
  co_return dialed;
}

Task<HandshakeResult> handshake(Stream& stream, std::chrono::milliseconds timeout, TurnGate* gate) {
  const base::SteadyTime end = stream.loop().clock.now() + timeout;
  stream.set_read_deadline(timeout);
  stream.set_write_deadline(timeout);
  HandshakeResult result;
  for (;;) {
    if (gate != nullptr) {
      co_await gate->pass();
      // A deadline that came meanwhile found nobody waiting.
      if (stream.loop().clock.now() >= end) {
        result = {DialError::tls_timeout, {}};
        break;
      }
    }
    const IoStatus status = stream.try_handshake();
    if (status == IoStatus::ok && !stream.has_pending_output()) break;
    if (status == IoStatus::failed) {
      result = {DialError::tls_failed, stream.take_error_text()};
      break;
    }
    Wake wake;
    if (stream.has_pending_output()) {
      wake = co_await stream.wait_writable();
    } else {
      wake = co_await stream.wait_readable();
    }
    if (wake != Wake::ready) {
      result = {DialError::tls_timeout, {}};
      break;
    }
  }
  stream.clear_read_deadline();
  stream.clear_write_deadline();
  co_return result;
}

}  // namespace sluice::net
