#include "sluice/net/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>

#include "sluice/base/text.h"

namespace sluice::net {
namespace {

constexpr std::size_t unix_path_offset = offsetof(sockaddr_un, sun_path);
constexpr std::size_t unix_path_limit = sizeof(sockaddr_un::sun_path) - 1;  // room for the NUL

// Socket addresses are copied, not cast: a sockaddr_storage holds no sockaddr_in object.
template <typename SocketAddress>
SocketAddress read(const void* bytes) {
  SocketAddress address{};
  std::memcpy(&address, bytes, sizeof address);
  return address;
}

Endpoint make_v4(const in_addr& host, std::uint16_t network_port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr = host;
  address.sin_port = network_port;
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Endpoint make_v6(const in6_addr& host, std::uint16_t network_port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = host;
  address.sin6_port = network_port;
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// A path counts to its NUL, which some callers count and some do not; an abstract name, which
// begins with a NUL, has none at its end; the peer of an unbound socket has no name at all.
socklen_t normalize_unix(const sockaddr* source, socklen_t size, sockaddr_storage& out) {
  if (size < unix_path_offset || size > sizeof(sockaddr_un)) return 0;
  sockaddr_un address{};
  std::memcpy(&address, source, size);
  const std::size_t given = size - unix_path_offset;
  const bool is_path = given > 0 && address.sun_path[0] != '\0';
  const std::size_t counted =
      is_path ? std::min(strnlen(address.sun_path, given) + 1, sizeof address.sun_path) : given;
  std::memcpy(&out, &address, unix_path_offset + counted);
  return static_cast<socklen_t>(unix_path_offset + counted);
}

// The form in which two spellings of one place have the same bytes; the number of bytes that count,
// or 0 for a family that we do not know.
socklen_t normalize(const sockaddr* source, socklen_t size, sockaddr_storage& out) {
  switch (source->sa_family) {
    case AF_INET: {
      if (size < sizeof(sockaddr_in)) return 0;
      auto address = read<sockaddr_in>(source);
      std::memset(address.sin_zero, 0, sizeof address.sin_zero);
      std::memcpy(&out, &address, sizeof address);
      return sizeof address;
    }
    case AF_INET6: {
      if (size < sizeof(sockaddr_in6)) return 0;
      auto address = read<sockaddr_in6>(source);
      address.sin6_flowinfo = 0;
      std::memcpy(&out, &address, sizeof address);
      return sizeof address;
    }
    case AF_UNIX: return normalize_unix(source, size, out);
    default: return 0;
  }
}

std::string with_port(const Endpoint& endpoint) {
  std::string out = endpoint.address_text();
  if (!endpoint.address().is_v4()) out = '[' + out + ']';
  out += ':';
  base::append_decimal(out, endpoint.port());
  return out;
}

// A Unix socket's path; '@' stands for the NUL of the abstract names, as in ss(8).
std::string unix_text(const Endpoint& endpoint) {
  const char* bytes = reinterpret_cast<const char*>(endpoint.data()) + unix_path_offset;
  const std::size_t size = endpoint.size() - unix_path_offset;
  std::string out = "unix:";
  if (size == 0) return out;
  if (bytes[0] == '\0') return out + '@' + std::string(bytes + 1, size - 1);
  return out + std::string(bytes, strnlen(bytes, size));
}

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

}  // namespace

std::optional<Endpoint> Endpoint::numeric(std::string_view host, std::uint16_t port) {
  const std::string text(host);
  if (text.find('\0') != std::string::npos) return std::nullopt;
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return make_v4(v4, htons(port));
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) == 1) return make_v6(v6, htons(port));
  return std::nullopt;
}

Endpoint Endpoint::unix_path(std::string_view path) {
  if (path.empty() || path.size() > unix_path_limit || path.find('\0') != path.npos) return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return from(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Endpoint Endpoint::from(const sockaddr* address, socklen_t size) {
  Endpoint endpoint;
  if (address == nullptr || size < sizeof(sa_family_t)) return endpoint;
  endpoint.size_ = normalize(address, size, endpoint.storage_);
  return endpoint;
}

const sockaddr* Endpoint::data() const { return reinterpret_cast<const sockaddr*>(&storage_); }

std::uint16_t Endpoint::port() const {
  if (family() == AF_INET) return ntohs(read<sockaddr_in>(&storage_).sin_port);
  if (family() == AF_INET6) return ntohs(read<sockaddr_in6>(&storage_).sin6_port);
  return 0;
}

base::IpAddress Endpoint::address() const {
  std::optional<base::IpAddress> found;
  if (family() == AF_INET) {
    const auto host = read<std::array<std::uint8_t, 4>>(reinterpret_cast<const char*>(&storage_) +
                                                        offsetof(sockaddr_in, sin_addr));
    found = base::IpAddress::from_bytes(host);
  } else if (family() == AF_INET6) {
    const auto host = read<std::array<std::uint8_t, 16>>(reinterpret_cast<const char*>(&storage_) +
                                                         offsetof(sockaddr_in6, sin6_addr));
    found = base::IpAddress::from_bytes(host);
  }
  return found.value_or(base::IpAddress{});
}

std::string Endpoint::text() const {
  switch (family()) {
    case AF_INET:
    case AF_INET6: return with_port(*this);
    case AF_UNIX: return unix_text(*this);
    default: return "-";
  }
}

std::string Endpoint::address_text() const {
  switch (family()) {
    case AF_INET:
    case AF_INET6: return address().text();
    case AF_UNIX: return unix_text(*this);
    default: return "-";
  }
}

std::strong_ordering operator<=>(const Endpoint& a, const Endpoint& b) {
  if (const auto by_size = a.size_ <=> b.size_; by_size != 0) return by_size;
  return std::memcmp(&a.storage_, &b.storage_, a.size_) <=> 0;
}

std::optional<Endpoint> resolve(const config::Address& address, std::string& error) {
  if (address.is_unix) {
    const Endpoint endpoint = Endpoint::unix_path(address.host);
    if (endpoint.family() == AF_UNIX) return endpoint;
    error = "the path of a Unix socket has 1 to " + std::to_string(unix_path_limit) + " bytes";
    return std::nullopt;
  }
  if (const auto endpoint = Endpoint::numeric(address.host, address.port)) return endpoint;

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code =
      getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (code != 0) {
    error = "cannot resolve '" + address.host + "': " + gai_strerror(code);
    return std::nullopt;
  }
  const std::unique_ptr<addrinfo, FreeAddresses> list(found);
  const addrinfo* chosen = found;
  while (chosen != nullptr && chosen->ai_family != AF_INET) chosen = chosen->ai_next;
  if (chosen == nullptr) chosen = found;
  return Endpoint::from(chosen->ai_addr, chosen->ai_addrlen);
}

bool is_metadata_address(const Endpoint& endpoint) {
  static const base::IpAddress v4 = base::IpAddress::parse("169.254.169.254").value();
  static const base::IpAddress v6 = base::IpAddress::parse("fd00:ec2::254").value();
  const base::IpAddress address = endpoint.address();
  return address == v4 || address == v6;
}

}  // namespace sluice::net
