// What may stand in a Content-Type that the configuration gives.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace sluice::route {

// Near enough to RFC 9110 8.3.1, and never able to end the field line.
[[nodiscard]] inline bool is_media_type(std::string_view text) {
  constexpr std::size_t most = 256;  // bytes
  const std::size_t slash = text.find('/');
  return text.size() <= most && slash != 0 && slash != std::string_view::npos &&
         slash + 1 < text.size() && text.front() != ' ' && text.back() != ' ' &&
         std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace sluice::route
