// Where a socket binds or connects: an IPv4 or IPv6 address with a port, or the path of a Unix
// socket.
//
// A value in the form the socket calls take. Padding and lengths are normalised when it is made, so
// that two endpoints compare equal exactly when they name the same place. Any thread; `resolve` may
// block on DNS and belongs to the control thread.
#pragma once

#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/cidr.h"
#include "sluice/config/model.h"

namespace sluice::net {

class Endpoint {
 public:
  // Of no family: size() is 0 and text() is "-". Equal only to its like.
  Endpoint() = default;

  // `host` is an IPv4 or IPv6 address in text, without brackets and zone. Never asks DNS; the
  // octal, hexadecimal and shortened spellings of IPv4 (`127.1`) are refused.
  [[nodiscard]] static std::optional<Endpoint> numeric(std::string_view host, std::uint16_t port);
  // `path` of 1 to 107 bytes; longer or empty ones give an Endpoint of no family.
  [[nodiscard]] static Endpoint unix_path(std::string_view path);
  // As filled in by accept, getsockname and the like. A family we do not know gives one of no
  // family.
  [[nodiscard]] static Endpoint from(const sockaddr* address, socklen_t size);

  [[nodiscard]] const sockaddr* data() const;
  [[nodiscard]] socklen_t size() const { return size_; }
  [[nodiscard]] int family() const {
    return storage_.ss_family;
  }  // AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC
  [[nodiscard]] std::uint16_t port() const;  // host order; 0 for a Unix socket

  // `10.0.0.1:80`, `[2001:db8::1]:80`, `unix:/path`.
  [[nodiscard]] std::string text() const;
  // `10.0.0.1`, `2001:db8::1`, `unix:/path`: no port, no brackets. An IPv4-mapped IPv6 address is
  // printed as IPv4, here and in text(): one client has one spelling.
  [[nodiscard]] std::string address_text() const;
  // 0.0.0.0 when there is none (Unix sockets).
  [[nodiscard]] base::IpAddress address() const;

  friend bool operator==(const Endpoint& a, const Endpoint& b) { return (a <=> b) == 0; }
  // An arbitrary but stable order, for maps.
  friend std::strong_ordering operator<=>(const Endpoint& a, const Endpoint& b);

 private:
  sockaddr_storage storage_{};  // bytes that the family does not use are zero
  socklen_t size_ = 0;
};

// The first address of a name, IPv4 before IPv6: a name stands for one endpoint here, and a server
// with both nearly always listens on IPv4, while `localhost` often is IPv6 first with nobody there.
// Blocks on DNS: control thread only. Nothing when it fails; `error` then says why.
[[nodiscard]] std::optional<Endpoint> resolve(const config::Address& address, std::string& error);

// The instance metadata services of EC2, which hand out credentials: 169.254.169.254 (also mapped
// into IPv6) and fd00:ec2::254, on any port. Never a target (T23).
[[nodiscard]] bool is_metadata_address(const Endpoint& endpoint);

}  // namespace sluice::net
