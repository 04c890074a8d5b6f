// HTTP/1.1 messages out: heads and chunk framing into a caller's buffer. No I/O, no allocation.
//
// The writer never overruns: when the buffer is too small it stops, and `overflowed()` says so;
// what was written then is cut anywhere and must not be sent. It never writes a line end that was
// not asked for either: a name that is no token, or control bytes in a value, a target or a phrase,
// are the caller's error and end it in the same way (`overflowed` becomes true). Only
// `trusted_field` does not look. One thread; the buffer outlives the writer.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "sluice/base/bytes.h"

namespace sluice::http {

class H1Writer {
 public:
  explicit H1Writer(base::MutableBytes buffer) : buffer_(buffer) {}

  // METHOD SP target SP HTTP/1.1 CRLF; `query` is appended after '?' when has_query.
  void request_line(std::string_view method, std::string_view path, std::string_view query,
                    bool has_query);
  void status_line(std::uint16_t status, std::string_view reason_phrase);  // HTTP/1.1
  void field(std::string_view name, std::string_view value);
  void field(std::string_view name, std::uint64_t value);
  // For a Field that H1Parser made, or text of our own: known to be clean, copied as it is.
  void trusted_field(std::string_view name, std::string_view value) {
    if (!has_room(name.size() + value.size() + 4)) return;
    append(name);
    append(": ");
    append(value);
    append("\r\n");
  }
  // A field whose value is written in pieces: `begin_field`, any number of `text`, `end_field`.
  void begin_field(std::string_view name);
  void text(std::string_view text);
  void number(std::uint64_t value) {
    char digits[20];
    const auto result = std::to_chars(digits, digits + sizeof digits, value);
    put({digits, static_cast<std::size_t>(result.ptr - digits)});
  }
  // Whole lines or parts of a value that are known to be clean.
  void trusted_text(std::string_view text) { put(text); }
  void end_field() { put("\r\n"); }
  void end_head() { put("\r\n"); }  // the empty line

  [[nodiscard]] bool overflowed() const { return overflowed_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] base::Bytes bytes() const { return {buffer_.data(), size_}; }

 private:
  void put(std::string_view text) {
    if (has_room(text.size())) append(text);
  }
  [[nodiscard]] bool has_room(std::size_t bytes) {
    overflowed_ = overflowed_ || bytes > buffer_.size() - size_;
    return !overflowed_;
  }
  // After `has_room`.
  void append(std::string_view text) {
    if (text.empty()) return;  // memcpy takes no null pointer
    std::memcpy(buffer_.data() + size_, text.data(), text.size());
    size_ += text.size();
  }

  base::MutableBytes buffer_;
  std::size_t size_ = 0;
  bool overflowed_ = false;
};

// Framing around a chunk: `size` CRLF before it, CRLF after it. `out` must hold at least 18 bytes,
// and `size` is not 0: that would be the last chunk, which is a decision of its own.
inline constexpr std::size_t chunk_head_bytes_max = 18;
[[nodiscard]] std::string_view chunk_head(std::uint64_t size, base::MutableBytes out);
inline constexpr std::string_view chunk_tail = "\r\n";
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

[[nodiscard]] std::string_view standard_reason_phrase(std::uint16_t status);  // "" when unknown

}  // namespace sluice::http
