// Heads as text, so that two of them compare and a failure shows both; and parsing in pieces. Used
// by the tests of this folder and by the fuzz targets.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/http/h1_body.h"
#include "sluice/http/h1_parser.h"
#include "sluice/observe/reason.h"

namespace sluice::http::test {

inline constexpr HeadLimits usual_limits{16384, 16384, 65536, 100};
inline constexpr BodyLimits usual_body_limits{1024, 8192};

inline std::string text(Progress progress) {
  switch (progress) {
    case Progress::incomplete: return "incomplete";
    case Progress::complete: return "complete";
    case Progress::failed: return "failed";
  }
  return "?";
}

inline std::string text(Framing framing) {
  switch (framing) {
    case Framing::none: return "none";
    case Framing::length: return "length";
    case Framing::chunked: return "chunked";
    case Framing::until_close: return "until_close";
  }
  return "?";
}

inline std::string text(TargetForm form) {
  switch (form) {
    case TargetForm::origin: return "origin";
    case TargetForm::absolute: return "absolute";
    case TargetForm::asterisk: return "asterisk";
  }
  return "?";
}

inline std::string describe(const Fields& fields) {
  std::string out;
  for (const Field& field : fields) {
    out.append("\n  ").append(field.name).append(": ").append(field.value);
    if (field.known != field_name(field.name)) out += "  (wrong token)";
  }
  return out;
}

inline std::string describe(const RequestHead& head) {
  std::string out;
  out.append(head.method_text).append(" ").append(head.target);
  out.append(" HTTP/1.").append(std::to_string(head.minor_version));
  out.append("\n form ").append(text(head.form)).append(", path ").append(head.path);
  if (head.has_query) out.append(", query ").append(head.query);
  out.append("\n host ").append(head.host);
  out.append("\n framing ").append(text(head.framing));
  out.append(" ").append(std::to_string(head.content_length));
  if (head.persistent) out += ", persistent";
  if (head.expects_continue) out += ", expects 100";
  if (head.wants_upgrade) out += ", wants upgrade";
  if (head.method != method(head.method_text)) out += ", wrong method";
  return out + describe(head.fields);
}

inline std::string describe(const ResponseHead& head) {
  std::string out = "HTTP/1." + std::to_string(head.minor_version);
  out.append(" ").append(std::to_string(head.status)).append(" ").append(head.reason_phrase);
  out.append("\n framing ").append(text(head.framing));
  out.append(" ").append(std::to_string(head.content_length));
  if (head.has_content_length) out += ", has content length";
  if (head.persistent) out += ", persistent";
  return out + describe(head.fields);
}

struct Outcome {
  Progress progress = Progress::incomplete;
  observe::Reason reason = observe::Reason::none;
  std::size_t head_bytes = 0;
  std::string head;

  bool operator==(const Outcome&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << text(outcome.progress) << ", " << observe::text(outcome.reason) << ", "
             << outcome.head_bytes << " bytes\n"
             << outcome.head;
}

// Parses what has arrived after each of the `cuts` (ascending positions in `text`), and then all of
// it. Each time the bytes lie elsewhere, in an allocation that ends with them, so that a sanitizer
// sees any read beyond and any view kept from before.
template <typename Parse>
Outcome parse_in_pieces(std::string_view text, std::vector<std::size_t> cuts,
                        const HeadLimits& limits, Parse parse) {
  H1Parser parser(limits);
  Outcome outcome;
  cuts.push_back(text.size());
  for (const std::size_t cut : cuts) {
    const std::vector<char> arrived(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(cut));
    outcome.progress = parse(parser, base::Bytes(arrived), outcome.head);
    if (outcome.progress != Progress::incomplete) break;
  }
  outcome.reason = parser.reason();
  outcome.head_bytes = parser.head_bytes();
  return outcome;
}

inline Outcome parse_request(std::string_view text, const std::vector<std::size_t>& cuts = {},
                             const HeadLimits& limits = usual_limits) {
  RequestHead head;
  return parse_in_pieces(text, cuts, limits,
                         [&head](H1Parser& parser, base::Bytes bytes, std::string& description) {
                           const Progress progress = parser.parse(bytes, head);
                           if (progress != Progress::incomplete) description = describe(head);
                           return progress;
                         });
}

inline Outcome parse_response(std::string_view text, Method request_method,
                              const std::vector<std::size_t>& cuts = {},
                              const HeadLimits& limits = usual_limits) {
  ResponseHead head;
  return parse_in_pieces(
      text, cuts, limits,
      [&head, request_method](H1Parser& parser, base::Bytes bytes, std::string& description) {
        const Progress progress = parser.parse(bytes, head, request_method);
        if (progress != Progress::incomplete) description = describe(head);
        return progress;
      });
}

struct BodyOutcome {
  bool finished = false;
  bool failed = false;
  observe::Reason reason = observe::Reason::none;
  std::size_t consumed = 0;  // 0 after a failure: what was taken until then is nobody's business
  std::string content;
  std::string trailers;

  bool operator==(const BodyOutcome&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const BodyOutcome& outcome) {
  return out << (outcome.finished ? "finished"
                 : outcome.failed ? "failed"
                                  : "unfinished")
             << ", " << observe::text(outcome.reason) << ", " << outcome.consumed
             << " bytes, content [" << outcome.content << "]" << outcome.trailers;
}

// Feeds the pieces that `cuts` make of `text`, each in an allocation of its own.
inline BodyOutcome decode_in_pieces(H1Body body, std::string_view text,
                                    std::vector<std::size_t> cuts) {
  BodyOutcome outcome;
  std::size_t from = 0;
  cuts.push_back(text.size());
  for (const std::size_t cut : cuts) {
    const std::string_view piece = text.substr(from, cut - from);
    const std::vector<char> arrived(piece.begin(), piece.end());
    base::Bytes input(arrived);
    while (!input.empty() && !body.finished() && !body.failed()) {
      const H1Body::Step step = body.decode(input);
      outcome.content.append(base::as_text(step.content));
      outcome.consumed += step.consumed;
      input = input.subspan(step.consumed);
    }
    from = cut;
  }
  outcome.finished = body.finished();
  outcome.failed = body.failed();
  outcome.reason = body.reason();
  if (outcome.failed) outcome.consumed = 0;
  if (outcome.finished) outcome.trailers = describe(body.trailers());
  return outcome;
}

// Positions of all bytes but the first: a cut before each.
inline std::vector<std::size_t> every_byte_alone(std::string_view text) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1; i < text.size(); ++i) cuts.push_back(i);
  return cuts;
}

}  // namespace sluice::http::test
