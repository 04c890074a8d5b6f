#include "support/peer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace sluice::support {

namespace {

constexpr std::chrono::seconds patience{10};

net::OwnedFd checked(int fd, const char* what) {
  if (fd < 0) ADD_FAILURE() << what << ": " << std::strerror(errno);
  return net::OwnedFd(fd);
}

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
  while (!done()) {
    if (std::chrono::steady_clock::now() >= give_up) return false;
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
