// HTTP/1.x heads: bytes in, a RequestHead or ResponseHead out. Strict, incremental, zero-copy, no
// I/O.
//
// Incremental: `parse` is called with everything received since the message's first byte, again
// with more after `incomplete`; the bytes may have moved in between (views are made only when the
// head is complete). Lines already scanned are not scanned again: the total work is linear in the
// bytes received. The outcome, its reason too, never depends on how the bytes were cut.
//
// Refused in both directions (T1, T2; RFC 9112 2.2, 3, 5, 6): bare LF or CR, NUL and control bytes,
// obs-fold, white space before a colon, empty or non-token names, repeated or non-decimal
// Content-Length (a list of equal numbers too), Content-Length beside Transfer-Encoding, any coding
// but a single final `chunked`, Transfer-Encoding in HTTP/1.0, versions other than HTTP/1.0
// and 1.1.
//
// Refused in requests: no or several Host, a Host that is not an authority (an empty one too,
// unless the target is absolute), a target that is not in origin, absolute (http or https) or
// asterisk form, bytes outside visible ASCII in it, a fragment; CONNECT and TRACE; expectations
// other than 100-continue; content together with an upgrade. One empty line before a request line
// is skipped (RFC 9112 2.2).
//
// A first byte that cannot begin a message, a bare LF and a crossed limit fail at once, without
// waiting for the line or the head to end; all else is judged when the head is complete. Names that
// only resemble a framing field (`Transfer_Encoding`) are well-formed and pass: the proxy drops
// them (is_alias_of_protected). One thread; no state beyond the scan position.
#pragma once

#include <cstdint>

#include "sluice/base/bytes.h"
#include "sluice/http/message.h"
#include "sluice/observe/reason.h"

namespace sluice::http {

struct HeadLimits {
  std::uint64_t first_line_bytes;  // without CRLF
  std::uint64_t field_bytes;       // one field line, without CRLF
  std::uint64_t fields_bytes;      // all field lines, CRLFs counted
  std::uint32_t field_count;
};

enum class Progress : std::uint8_t { incomplete, complete, failed };

class H1Parser {
 public:
  explicit H1Parser(const HeadLimits& limits) : limits_(limits) {}

  // On `complete`, `head_bytes()` bytes belong to the head and `head` is filled. On `failed`,
  // `reason()` says why; `head` holds what was understood (method, target) for the log, or empty
  // views.
  [[nodiscard]] Progress parse(base::Bytes bytes, RequestHead& head);

  // `request_method` decides whether a body can follow (HEAD; RFC 9112 6.3). 1xx, 204 and 304 have
  // none. A failure's reason is one of the request's; the caller maps it to
  // `target_response_malformed`.
  [[nodiscard]] Progress parse(base::Bytes bytes, ResponseHead& head, Method request_method);

  [[nodiscard]] std::size_t head_bytes() const { return head_bytes_; }
  // On `failed`: of how many bytes it depends, for `classify_desync`.
  [[nodiscard]] std::size_t examined_bytes() const {
    return head_bytes_ != 0 ? head_bytes_ : examined_;
  }
  [[nodiscard]] observe::Reason reason() const { return reason_; }
  [[nodiscard]] bool started() const { return scanned_ > 0; }
  void reset();  // before the next message

 private:
  // One message: begin_* -> scan ... scan -> read_*. Every one fails through `fail`.
  [[nodiscard]] Progress begin_request(base::Bytes bytes);
  [[nodiscard]] Progress begin_response(base::Bytes bytes);
  [[nodiscard]] Progress scan(base::Bytes bytes);
  [[nodiscard]] observe::Reason judge_line_size(std::size_t content_bytes) const;
  Progress fail(observe::Reason reason);

  HeadLimits limits_;
  std::size_t message_start_ = 0;  // 2 behind a skipped empty line
  std::size_t scanned_ = 0;        // bytes searched for line ends so far
  std::size_t line_start_ = 0;     // of the line being scanned
  std::size_t fields_start_ = 0;   // behind the first line; 0 until it is complete
  std::uint32_t field_lines_ = 0;  // complete ones
  std::size_t head_bytes_ = 0;
  std::size_t examined_ = 0;  // when it failed before the end of the head
  observe::Reason reason_ = observe::Reason::none;
};

}  // namespace sluice::http
