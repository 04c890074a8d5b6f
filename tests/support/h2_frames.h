// HTTP/2 frames made by hand (RFC 9113 6), for what no well-behaved peer would send.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::test::h2 {

inline constexpr std::string_view preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

enum Type : std::uint8_t {
  data = 0,
  headers = 1,
  priority = 2,
  rst_stream = 3,
  settings = 4,
  push_promise = 5,
  ping = 6,
  goaway = 7,
  window_update = 8,
  continuation = 9,
  altsvc = 10,
  priority_update = 16,
};
inline constexpr std::uint8_t end_stream = 1;  // also ACK
inline constexpr std::uint8_t end_headers = 4;
inline constexpr std::uint8_t padded = 8;

inline std::string number(std::uint32_t value, int bytes = 4) {
  std::string text;
  for (int i = bytes - 1; i >= 0; --i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

inline std::string frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream,
                         std::string_view payload = {}) {
  return number(static_cast<std::uint32_t>(payload.size()), 3) + number(type, 1) +
         number(flags, 1) + number(stream) + std::string(payload);
}

using Lines = std::vector<std::pair<std::string, std::string>>;

inline std::string hpack_text(std::string_view text) {
  std::string out;
  if (text.size() < 127) {
    out += static_cast<char>(text.size());
  } else {
    out += '\x7f';
    std::size_t rest = text.size() - 127;
    for (; rest >= 128; rest /= 128) out += static_cast<char>(rest % 128 + 128);
    out += static_cast<char>(rest);
  }
  return out + std::string(text);
}

// Literal, never indexed, with a new name (RFC 7541 6.2.3).
inline std::string block(const Lines& lines) {
  std::string out;
  for (const auto& [name, value] : lines) out += '\x10' + hpack_text(name) + hpack_text(value);
  return out;
}

inline Lines get(std::string_view path = "/") {
  return {
      {":method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", std::string(path)}};
}
inline Lines post() {
  return {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}};
}
inline Lines with(Lines lines, const Lines& more) {
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}
inline std::string head(std::uint32_t stream, const Lines& lines, bool ends) {
  return frame(headers, end_headers | (ends ? end_stream : 0), stream, block(lines));
}

struct Frame {
  std::uint8_t type = 0;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;
  std::string payload;

  [[nodiscard]] std::uint32_t number_at(std::size_t at) const {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4 && i < payload.size(); ++i) {
      value = value << 8 | static_cast<unsigned char>(payload[i]);
    }
    return value;
  }
};

// Whole frames only; a preface in front is skipped.
inline std::vector<Frame> frames_of(std::string_view bytes) {
  if (bytes.starts_with(preface)) bytes.remove_prefix(preface.size());
  std::vector<Frame> found;
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return static_cast<unsigned char>(bytes[i]);
  };
  while (bytes.size() >= 9) {
    const std::uint32_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (bytes.size() < 9 + size) break;
    found.push_back({static_cast<std::uint8_t>(byte(3)), static_cast<std::uint8_t>(byte(4)),
                     byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8),
                     std::string(bytes.substr(9, size))});
    bytes.remove_prefix(9 + size);
  }
  return found;
}

}  // namespace sluice::test::h2
