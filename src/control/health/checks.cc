#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "control/health/check.h"
#include "control/health/makers.h"

namespace sluice::control::health {

namespace {

// All kinds of health checks. The name is the value of `protocol`.
constexpr std::array checks{
    Kind{"http", http_keys, make_http},
    Kind{"https", http_keys, make_https},
    Kind{"tcp", {}, make_tcp},
    Kind{"grpc", grpc_keys, make_grpc},
};

// Of a target as configured: `host:port`, `[v6]:port`, `unix:/path`.
std::string host_of(const target::Target& target) {
  if (target.endpoint().family() == AF_UNIX) return {};
  std::string host = target.id().substr(0, target.id().rfind(':'));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

std::span<const Kind> kinds() { return checks; }

const Kind* find_kind(std::string_view name) {
  const auto* const found = std::ranges::find(checks, name, &Kind::name);
  return found == checks.end() ? nullptr : found;
}

Subject subject_of(const target::Target& target, std::uint16_t port) {
  Subject subject{target.endpoint(), host_of(target)};
  if (port != 0 && subject.endpoint.family() != AF_UNIX) {
    const auto other = net::Endpoint::numeric(subject.endpoint.address_text(), port);
    if (other.has_value()) subject.endpoint = *other;
  }
  return subject;
}

}  // namespace sluice::control::health
