// Two phases. `scan` searches line ends as bytes arrive and holds the limits; it keeps offsets
// only, for the bytes may move between calls. Once the empty line is found, `read_request` or
// `read_response` make the views in one pass over the head. Since every LF was then seen behind its
// CR, that pass needs no bounds but the buffer's: each of its searches stops at a line end at the
// latest.
#include "sluice/http/h1_parser.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "http/byte_search.h"
#include "http/characters.h"
#include "http/field_line.h"
#include "http/head_facts.h"
#include "sluice/http/uri.h"

namespace sluice::http {

namespace {

using observe::Reason;

constexpr std::string_view response_begin = "HTTP/";

[[nodiscard]] std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

// "HTTP/1.0" or "HTTP/1.1"; another number, well written, is a version that we do not speak.
[[nodiscard]] Reason read_version(std::string_view text, std::uint8_t& minor_version) {
  if (text == "HTTP/1.1" || text == "HTTP/1.0") {
    minor_version = text.back() == '1' ? 1 : 0;
    return Reason::none;
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool well_written = text.size() == 8 && text.substr(0, 5) == "HTTP/" && is_digit(text[5]) &&
                            text[6] == '.' && is_digit(text[7]);
  return well_written ? Reason::version_not_supported : Reason::bad_request_line;
}

// RFC 9112 3. `line` without CRLF; a CR within is bare.
[[nodiscard]] Reason read_request_line(std::string_view line, RequestHead& head) {
  const char* const begin = line.data();
  const char* const end = begin + line.size();
  const char* method_end = begin;
  while (method_end != end && is_in(character_class::token, *method_end)) ++method_end;
  head.method_text = between(begin, method_end);
  head.method = method(head.method_text);
  if (method_end == end || *method_end == '\r') return Reason::bad_request_line;
  if (*method_end != ' ') return Reason::bad_method;

  const char* const target = method_end + 1;
  const char* const target_end = find_space_or_control(target, end);
  head.target = between(target, target_end);
  if (target_end == end || *target_end == '\r' || head.target.empty()) {
    return Reason::bad_request_line;  // no version (HTTP/0.9), a bare CR, or two spaces
  }
  if (*target_end != ' ') return Reason::bad_request_target;
  return read_version(between(target_end + 1, end), head.minor_version);
}

// RFC 9112 4. The space before an empty reason phrase may be missing, as many servers omit it.
[[nodiscard]] Reason read_status_line(std::string_view line, ResponseHead& head) {
  constexpr std::size_t version_size = 8;
  constexpr std::size_t status_end = version_size + 4;
  const Reason reason = read_version(line.substr(0, version_size), head.minor_version);
  if (reason != Reason::none) return reason;
  if (line.size() < status_end || line[version_size] != ' ') return Reason::bad_request_line;

  unsigned status = 0;
  for (const char c : line.substr(version_size + 1, 3)) {
    if (c < '0' || c > '9') return Reason::bad_request_line;
    status = status * 10 + static_cast<unsigned>(c - '0');
  }
  if (status < 100 || status > 599) return Reason::bad_request_line;
  head.status = static_cast<std::uint16_t>(status);

  if (line.size() == status_end) return Reason::none;
  if (line[status_end] != ' ') return Reason::bad_request_line;
  head.reason_phrase = line.substr(status_end + 1);
  return is_field_text(head.reason_phrase) ? Reason::none : Reason::bad_request_line;
}

// All field lines in [at, end), `end` being the empty line. Two bytes follow it.
[[nodiscard]] Reason read_fields(const char* at, const char* end, Fields& fields,
                                 HeadFacts& facts) {
  while (at < end) {
    Field field;
    const Reason reason = read_field_line(at, end + 2, field);
    if (reason != Reason::none) return reason;
    fields.add(field);
    if (field.known != FieldName::other) {
      facts.note(field);
    } else {
      facts.note_unknown(field.name);
    }
  }
  return Reason::none;
}

// Refused here and not in routing: their targets have another grammar (CONNECT) or their answers
// show what we added to the request (TRACE).
[[nodiscard]] Reason refuse_method(Method method) {
  if (method == Method::connect) return Reason::connect_refused;
  if (method == Method::trace) return Reason::method_not_allowed;
  return Reason::none;
}

// RFC 9112 3.2. An absolute target has put its authority into `head.host` already and wins over
// Host, which must be there and well-formed all the same.
[[nodiscard]] Reason decide_host(const HeadFacts& facts, RequestHead& head) {
  if (facts.hosts > 1) return Reason::host_duplicate;
  if (facts.hosts == 0) return head.minor_version == 0 ? Reason::none : Reason::host_missing;
  const bool target_names_host = !head.host.empty();
  if (facts.host.empty()) return target_names_host ? Reason::none : Reason::host_invalid;
  if (!is_valid_authority(facts.host)) return Reason::host_invalid;
  if (!target_names_host) head.host = facts.host;
  return Reason::none;
}

[[nodiscard]] bool has_content(const RequestHead& head) {
  return head.framing == Framing::chunked || head.content_length != 0;
}

// What is accepted and yet may be read otherwise by others; all else that may is refused.
[[nodiscard]] DesyncReason classify(const HeadFacts& facts, const RequestHead& head) {
  if (facts.suspicious_name) return DesyncReason::suspicious_header;
  if (head.framing == Framing::none) return DesyncReason::none;
  if (head.method != Method::get && head.method != Method::head) return DesyncReason::none;
  if (head.framing == Framing::chunked) return DesyncReason::undefined_transfer_encoding_semantics;
  return head.content_length == 0 ? DesyncReason::get_head_zero_content_length
                                  : DesyncReason::undefined_content_length_semantics;
}

[[nodiscard]] Reason decide_connection(const HeadFacts& facts, RequestHead& head) {
  head.persistent = wants_persistence(facts, head.minor_version);
  if (facts.expects_other) return Reason::expectation_failed;
  // HTTP/1.0 clients do not know 100 (RFC 9110 10.1.1), and without content there is nothing to
  // continue.
  head.expects_continue = facts.expects_continue && head.minor_version >= 1 && has_content(head);
  // Cleartext HTTP/2 by Upgrade is obsolete (RFC 9113 3.1), and a tunnel to a target that accepts
  // it would carry requests that no rule has seen: the request is taken as an ordinary one.
  head.wants_upgrade = facts.connection_upgrade && facts.upgrade_offered && !facts.upgrade_to_h2c &&
                       head.minor_version >= 1;
  return head.wants_upgrade && has_content(head) ? Reason::upgrade_body : Reason::none;
}

struct HeadLines {
  std::string_view first;  // without CRLF
  const char* fields;
  const char* end;  // of the fields: the empty line
};

[[nodiscard]] Reason read_request(const HeadLines& lines, RequestHead& head) {
  Reason reason = read_request_line(lines.first, head);
  if (reason != Reason::none) return reason;
  HeadFacts facts;
  reason = read_fields(lines.fields, lines.end, head.fields, facts);
  if (reason != Reason::none) return reason;
  reason = refuse_method(head.method);
  if (reason != Reason::none) return reason;
  if (!parse_target(head, reason)) return reason;

  const FramingDecision decision = decide_framing(facts, head.minor_version);
  if (decision.reason != Reason::none) return decision.reason;
  head.framing = decision.framing;
  head.content_length = decision.content_length;
  head.desync = classify(facts, head);

  reason = decide_host(facts, head);
  if (reason != Reason::none) return reason;
  return decide_connection(facts, head);
}

// RFC 9112 6.3, items 1, 2 and 8: answers that end with their head whatever their fields say, and
// those whose end is the connection's.
void decide_response_framing(const HeadFacts& facts, const FramingDecision& decision,
                             Method request_method, ResponseHead& head) {
  head.has_content_length = facts.content_lengths != 0;
  head.content_length = decision.content_length;
  head.persistent = wants_persistence(facts, head.minor_version);
  const bool ends_with_head = request_method == Method::head || head.status < 200 ||
                              head.status == 204 || head.status == 304;
  if (ends_with_head) {
    head.framing = Framing::none;
  } else if (decision.framing == Framing::none) {
    head.framing = Framing::until_close;
    head.persistent = false;
  } else {
    head.framing = decision.framing;
  }
}

[[nodiscard]] Reason read_response(const HeadLines& lines, Method request_method,
                                   ResponseHead& head) {
  Reason reason = read_status_line(lines.first, head);
  if (reason != Reason::none) return reason;
  HeadFacts facts;
  reason = read_fields(lines.fields, lines.end, head.fields, facts);
  if (reason != Reason::none) return reason;
  const FramingDecision decision = decide_framing(facts, head.minor_version);
  if (decision.reason != Reason::none) return decision.reason;
  decide_response_framing(facts, decision, request_method, head);
  return Reason::none;
}

}  // namespace

void H1Parser::reset() { *this = H1Parser(limits_); }

Progress H1Parser::fail(Reason reason) {
  reason_ = reason;
  return Progress::failed;
}

Progress H1Parser::parse(base::Bytes bytes, RequestHead& head) {
  Progress progress = begin_request(bytes);
  if (progress == Progress::complete) progress = scan(bytes);
  if (progress == Progress::incomplete) return progress;
  head.clear();
  const char* const data = bytes.data();
  if (progress == Progress::failed) {
    // For the log: whatever the first line says, if there is one.
    if (fields_start_ != 0) {
      static_cast<void>(
          read_request_line(between(data + message_start_, data + fields_start_ - 2), head));
    }
    return progress;
  }
  const HeadLines lines{between(data + message_start_, data + fields_start_ - 2),
                        data + fields_start_, data + head_bytes_ - 2};
  const Reason reason = read_request(lines, head);
  return reason == Reason::none ? Progress::complete : fail(reason);
}

Progress H1Parser::parse(base::Bytes bytes, ResponseHead& head, Method request_method) {
  Progress progress = begin_response(bytes);
  if (progress == Progress::complete) progress = scan(bytes);
  if (progress == Progress::incomplete) return progress;
  head.clear();
  if (progress == Progress::failed) return progress;
  const char* const data = bytes.data();
  const HeadLines lines{between(data, data + fields_start_ - 2), data + fields_start_,
                        data + head_bytes_ - 2};
  const Reason reason = read_response(lines, request_method, head);
  return reason == Reason::none ? Progress::complete : fail(reason);
}

// Skips the one empty line and looks at the first byte: `complete` when scanning may go on. An
// empty line alone does not count as begun: old browsers send one behind a POST, and the connection
// is idle.
Progress H1Parser::begin_request(base::Bytes bytes) {
  if (reason_ != Reason::none) return Progress::failed;
  if (started()) return Progress::complete;
  std::size_t start = 0;
  if (!bytes.empty() && bytes[0] == '\r') {
    if (bytes.size() == 1) return Progress::incomplete;
    if (bytes[1] != '\n') {
      examined_ = 1;
      return fail(Reason::bad_request_line);
    }
    start = 2;
  }
  if (bytes.size() == start) return Progress::incomplete;
  examined_ = start + 1;
  if (bytes[start] == '\n') return fail(Reason::bare_line_feed);
  if (!is_in(character_class::token, bytes[start])) return fail(Reason::bad_method);
  message_start_ = line_start_ = scanned_ = start;
  return Progress::complete;
}

Progress H1Parser::begin_response(base::Bytes bytes) {
  if (reason_ != Reason::none) return Progress::failed;
  if (scanned_ >= response_begin.size()) return Progress::complete;
  const std::size_t size = std::min(bytes.size(), response_begin.size());
  if (base::as_text(bytes).substr(0, size) != response_begin.substr(0, size)) {
    return fail(Reason::bad_request_line);
  }
  scanned_ = size;
  return size == response_begin.size() ? Progress::complete : Progress::incomplete;
}

// Searches the new bytes for line ends, until the empty line. A limit is held against an unfinished
// line by the same rule as against a finished one, so that the outcome never depends on how the
// bytes came.
Progress H1Parser::scan(base::Bytes bytes) {
  assert(bytes.size() >= scanned_);
  const char* const data = bytes.data();
  while (true) {
    const void* const found = std::memchr(data + scanned_, '\n', bytes.size() - scanned_);
    const bool unfinished = found == nullptr;
    const std::size_t line_end =
        unfinished ? bytes.size()
                   : static_cast<std::size_t>(static_cast<const char*>(found) - data);
    const bool ends_in_cr = line_end > line_start_ && data[line_end - 1] == '\r';
    const std::size_t content_bytes = line_end - line_start_ - (ends_in_cr ? 1 : 0);

    const Reason reason = judge_line_size(content_bytes);
    if (reason != Reason::none) {
      examined_ = line_start_;
      return fail(reason);
    }
    if (unfinished) {
      scanned_ = line_end;
      return Progress::incomplete;
    }
    if (!ends_in_cr) {
      examined_ = line_end + 1;
      return fail(Reason::bare_line_feed);
    }

    scanned_ = line_start_ = line_end + 1;
    if (fields_start_ == 0) {
      fields_start_ = line_start_;
    } else if (content_bytes == 0) {
      head_bytes_ = line_start_;
      return Progress::complete;
    } else {
      ++field_lines_;
    }
  }
}

// Which limit the line being scanned has crossed with this many bytes, CRLF not counted. When it
// crosses several, the one it crossed first.
Reason H1Parser::judge_line_size(std::size_t content_bytes) const {
  if (fields_start_ == 0) {
    return content_bytes > limits_.first_line_bytes ? Reason::request_line_too_long : Reason::none;
  }
  if (content_bytes == 0) return Reason::none;  // perhaps the empty line
  if (field_lines_ >= limits_.field_count) return Reason::too_many_headers;
  const std::uint64_t used = line_start_ - fields_start_ + 2;
  const std::uint64_t left = used < limits_.fields_bytes ? limits_.fields_bytes - used : 0;
  if (content_bytes <= std::min(left, limits_.field_bytes)) return Reason::none;
  return limits_.field_bytes <= left ? Reason::header_too_large : Reason::headers_too_large;
}

}  // namespace sluice::http
