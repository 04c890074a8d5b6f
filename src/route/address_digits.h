// An address as text of hexadecimal digits, so that a tree of texts is a tree of address ranges.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/cidr.h"

namespace sluice::route {

// '4' or '6', then two digits for each byte.
class AddressDigits {
 public:
  explicit AddressDigits(const base::IpAddress& address) {
    put(address.is_v4() ? '4' : '6');
    for (const std::uint8_t byte : address.bytes()) {
      put(digits[byte >> 4]);
      put(digits[byte & 15]);
    }
  }
  [[nodiscard]] std::string_view text() const { return {text_.data(), size_}; }

  // What the digits of all addresses of the range begin with, one of these: where the prefix ends
  // within a digit, that has up to eight values.
  [[nodiscard]] static std::vector<std::string> beginnings_of(const base::Cidr& range) {
    const AddressDigits network(range.network());
    const std::string whole(network.text().substr(0, 1 + range.prefix() / 4));
    const unsigned rest = range.prefix() % 4;
    if (rest == 0) return {whole};
    const std::size_t first = digits.find(network.text()[whole.size()]);
    std::vector<std::string> beginnings;
    for (std::size_t digit = first; digit < first + (std::size_t{16} >> rest); ++digit) {
      beginnings.push_back(whole + digits[digit]);
    }
    return beginnings;
  }

 private:
  static constexpr std::string_view digits = "0123456789abcdef";
  void put(char c) { text_[size_++] = c; }
  std::array<char, 33> text_;
  std::size_t size_ = 0;
};

}  // namespace sluice::route
