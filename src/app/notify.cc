#include "app/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

#include "sluice/base/text.h"
#include "sluice/net/listener.h"

namespace sluice::app {

namespace {

constexpr int first_passed_fd = 3;  // sd_listen_fds(3)
constexpr int passed_fds_max = 256;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

void notify(std::string_view state) {
  const std::string path = environment("NOTIFY_SOCKET");
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';  // abstract
  const net::OwnedFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.is_valid()) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  // A manager that does not listen loses a message; there is nobody to tell.
  (void)::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address), size);
}

void notify_reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long microseconds =
      static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
  notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

control::PassedSockets passed_sockets() {
  control::PassedSockets sockets;
  const auto pid = base::parse_decimal(environment("LISTEN_PID"));
  const auto count = base::parse_decimal(environment("LISTEN_FDS"));
  std::string names = environment("LISTEN_FDNAMES");
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  if (!pid.has_value() || *pid != static_cast<std::uint64_t>(::getpid()) || !count.has_value() ||
      *count > passed_fds_max) {
    return sockets;
  }
  for (int i = 0; i < static_cast<int>(*count); ++i) {
    const std::size_t colon = names.find(':');
    const std::string name = names.substr(0, colon);
    names = colon == std::string::npos ? std::string() : names.substr(colon + 1);
    if (!name.empty()) sockets.emplace(name, first_passed_fd + i);
  }
  return sockets;
}

}  // namespace sluice::app
