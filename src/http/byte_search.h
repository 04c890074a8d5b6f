// Searching text eight bytes at a time, in plain integers: the runs searched here (a name, a value,
// a target) are mostly shorter than what a call of memchr costs, and every machine has 64-bit
// words.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace sluice::http {

// The eight bytes at `at`, the first one lowest whatever the machine's byte order.
[[nodiscard]] inline std::uint64_t load_word(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

[[nodiscard]] constexpr std::uint64_t every_byte(std::uint8_t value) {
  return 0x0101010101010101U * value;
}

// Marks carry 0x80 in the bytes that match. The lowest mark is always right; the borrow of the
// subtraction may leave false marks above a right one, never below.
[[nodiscard]] constexpr std::uint64_t mark_below(std::uint64_t word, std::uint8_t bound) {
  return (word - every_byte(bound)) & ~word & every_byte(0x80);  // bound <= 0x80
}
[[nodiscard]] constexpr std::uint64_t mark_equal(std::uint64_t word, std::uint8_t value) {
  return mark_below(word ^ every_byte(value), 1);
}
[[nodiscard]] constexpr int first_marked(std::uint64_t marks) {
  return std::countr_zero(marks) / 8;
}

// The first control character (0x00-0x1f, the tab among them, or 0x7f), or `end`.
[[nodiscard]] inline const char* find_control(const char* at, const char* end) {
  for (; end - at >= 8; at += 8) {
    const std::uint64_t word = load_word(at);
    const std::uint64_t marks = mark_below(word, 0x20) | mark_equal(word, 0x7f);
    if (marks != 0) return at + first_marked(marks);
  }
  while (at < end && static_cast<unsigned char>(*at) >= 0x20 && *at != 0x7f) ++at;
  return at;
}

// The same with the space among them.
[[nodiscard]] inline const char* find_space_or_control(const char* at, const char* end) {
  for (; end - at >= 8; at += 8) {
    const std::uint64_t word = load_word(at);
    const std::uint64_t marks = mark_below(word, 0x21) | mark_equal(word, 0x7f);
    if (marks != 0) return at + first_marked(marks);
  }
  while (at < end && static_cast<unsigned char>(*at) > 0x20 && *at != 0x7f) ++at;
  return at;
}

// The first byte equal to `wanted`, or `end`.
[[nodiscard]] inline const char* find_byte(const char* at, const char* end, char wanted) {
  for (; end - at >= 8; at += 8) {
    const std::uint64_t marks = mark_equal(load_word(at), static_cast<std::uint8_t>(wanted));
    if (marks != 0) return at + first_marked(marks);
  }
  while (at < end && *at != wanted) ++at;
  return at;
}

// What a field value may hold (RFC 9110 5.5): visible ASCII, space, tab and bytes from 0x80.
[[nodiscard]] inline bool is_field_text(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  at = find_control(at, end);
  while (at != end && *at == '\t') at = find_control(at + 1, end);
  return at == end;
}

}  // namespace sluice::http
