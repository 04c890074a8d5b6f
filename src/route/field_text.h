// Which bytes the name and the value of a header field may have (RFC 9110 5.1, 5.5).
#pragma once

#include <algorithm>
#include <string_view>

namespace sluice::route {

[[nodiscard]] inline bool is_token_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
}

[[nodiscard]] inline bool is_field_name(std::string_view text) {
  return !text.empty() && text.size() <= 256 && std::ranges::all_of(text, is_token_byte);
}

// Visible characters, space, tab, and bytes beyond ASCII.
[[nodiscard]] inline bool is_field_value_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= ' ' && byte != 0x7f) || c == '\t';
}

// Without white space at its ends, which would be no part of it.
[[nodiscard]] inline bool is_field_value(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  if (!text.empty() && (is_space(text.front()) || is_space(text.back()))) return false;
  return std::ranges::all_of(text, is_field_value_byte);
}

}  // namespace sluice::route
