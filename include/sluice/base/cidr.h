// IP addresses and address ranges, as text and as bytes.
//
// One client has one spelling: an IPv4-mapped IPv6 address (RFC 4291 2.5.5.2), which is how a
// dual-stack socket shows IPv4 clients, is an IPv4 address here. So `10.0.0.0/8` holds
// ::ffff:10.1.2.3, and `::/0` holds no IPv4 client. Plain values; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace sluice::base {

class IpAddress {
 public:
  // `10.0.0.1`, `2001:db8::1`, `::ffff:10.0.0.1`. No brackets, zone, port, spaces or octal.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);
  // 4 or 16 bytes in network order; nothing for another size.
  [[nodiscard]] static std::optional<IpAddress> from_bytes(std::span<const std::uint8_t> bytes);

  [[nodiscard]] bool is_v4() const { return size_ == 4; }
  // 4 or 16 bytes in network order.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }
  // The canonical text (RFC 5952), without brackets.
  [[nodiscard]] std::string text() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};  // unused bytes stay zero, so that == compares addresses
  std::size_t size_ = 4;
};

class Cidr {
 public:
  // `10.0.0.0/8`, `2001:db8::/32`, or an address alone, which is a range of one. Bits after the
  // prefix must be zero: `10.0.0.1/8` is more likely a slip that trusts a whole network than a
  // wish.
  [[nodiscard]] static std::optional<Cidr> parse(std::string_view text);

  [[nodiscard]] bool contains(const IpAddress& address) const;
  // 4 or 16 bytes in network order; false for another size.
  [[nodiscard]] bool contains(std::span<const std::uint8_t> address) const;
  // All of `other`.
  [[nodiscard]] bool contains(const Cidr& other) const {
    return prefix_ <= other.prefix_ && contains(other.network_);
  }
  [[nodiscard]] const IpAddress& network() const { return network_; }
  [[nodiscard]] unsigned prefix() const { return prefix_; }
  // Always with the prefix: `10.0.0.1/32`.
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Cidr&, const Cidr&) = default;

 private:
  Cidr(const IpAddress& network, unsigned prefix) : network_(network), prefix_(prefix) {}

  IpAddress network_;
  unsigned prefix_;  // 0..32 or 0..128
};

}  // namespace sluice::base
