// An address as text of its bits, so that a tree of texts is a tree of address ranges.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "sluice/base/cidr.h"

namespace sluice::route {

// '4' or '6', then each bit as '0' or '1'.
class AddressBits {
 public:
  explicit AddressBits(const base::IpAddress& address) {
    put(address.is_v4() ? '4' : '6');
    for (const std::uint8_t byte : address.bytes()) {
      for (unsigned bit = 8; bit-- > 0;) put(((byte >> bit) & 1U) != 0 ? '1' : '0');
    }
  }
  [[nodiscard]] std::string_view text() const { return {text_.data(), size_}; }

 private:
  void put(char c) { text_[size_++] = c; }
  std::array<char, 129> text_{};
  std::size_t size_ = 0;
};

}  // namespace sluice::route
