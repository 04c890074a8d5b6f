#include "sluice/http/websocket.h"

#include <algorithm>
#include <string_view>

namespace sluice::http {

namespace {

constexpr unsigned char final_fragment = 0x80;
constexpr unsigned char masked = 0x80;
constexpr unsigned char opcode_bits = 0x0f;
constexpr unsigned char length_bits = 0x7f;
constexpr unsigned char opcode_close = 0x8;
constexpr unsigned char opcode_ping = 0x9;
constexpr std::size_t mask_bytes = 4;

ControlFrame control_frame(WebSocketRole role, unsigned char opcode, std::string_view payload,
                           std::uint32_t mask) {
  ControlFrame frame;
  const auto put = [&frame](unsigned byte) {
    frame.storage[frame.size++] = static_cast<char>(byte);
  };
  put(final_fragment | opcode);
  const bool is_masked = role == WebSocketRole::client;
  put((is_masked ? masked : 0U) | static_cast<unsigned>(payload.size()));
  if (!is_masked) mask = 0;
  for (std::size_t i = 0; is_masked && i < mask_bytes; ++i) put(mask >> (8 * i) & 0xff);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    put(static_cast<unsigned char>(payload[i]) ^ (mask >> (8 * (i % mask_bytes)) & 0xff));
  }
  return frame;
}

}  // namespace

std::size_t WebSocketScanner::header_length() const {
  if (header_size_ < 2) return 2;
  const std::size_t mask = (header_[1] & masked) != 0 ? mask_bytes : 0;
  const unsigned length = header_[1] & length_bits;
  if (length == 126) return 2 + 2 + mask;
  if (length == 127) return 2 + 8 + mask;
  return 2 + mask;
}

void WebSocketScanner::end_header() {
  const unsigned length = header_[1] & length_bits;
  const std::size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  payload_ = extended == 0 ? length : 0;
  for (std::size_t i = 0; i < extended; ++i) payload_ = payload_ << 8 | header_[2 + i];
  // The most significant bit must be 0 (RFC 6455 5.2).
  if (payload_ >> 63 != 0) is_lost_ = true;
  if ((header_[0] & opcode_bits) == opcode_close) has_closed_ = true;
  header_size_ = 0;
}

void WebSocketScanner::feed(base::Bytes bytes) {
  while (!bytes.empty()) bytes = bytes.subspan(feed_frame(bytes));
}

std::size_t WebSocketScanner::feed_frame(base::Bytes bytes) {
  if (is_lost_) return bytes.size();
  std::size_t used = 0;
  while (used < bytes.size()) {
    if (payload_ > 0) {
      const std::size_t part = std::min<std::uint64_t>(payload_, bytes.size() - used);
      payload_ -= part;
      used += part;
    } else {
      header_[header_size_++] = static_cast<unsigned char>(bytes[used++]);
      if (header_size_ >= 2 && header_size_ == header_length()) end_header();
      if (is_lost_) return bytes.size();
    }
    if (header_size_ == 0 && payload_ == 0) break;
  }
  return used;
}

ControlFrame close_frame(WebSocketRole role, std::uint16_t code, std::uint32_t mask) {
  const std::array<char, 2> payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return control_frame(role, opcode_close, {payload.data(), payload.size()}, mask);
}

ControlFrame ping_frame(WebSocketRole role, std::uint32_t mask) {
  return control_frame(role, opcode_ping, {}, mask);
}

}  // namespace sluice::http
