// Classes of bytes in HTTP text, one table look-up each.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace sluice::http {

namespace character_class {
inline constexpr std::uint8_t token = 1;    // tchar of RFC 9110 5.6.2
inline constexpr std::uint8_t visible = 2;  // 0x21-0x7e but '#', which would begin a fragment
inline constexpr std::uint8_t plain_path =
    4;  // `visible` without what a path's normal form looks at
inline constexpr std::uint8_t unreserved = 8;  // RFC 3986 2.3
inline constexpr std::uint8_t reg_name = 16;   // host names: letters, digits, '-', '.', '_'
inline constexpr std::uint8_t alphanumeric = 32;
}  // namespace character_class

inline constexpr std::array<std::uint8_t, 256> character_classes = [] {
  using namespace character_class;
  std::array<std::uint8_t, 256> classes{};
  const auto add = [&classes](std::string_view characters, unsigned added) {
    for (const char c : characters) {
      auto& entry = classes[static_cast<unsigned char>(c)];
      entry = static_cast<std::uint8_t>(entry | added);
    }
  };
  for (int c = 0x21; c <= 0x7e; ++c) classes[static_cast<std::size_t>(c)] = visible | plain_path;
  for (const char c : std::string_view{"?%/\\#"}) classes[static_cast<unsigned char>(c)] = visible;
  classes['#'] = 0;
  constexpr std::string_view letters_and_digits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  add(letters_and_digits, alphanumeric | token | unreserved | reg_name);
  add("!#$%&'*+-.^_`|~", token);
  add("-._~", unreserved);
  add("-._", reg_name);
  return classes;
}();

[[nodiscard]] constexpr bool is_in(std::uint8_t wanted_class, char c) {
  return (character_classes[static_cast<unsigned char>(c)] & wanted_class) != 0;
}

[[nodiscard]] constexpr bool all_in(std::uint8_t wanted_class, std::string_view text) {
  for (const char c : text) {
    if (!is_in(wanted_class, c)) return false;
  }
  return true;
}

[[nodiscard]] constexpr bool is_token(std::string_view text) {
  return !text.empty() && all_in(character_class::token, text);
}

// 0-15, or -1 for what is no hexadecimal digit.
[[nodiscard]] constexpr int hexadecimal_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace sluice::http
