#include "sluice/base/cidr.h"

#include <arpa/inet.h>

#include <algorithm>

#include "sluice/base/text.h"

namespace sluice::base {
namespace {

constexpr std::array<std::uint8_t, 12> v4_mapped_prefix = {0, 0, 0, 0, 0,    0,
                                                           0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned v4_mapped_bits = 96;

bool is_v4_mapped(std::span<const std::uint8_t> bytes) {
  return bytes.size() == 16 && std::ranges::equal(bytes.first(12), v4_mapped_prefix);
}

// Whether the first `prefix` bits agree. Both sides have the same size, of at least `prefix` bits.
bool same_prefix(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b,
                 unsigned prefix) {
  const std::size_t whole = prefix / 8;
  if (!std::ranges::equal(a.first(whole), b.first(whole))) return false;
  const unsigned rest = prefix % 8;
  if (rest == 0) return true;
  const unsigned mask = (0xff00U >> rest) & 0xffU;
  return ((a[whole] ^ b[whole]) & mask) == 0;
}

bool bits_after_are_zero(std::span<const std::uint8_t> bytes, unsigned prefix) {
  for (std::size_t bit = prefix; bit < bytes.size() * 8; ++bit) {
    if (((bytes[bit / 8] >> (7 - bit % 8)) & 1U) != 0) return false;
  }
  return true;
}

std::optional<unsigned> parse_prefix(std::string_view text, std::size_t most) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  const auto prefix = parse_decimal(text);
  if (!prefix || *prefix > most) return std::nullopt;
  return static_cast<unsigned>(*prefix);
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  // inet_pton reads a C string: a NUL inside would hide what follows it.
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  const std::string copy(text);
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, copy.c_str(), bytes.data()) == 1)
    return from_bytes(std::span(bytes).first(4));
  if (inet_pton(AF_INET6, copy.c_str(), bytes.data()) == 1) return from_bytes(bytes);
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from_bytes(std::span<const std::uint8_t> bytes) {
  if (is_v4_mapped(bytes)) bytes = bytes.subspan(v4_mapped_prefix.size());
  if (bytes.size() != 4 && bytes.size() != 16) return std::nullopt;
  IpAddress address;
  address.size_ = bytes.size();
  std::ranges::copy(bytes, address.bytes_.begin());
  return address;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes_.data(), out.data(), out.size());
  return out.data();
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view address_text = text.substr(0, slash);
  const auto address = IpAddress::parse(address_text);
  if (!address) return std::nullopt;
  const std::size_t bits = address->bytes().size() * 8;
  if (slash == std::string_view::npos) return Cidr(*address, static_cast<unsigned>(bits));

  // A mapped range is written with the prefix of IPv6: ::ffff:10.0.0.0/104 is 10.0.0.0/8.
  const bool mapped = address->is_v4() && address_text.find(':') != std::string_view::npos;
  auto prefix = parse_prefix(text.substr(slash + 1), mapped ? 128 : bits);
  if (!prefix || (mapped && *prefix < v4_mapped_bits)) return std::nullopt;
  if (mapped) *prefix -= v4_mapped_bits;
  if (!bits_after_are_zero(address->bytes(), *prefix)) return std::nullopt;
  return Cidr(*address, *prefix);
}

bool Cidr::contains(const IpAddress& address) const {
  return address.is_v4() == network_.is_v4() &&
         same_prefix(address.bytes(), network_.bytes(), prefix_);
}

bool Cidr::contains(std::span<const std::uint8_t> address) const {
  const auto parsed = IpAddress::from_bytes(address);
  return parsed && contains(*parsed);
}

std::string Cidr::text() const {
  std::string out = network_.text() + '/';
  append_decimal(out, prefix_);
  return out;
}

}  // namespace sluice::base
