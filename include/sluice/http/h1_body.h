// HTTP/1.x bodies: bytes in, runs of content out. Zero-copy, incremental, no I/O.
//
// Chunk sizes are 1 to 16 hex digits without sign, prefix or overflow; extensions are skipped
// within a bound, quoted strings included; lines end in CRLF and nothing else; trailers are parsed
// with the field rules of the head and bounded (T3, T4). Bytes after the end are never consumed.
#pragma once

#include <cstdint>
#include <string>

#include "sluice/base/bytes.h"
#include "sluice/http/message.h"
#include "sluice/observe/reason.h"

namespace sluice::http {

struct BodyLimits {
  std::uint64_t chunk_extension_bytes;  // of one chunk
  std::uint64_t trailer_bytes;          // whole trailer section
};

class H1Body {
 public:
  H1Body() = default;
  H1Body(Framing framing, std::uint64_t content_length, const BodyLimits& limits);

  struct Step {
    std::size_t consumed = 0;  // of the input: framing and content
    base::Bytes content;       // a run inside the input, possibly empty
  };

  // Consumes until a run of content was found, the input ended, the body ended or it failed. Call
  // again with the rest of the input while `consumed` > 0 and not `finished()`.
  [[nodiscard]] Step decode(base::Bytes input);

  [[nodiscard]] bool finished() const { return state_ == State::finished; }
  [[nodiscard]] bool failed() const { return state_ == State::failed; }
  [[nodiscard]] observe::Reason reason() const { return reason_; }  // after `failed`
  // The peer closed. True when that is a proper end (until_close, or finished before); otherwise
  // the body has failed as incomplete.
  [[nodiscard]] bool finish_at_close();
  // Content bytes known to be still missing: Framing::length only, else 0.
  [[nodiscard]] std::uint64_t remaining() const;
  // Trailer fields, after `finished()`; views into this object, which must not be moved while they
  // are used. Which of them may pass is the proxy's decision (T4).
  [[nodiscard]] const Fields& trailers() const { return trailers_; }

 private:
  // Chunked bodies go round the upper line until a chunk of size 0:
  //
  //   chunk_size -> [extension ...] -> size_lf -> chunk_data -> data_cr -> data_lf
  //       ^                               |                                   |
  //       |                               +-> trailer -> finished             |
  //       +-------------------------------------------------------------------+
  enum class State : std::uint8_t {
    finished,
    length,
    until_close,
    chunk_size,
    chunk_extension,
    chunk_extension_quoted,       // inside "..."
    chunk_extension_quoted_pair,  // behind a backslash inside "..."
    chunk_size_lf,
    chunk_data,
    chunk_data_cr,
    chunk_data_lf,
    trailer,
    failed
  };

  [[nodiscard]] Step take_content(base::Bytes input, std::size_t framing_bytes, State afterwards);
  void take_chunk_size(char c);
  void take_chunk_extension(char c);
  void expect(char c, char wanted, State next);
  [[nodiscard]] std::size_t take_trailer(base::Bytes input);
  void end_trailer_line(bool ends_in_cr, std::size_t content_bytes);
  void read_trailers();
  void fail(observe::Reason reason);

  State state_ = State::finished;
  observe::Reason reason_ = observe::Reason::none;
  std::uint8_t size_digits_ = 0;
  BodyLimits limits_{};
  std::uint64_t remaining_ = 0;        // content bytes of the body (length) or of the chunk
  std::uint64_t extension_bytes_ = 0;  // of the chunk so far, ';' included
  std::size_t trailer_line_ = 0;       // where the unfinished line begins in trailer_bytes_
  std::string trailer_bytes_;  // with its CRLFs; only trailers longer than a few bytes allocate
  Fields trailers_;
};

}  // namespace sluice::http
