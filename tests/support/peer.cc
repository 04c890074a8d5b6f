#include "support/peer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <utility>

namespace sluice::support {

namespace {

constexpr std::chrono::seconds patience{20};
constexpr std::size_t least_turns = 1000;

net::OwnedFd checked(int fd, const char* what) {
  if (fd < 0) ADD_FAILURE() << what << ": " << std::strerror(errno);
  return net::OwnedFd(fd);
}

// The ports of one test program, below those that the kernel chooses from (32768 and up). That it
// has the block is a name in the kernel's abstract namespace, which goes with the process, however
// that ends; tests/integration/support/ports.py has the same blocks and names.
class PortBlock {
 public:
  PortBlock() {
    const auto start = static_cast<std::size_t>(::getpid());  // so that the ports differ mostly
    for (std::size_t i = 0; i < blocks && !claim_.is_valid(); ++i) {
      claim(static_cast<std::uint16_t>(first_port + (start + i) % blocks * block_size));
    }
    if (!claim_.is_valid()) ADD_FAILURE() << blocks << " other test programs have taken all ports";
  }

  std::uint16_t next() {
    for (std::uint16_t tried = 0; tried < block_size; ++tried) {
      const auto port = static_cast<std::uint16_t>(begin_ + next_);
      next_ = static_cast<std::uint16_t>((next_ + 1) % block_size);
      if (is_free(port)) return port;
    }
    ADD_FAILURE() << "none of " << block_size << " ports is free";
    return 0;
  }

 private:
  static constexpr std::size_t blocks = 22;
  static constexpr std::uint16_t first_port = 10'000;
  static constexpr std::uint16_t block_size = 1'000;

  void claim(std::uint16_t begin) {
    const std::string name = "sluice-tests-ports-" + std::to_string(begin);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    net::OwnedFd fd = checked(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return;
    claim_ = std::move(fd);
    begin_ = begin;
  }
  static bool is_free(std::uint16_t port) {
    const net::OwnedFd fd = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    const int on = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const net::Endpoint endpoint = loopback(port);
    return ::bind(fd.get(), endpoint.data(), endpoint.size()) == 0;
  }

  net::OwnedFd claim_;
  std::uint16_t begin_ = 0;
  std::uint16_t next_ = 0;
};

void make_non_blocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

Peer::Peer(net::OwnedFd fd) : fd_(std::move(fd)) { make_non_blocking(fd_.get()); }

void Peer::send(std::string_view text) {
  const ssize_t sent = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
  EXPECT_EQ(sent, static_cast<ssize_t>(text.size())) << std::strerror(errno);
}

void Peer::read_all() {
  std::array<char, 65536> block;
  while (fd_.is_valid() && !ended_) {
    const ssize_t got = ::recv(fd_.get(), block.data(), block.size(), 0);
    if (got > 0) {
      received_.append(block.data(), static_cast<std::size_t>(got));
      continue;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    ended_ = true;
    reset_ = got < 0;
  }
}

const std::string& Peer::received() {
  read_all();
  return received_;
}

std::size_t Peer::drop(std::size_t bytes) {
  std::string block(bytes, '\0');
  const ssize_t got = ::recv(fd_.get(), block.data(), block.size(), 0);
  return got > 0 ? static_cast<std::size_t>(got) : 0;
}

bool Peer::has_ended() {
  read_all();
  return ended_;
}

bool Peer::was_reset() {
  read_all();
  return reset_;
}

void Peer::shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }

void Peer::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

net::Endpoint Peer::endpoint() const { return local_endpoint(fd_.get()); }

Pair unix_pair() {
  auto [ours, theirs] = stream_pair();
  return {std::move(ours), Peer(std::move(theirs))};
}

std::pair<net::OwnedFd, net::OwnedFd> stream_pair() {
  std::array<int, 2> fds{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) != 0) {
    ADD_FAILURE() << "socketpair: " << std::strerror(errno);
  }
  return {net::OwnedFd(fds[0]), net::OwnedFd(fds[1])};
}

Pair tcp_pair() {
  Server server;
  Peer ours = connect(server.endpoint());
  std::optional<Peer> theirs = server.accept();
  net::OwnedFd fd(::fcntl(ours.fd(), F_DUPFD_CLOEXEC, 0));
  return {std::move(fd), std::move(*theirs)};
}

void shrink_send_buffer(int fd) {
  const int bytes = 1;  // the kernel rounds it up to its least
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

Server::Server(int backlog)
    : fd_(checked(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")) {
  const net::Endpoint any = loopback(0);
  if (::bind(fd_.get(), any.data(), any.size()) != 0 || ::listen(fd_.get(), backlog) != 0) {
    ADD_FAILURE() << "listen: " << std::strerror(errno);
  }
  endpoint_ = local_endpoint(fd_.get());
}

std::optional<Peer> Server::accept() {
  net::OwnedFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.is_valid()) return std::nullopt;
  return Peer(std::move(fd));
}

std::uint16_t free_port() {
  static PortBlock own;
  return own.next();
}

net::Endpoint loopback(std::uint16_t port) { return *net::Endpoint::numeric("127.0.0.1", port); }

net::Endpoint local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  return net::Endpoint::from(reinterpret_cast<const sockaddr*>(&address), size);
}

Peer connect(const net::Endpoint& endpoint) {
  net::OwnedFd fd = checked(::socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  if (::connect(fd.get(), endpoint.data(), endpoint.size()) != 0) {
    ADD_FAILURE() << "connect to " << endpoint.text() << ": " << std::strerror(errno);
  }
  return Peer(std::move(fd));
}

bool run_until(net::Loop& loop, const std::function<bool()>& done) {
  const auto give_up = std::chrono::steady_clock::now() + patience;
  for (std::size_t turn = 0; !done(); ++turn) {
    // A machine that stood still is no reason to give up: only turns that found nothing are.
    if (turn >= least_turns && std::chrono::steady_clock::now() >= give_up) return false;
    // What `done` looks at may lie outside the loop, where no event ends the waiting.
    loop.context.run_one_for(std::chrono::milliseconds(2));
  }
  return true;
}

void settle(net::Loop& loop) {
  while (loop.context.poll() > 0) {
  }
}

void pass_time(net::Loop& loop, std::chrono::milliseconds time) {
  loop.clock.set(loop.clock.now() + time, loop.clock.wall() + time);
  loop.deadlines.advance();
}

NoDescriptors::NoDescriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  former_ = limit.rlim_cur;
  const int lowest_free = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
  ::close(lowest_free);
  limit.rlim_cur = static_cast<rlim_t>(lowest_free);
  EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
}

NoDescriptors::~NoDescriptors() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = former_;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace sluice::support
