#include "sluice/http/h1_body.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "http/characters.h"
#include "http/field_line.h"

namespace sluice::http {

namespace {

using observe::Reason;

constexpr std::uint8_t chunk_size_digits_max = 16;
// As for Content-Length: sums of chunks then stay far from overflow.
constexpr std::uint64_t largest_chunk = std::numeric_limits<std::int64_t>::max();

[[nodiscard]] bool is_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
}

}  // namespace

H1Body::H1Body(Framing framing, std::uint64_t content_length, const BodyLimits& limits)
    : limits_(limits) {
  switch (framing) {
    case Framing::none: break;
    case Framing::length:
      remaining_ = content_length;
      state_ = content_length == 0 ? State::finished : State::length;
      break;
    case Framing::chunked: state_ = State::chunk_size; break;
    case Framing::until_close: state_ = State::until_close; break;
  }
}

H1Body::Step H1Body::decode(base::Bytes input) {
  std::size_t at = 0;
  while (at < input.size()) {
    switch (state_) {
      case State::finished:
      case State::failed: return {at, {}};
      case State::length: return take_content(input, at, State::finished);
      case State::until_close: return {input.size(), input.subspan(at)};
      case State::chunk_size: take_chunk_size(input[at++]); break;
      case State::chunk_extension:
      case State::chunk_extension_quoted:
      case State::chunk_extension_quoted_pair: take_chunk_extension(input[at++]); break;
      case State::chunk_size_lf:
        expect(input[at++], '\n', remaining_ == 0 ? State::trailer : State::chunk_data);
        break;
      case State::chunk_data: return take_content(input, at, State::chunk_data_cr);
      case State::chunk_data_cr: expect(input[at++], '\r', State::chunk_data_lf); break;
      case State::chunk_data_lf: expect(input[at++], '\n', State::chunk_size); break;
      case State::trailer: at += take_trailer(input.subspan(at)); break;
    }
  }
  return {at, {}};
}

bool H1Body::finish_at_close() {
  if (state_ == State::until_close) state_ = State::finished;
  if (state_ == State::finished) return true;
  if (state_ != State::failed) fail(Reason::body_incomplete);
  return false;
}

std::uint64_t H1Body::remaining() const { return state_ == State::length ? remaining_ : 0; }

void H1Body::fail(Reason reason) {
  state_ = State::failed;
  reason_ = reason;
}

H1Body::Step H1Body::take_content(base::Bytes input, std::size_t framing_bytes, State afterwards) {
  const std::size_t available = input.size() - framing_bytes;
  const std::size_t size =
      remaining_ < available ? static_cast<std::size_t>(remaining_) : available;
  remaining_ -= size;
  if (remaining_ == 0) state_ = afterwards;
  return {framing_bytes + size, input.subspan(framing_bytes, size)};
}

// 1*HEXDIG, at once followed by ';' or CR. White space before ';' (BWS, RFC 9112 7.1.1) is refused:
// no client needs it, and parsers disagree about it.
void H1Body::take_chunk_size(char c) {
  const int digit = hexadecimal_digit(c);
  if (digit >= 0) {
    if (size_digits_ == chunk_size_digits_max) return fail(Reason::chunk_invalid);
    ++size_digits_;
    remaining_ = remaining_ << 4 | static_cast<std::uint64_t>(digit);
    return;
  }
  if (size_digits_ == 0 || remaining_ > largest_chunk) return fail(Reason::chunk_invalid);
  size_digits_ = 0;
  if (c == '\r') {
    state_ = State::chunk_size_lf;
  } else if (c == ';') {
    extension_bytes_ = 0;
    state_ = State::chunk_extension;
    take_chunk_extension(c);
  } else {
    fail(Reason::chunk_invalid);
  }
}

// Skipped unread, but for its end: a CR inside a quoted string would end the line for us and not
// for a parser that looks for the closing quote, so it is refused, as is every control byte.
void H1Body::take_chunk_extension(char c) {
  if (c == '\r') {
    if (state_ != State::chunk_extension) return fail(Reason::chunk_invalid);
    state_ = State::chunk_size_lf;
    return;
  }
  if (is_control(c)) return fail(Reason::chunk_invalid);
  if (++extension_bytes_ > limits_.chunk_extension_bytes) {
    return fail(Reason::chunk_extension_too_long);
  }
  switch (state_) {
    case State::chunk_extension_quoted_pair: state_ = State::chunk_extension_quoted; break;
    case State::chunk_extension_quoted:
      if (c == '\\') state_ = State::chunk_extension_quoted_pair;
      if (c == '"') state_ = State::chunk_extension;
      break;
    default:
      if (c == '"') state_ = State::chunk_extension_quoted;
      break;
  }
}

void H1Body::expect(char c, char wanted, State next) {
  if (c != wanted) return fail(Reason::chunk_invalid);
  state_ = next;
}

// Collects one line, or what there is of it. The usual empty trailer section is two bytes: they fit
// into the string itself and nothing is allocated.
std::size_t H1Body::take_trailer(base::Bytes input) {
  const std::string_view text = base::as_text(input);
  const std::size_t line_feed = text.find('\n');
  const bool unfinished = line_feed == std::string_view::npos;
  const std::string_view piece = text.substr(0, line_feed);  // without the line feed

  // Held against the limit before it is copied.
  const std::size_t line_bytes = trailer_bytes_.size() - trailer_line_ + piece.size();
  const bool ends_in_cr =
      line_bytes > 0 && (piece.empty() ? trailer_bytes_.back() : piece.back()) == '\r';
  const std::size_t content_bytes = line_bytes - (ends_in_cr ? 1 : 0);
  if (content_bytes > 0 && trailer_line_ + content_bytes + 2 > limits_.trailer_bytes) {
    fail(Reason::trailers_too_large);
    return piece.size();
  }
  trailer_bytes_.append(piece);
  if (unfinished) return piece.size();
  trailer_bytes_.push_back('\n');
  end_trailer_line(ends_in_cr, content_bytes);
  return piece.size() + 1;
}

void H1Body::end_trailer_line(bool ends_in_cr, std::size_t content_bytes) {
  if (!ends_in_cr) return fail(Reason::trailer_invalid);
  if (content_bytes == 0) return read_trailers();
  trailer_line_ = trailer_bytes_.size();
}

// Every LF stands behind its CR here, as `read_field_line` asks.
void H1Body::read_trailers() {
  state_ = State::finished;
  const char* at = trailer_bytes_.data();
  const char* const fields_end = at + trailer_line_;
  const char* const end = at + trailer_bytes_.size();
  while (at < fields_end) {
    Field field;
    if (read_field_line(at, end, field) != Reason::none) {
      trailers_.clear();
      return fail(Reason::trailer_invalid);
    }
    trailers_.add(field);
  }
}

}  // namespace sluice::http
