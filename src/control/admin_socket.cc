#include "control/admin_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "control/admin_guard.h"

namespace sluice::control {
namespace {

constexpr int backlog = 128;
constexpr std::string_view unix_prefix = "unix:";  // of Endpoint::text

std::string last_error(const char* call) {
  return std::string(call) + ": " + std::generic_category().message(errno);
}

bool is_unix(const net::Endpoint& endpoint) { return endpoint.family() == AF_UNIX; }

std::string path_of(const net::Endpoint& endpoint) {
  return endpoint.text().substr(unix_prefix.size());
}

// A file that a former process left would make bind fail for ever. Anything else in its place is
// somebody's, and stays.
std::string remove_stale_file(const net::Endpoint& endpoint) {
  const std::string path = path_of(endpoint);
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return {};
  if (!S_ISSOCK(status.st_mode)) return "the path exists and is not a socket";
  const net::OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe.is_valid()) return last_error("socket");
  const bool is_refused =
      ::connect(probe.get(), endpoint.data(), endpoint.size()) != 0 && errno == ECONNREFUSED;
  if (!is_refused) return "bind: " + std::generic_category().message(EADDRINUSE);
  return ::unlink(path.c_str()) == 0 ? std::string() : last_error("unlink");
}

net::Endpoint local_endpoint(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  auto* const data = reinterpret_cast<sockaddr*>(&address);
  if (::getsockname(descriptor, data, &size) != 0) return {};
  return net::Endpoint::from(data, size);
}

}  // namespace

AdminSocket::AdminSocket(AdminSocket&& other) noexcept { *this = std::move(other); }

AdminSocket& AdminSocket::operator=(AdminSocket&& other) noexcept {
  if (this == &other) return *this;
  remove_file();
  descriptor_ = std::move(other.descriptor_);
  requested_ = std::exchange(other.requested_, {});
  bound_ = std::exchange(other.bound_, {});
  path_ = std::exchange(other.path_, {});
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

std::string AdminSocket::open(const net::Endpoint& endpoint, bool has_tokens) {
  if (endpoint.family() == AF_UNSPEC) return "not an address";
  if (!has_tokens && !is_unix(endpoint) && !is_loopback(endpoint.address())) {
    return "without tokens the admin listener takes loopback addresses and Unix sockets only";
  }
  std::string error = is_unix(endpoint) ? remove_stale_file(endpoint) : std::string();
  if (error.empty()) error = bind(endpoint);
  if (error.empty() && ::listen(descriptor_.get(), backlog) != 0) error = last_error("listen");
  if (!error.empty()) return error;
  requested_ = endpoint;
  bound_ = local_endpoint(descriptor_.get());
  return {};
}

std::string AdminSocket::bind(const net::Endpoint& endpoint) {
  descriptor_ =
      net::OwnedFd(::socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!descriptor_.is_valid()) return last_error("socket");
  const int on = 1;
  (void)::setsockopt(descriptor_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.family() == AF_INET6) {
    (void)::setsockopt(descriptor_.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  // Before bind: Linux gives the file the mode of the socket, so it never has a wider one. (umask
  // would do the same to every file that other threads make meanwhile.)
  if (is_unix(endpoint) && ::fchmod(descriptor_.get(), S_IRUSR | S_IWUSR) != 0) {
    return last_error("fchmod");
  }
  if (::bind(descriptor_.get(), endpoint.data(), endpoint.size()) != 0) return last_error("bind");
  if (!is_unix(endpoint)) return {};
  path_ = path_of(endpoint);
  struct stat status{};
  if (::lstat(path_.c_str(), &status) != 0) return last_error("stat");
  device_ = status.st_dev;
  inode_ = status.st_ino;
  return {};
}

bool AdminSocket::serves(const net::Endpoint& endpoint) const {
  if (endpoint.family() == AF_UNSPEC || (endpoint != requested_ && endpoint != bound_))
    return false;
  return path_.empty() || file_is_ours();
}

bool AdminSocket::file_is_ours() const {
  struct stat status{};
  return ::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ &&
         status.st_ino == inode_;
}

// Unless another process has put its own there since.
void AdminSocket::remove_file() {
  if (!path_.empty() && file_is_ours()) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace sluice::control
