// WebSocket frames on their way through (RFC 6455 5): where one ends and the next begins, and the
// few frames that we send ourselves. No I/O, nothing is unmasked or changed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "sluice/base/bytes.h"

namespace sluice::http {

// Follows one direction of a connection from its first byte after the handshake.
class WebSocketScanner {
 public:
  void feed(base::Bytes bytes);
  // No further than to the end of the frame under way, or of the next one; returns how many bytes
  // that were. At least one, unless `bytes` is empty.
  [[nodiscard]] std::size_t feed_frame(base::Bytes bytes);

  // Everything fed so far ends with a whole frame: one of ours may follow. Never true again once
  // the bytes were no frames.
  [[nodiscard]] bool at_boundary() const { return !is_lost_ && header_size_ == 0 && payload_ == 0; }
  // A close frame has begun: no frame may follow it (RFC 6455 5.5.1).
  [[nodiscard]] bool has_closed() const { return has_closed_; }

 private:
  static constexpr std::size_t header_max = 14;

  // Bytes that the header begun in `header_` has in all, as far as that is known.
  [[nodiscard]] std::size_t header_length() const;
  void end_header();

  std::array<unsigned char, header_max> header_{};
  std::size_t header_size_ = 0;  // of header_, while a header is read
  std::uint64_t payload_ = 0;    // still to come of the frame under way
  bool is_lost_ = false;
  bool has_closed_ = false;
};

enum class WebSocketRole : std::uint8_t {
  server,  // frames are not masked
  client,  // frames are masked
};

// A frame of ours, ready to be sent.
struct ControlFrame {
  std::array<char, 8> storage{};  // header, mask, two bytes of payload
  std::size_t size = 0;

  [[nodiscard]] base::Bytes bytes() const { return {storage.data(), size}; }
};

// Close codes of RFC 6455 7.4.1 and the IANA registry.
inline constexpr std::uint16_t going_away = 1001;
inline constexpr std::uint16_t service_restart = 1012;

// `mask`: any bits, for the role client.
[[nodiscard]] ControlFrame close_frame(WebSocketRole role, std::uint16_t code, std::uint32_t mask);
[[nodiscard]] ControlFrame ping_frame(WebSocketRole role, std::uint32_t mask);

}  // namespace sluice::http
