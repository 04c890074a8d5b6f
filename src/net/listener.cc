#include "sluice/net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sluice/observe/log.h"

namespace sluice::net {

namespace {

constexpr int backlog = 4096;

std::string system_text(const char* what) {
  return std::string(what) + ": " + std::strerror(errno);
}

OwnedFd bound_socket(const Endpoint& endpoint, bool share_port, std::string& error) {
  OwnedFd fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_valid()) {
    error = system_text("socket");
    return {};
  }
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (share_port) ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (endpoint.family() == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (::bind(fd.get(), endpoint.data(), endpoint.size()) != 0) {
    error = system_text("bind");
    const int bind_error = errno;
    fd = OwnedFd();
    errno = bind_error;
    return {};
  }
  return fd;
}

std::vector<OwnedFd> duplicates(OwnedFd first, std::size_t count, std::string& error) {
  std::vector<OwnedFd> sockets;
  for (std::size_t i = 1; i < count; ++i) {
    OwnedFd copy(::fcntl(first.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.is_valid()) {
      error = system_text("dup");
      return {};
    }
    sockets.push_back(std::move(copy));
  }
  sockets.push_back(std::move(first));
  return sockets;
}

const char* path_of(const Endpoint& endpoint) {
  return reinterpret_cast<const sockaddr_un*>(endpoint.data())->sun_path;
}

// Only a refusal tells that nobody listens: a full queue or a missing permission does not.
bool is_stale(const Endpoint& endpoint) {
  const OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe.is_valid() && ::connect(probe.get(), endpoint.data(), endpoint.size()) != 0 &&
         errno == ECONNREFUSED;
}

// Why a Unix socket cannot be bound. Empty: its path is free, or has a file that nobody listens on
// any more.
std::string unix_obstacle(const Endpoint& endpoint, bool& in_use) {
  struct stat status{};
  const bool exists = ::lstat(path_of(endpoint), &status) == 0;
  if (exists && !S_ISSOCK(status.st_mode)) return "the path exists and is not a socket";
  in_use = exists && !is_stale(endpoint);
  if (in_use) return "bind: " + std::string(std::strerror(EADDRINUSE));
  const std::string path = path_of(endpoint);
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const bool may_write =
      ::faccessat(AT_FDCWD, folder.empty() ? "." : folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
  return may_write ? std::string() : system_text("bind");
}

std::vector<OwnedFd> listen_on_unix(const Endpoint& endpoint, std::size_t count,
                                    std::string& error) {
  bool in_use = false;
  error = unix_obstacle(endpoint, in_use);
  if (!error.empty()) return {};
  ::unlink(path_of(endpoint));  // a stale file would make bind fail for ever
  OwnedFd fd = bound_socket(endpoint, false, error);
  if (!fd.is_valid()) return {};
  if (::listen(fd.get(), backlog) != 0) {
    error = system_text("listen");
    return {};
  }
  return duplicates(std::move(fd), count, error);
}

}  // namespace

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) ::close(fd_);
}

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = other.release();
  }
  return *this;
}

int OwnedFd::release() { return std::exchange(fd_, -1); }

std::string probe_listen(const Endpoint& endpoint, bool& in_use) {
  in_use = false;
  if (endpoint.family() == AF_UNIX) return unix_obstacle(endpoint, in_use);
  std::string error;
  // Without SO_REUSEPORT the kernel refuses a port that anybody listens on, our own kind included.
  if (!bound_socket(endpoint, false, error).is_valid()) in_use = errno == EADDRINUSE;
  return error;
}

OwnedFd reserve_port(Endpoint& endpoint, std::string& error) {
  // The kernel chooses a port that nobody has, SO_REUSEPORT or not.
  OwnedFd fd = bound_socket(endpoint, true, error);
  if (fd.is_valid()) endpoint = local_endpoint(fd.get());
  return fd;
}

std::vector<OwnedFd> listen_on(const Endpoint& endpoint, std::size_t count, bool is_ours,
                               std::string& error) {
  if (endpoint.family() == AF_UNIX) return listen_on_unix(endpoint, count, error);
  Endpoint chosen = endpoint;
  OwnedFd reserved;
  bool in_use = false;
  error.clear();
  if (endpoint.port() == 0) {
    reserved = reserve_port(chosen, error);
  } else if (!is_ours) {
    error = probe_listen(endpoint, in_use);
  }
  if (!error.empty()) return {};
  std::vector<OwnedFd> sockets;
  for (std::size_t i = 0; i < count; ++i) {
    OwnedFd fd = bound_socket(chosen, true, error);
    if (!fd.is_valid()) return {};
    if (::listen(fd.get(), backlog) != 0) {
      error = system_text("listen");
      return {};
    }
    sockets.push_back(std::move(fd));
  }
  return sockets;
}

std::vector<OwnedFd> adopt_listening(int fd, std::size_t count, std::string& error) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
    error = system_text("fcntl");
    return {};
  }
  OwnedFd first(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!first.is_valid()) {
    error = system_text("dup");
    return {};
  }
  return duplicates(std::move(first), count, error);
}

bool is_listening(int fd) {
  int accepts = 0;
  socklen_t size = sizeof accepts;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0 || accepts == 0) {
    return false;
  }
  // A Unix socket that was shut still says that it accepts; but it has hung up.
  pollfd shut{fd, POLLRDHUP, 0};
  return ::poll(&shut, 1, 0) == 0;
}

// Closing would not do: the service manager has a descriptor of its own.
void stop_listening(int fd) { ::shutdown(fd, SHUT_RD); }

Endpoint local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* const data = reinterpret_cast<sockaddr*>(&address);
  return ::getsockname(fd, data, &size) == 0 ? Endpoint::from(data, size) : Endpoint();
}

void set_stream_options(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // fails on Unix sockets: no matter
}

Listener::Listener(Loop& loop, OwnedFd socket, Accepted accepted)
    : loop_(loop),
      accepted_(std::move(accepted)),
      socket_(std::make_unique<Descriptor>(loop.poller, socket.release())),
      resume_(std::make_shared<WaitSlot>()),
      resume_at_(
          loop.deadlines,
          [](void* context) { static_cast<WaitSlot*>(context)->fire(Wake::expired); },
          resume_.get()) {}

Listener::~Listener() = default;

void Listener::start() { spawn(run()); }

Task<> Listener::run() {
  for (;;) {
    if (!socket_->is_open()) co_return;
    int accepted = 0;
    while (accepted < accepts_per_event && accept_one()) ++accepted;
    if (!socket_->is_open()) co_return;
    if (paused_) {
      resume_at_.set(pause);
      const Wake resumed = co_await resume_->wait();
      if (resumed == Wake::closed) co_return;
      continue;
    }
    if (accepted == accepts_per_event) {
      asio::post(loop_.context, [slot = resume_] { slot->fire(Wake::ready); });
      const Wake resumed = co_await resume_->wait();
      if (resumed == Wake::closed) co_return;
      continue;
    }
    const Wake wake = co_await socket_->reader.wait();
    if (wake == Wake::closed) co_return;
  }
}

bool Listener::accept_one() {
  paused_ = false;
  for (;;) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    OwnedFd fd(::accept4(socket_->fd(), reinterpret_cast<sockaddr*>(&address), &size,
                         SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.is_valid()) {
      exhausted_said_ = false;
      set_stream_options(fd.get());
      accepted_(std::move(fd), Endpoint::from(reinterpret_cast<const sockaddr*>(&address), size));
      return true;
    }
    // The peer gave up while it waited in the queue, or a signal came: the next one may be fine.
    if (errno == EINTR || errno == ECONNABORTED || errno == EPROTO) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      paused_ = true;
      if (!std::exchange(exhausted_said_, true)) {
        observe::log(observe::Level::error,
                     "descriptors_exhausted: accept: " + std::string(std::strerror(errno)) +
                         "; new connections wait until some are closed");
      }
    }
    return false;
  }
}

void Listener::stop() {
  if (!socket_->is_open()) return;
  // No more than the queue can hold: clients that come faster than they are accepted would keep it
  // open for ever.
  for (int taken = 0; taken < backlog && accept_one(); ++taken) {
  }
  socket_->close();
  resume_at_.clear();
  socket_->reader.fire(Wake::closed);
  resume_->fire(Wake::closed);
}

}  // namespace sluice::net
