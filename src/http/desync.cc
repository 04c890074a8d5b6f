#include "sluice/http/desync.h"

#include <algorithm>
#include <array>

#include "http/characters.h"
#include "sluice/base/text.h"
#include "sluice/http/field_list.h"

namespace sluice::http {

namespace {

struct Row {
  DesyncReason reason;
  DesyncTier tier;
  std::string_view text;
};

// Documented, row for row, in docs/security.md.
constexpr std::array<Row, desync_reason_count> rows = {{
    {DesyncReason::none, DesyncTier::compliant, ""},
    {DesyncReason::non_compliant_header, DesyncTier::acceptable, "NonCompliantHeader"},
    {DesyncReason::space_in_uri, DesyncTier::acceptable, "SpaceInUri"},
    {DesyncReason::non_compliant_version, DesyncTier::acceptable, "NonCompliantVersion"},
    {DesyncReason::get_head_zero_content_length, DesyncTier::acceptable,
     "GetHeadZeroContentLength"},
    {DesyncReason::non_crlf_line_termination, DesyncTier::acceptable, "NonCrLfLineTermination"},
    {DesyncReason::empty_header, DesyncTier::ambiguous, "EmptyHeader"},
    {DesyncReason::ambiguous_uri, DesyncTier::ambiguous, "AmbiguousUri"},
    {DesyncReason::undefined_content_length_semantics, DesyncTier::ambiguous,
     "UndefinedContentLengthSemantics"},
    {DesyncReason::undefined_transfer_encoding_semantics, DesyncTier::ambiguous,
     "UndefinedTransferEncodingSemantics"},
    {DesyncReason::duplicate_content_length, DesyncTier::ambiguous, "DuplicateContentLength"},
    {DesyncReason::both_te_cl_present, DesyncTier::ambiguous, "BothTeClPresent"},
    {DesyncReason::suspicious_header, DesyncTier::ambiguous, "SuspiciousHeader"},
    {DesyncReason::multiline_header, DesyncTier::ambiguous, "MultilineHeader"},
    {DesyncReason::partial_header_line, DesyncTier::ambiguous, "PartialHeaderLine"},
    {DesyncReason::missing_last_empty_line, DesyncTier::ambiguous, "MissingLastEmptyLine"},
    {DesyncReason::missing_header_colon, DesyncTier::ambiguous, "MissingHeaderColon"},
    {DesyncReason::missing_uri, DesyncTier::ambiguous, "MissingUri"},
    {DesyncReason::bad_header, DesyncTier::severe, "BadHeader"},
    {DesyncReason::bad_uri, DesyncTier::severe, "BadUri"},
    {DesyncReason::bad_method, DesyncTier::severe, "BadMethod"},
    {DesyncReason::bad_version, DesyncTier::severe, "BadVersion"},
    {DesyncReason::multiple_content_length, DesyncTier::severe, "MultipleContentLength"},
    {DesyncReason::bad_content_length, DesyncTier::severe, "BadContentLength"},
    {DesyncReason::bad_transfer_encoding, DesyncTier::severe, "BadTransferEncoding"},
    {DesyncReason::multiple_transfer_encoding_chunked, DesyncTier::severe,
     "MultipleTransferEncodingChunked"},
}};

consteval bool complete_and_in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].reason != static_cast<DesyncReason>(i)) return false;
    if (i > 0 && rows[i].tier < rows[i - 1].tier) return false;
  }
  return true;
}
static_assert(complete_and_in_order(), "one row per DesyncReason, in its order, by tier");

constexpr const Row& row_of(DesyncReason reason) { return rows[static_cast<std::size_t>(reason)]; }

// Whether the name is these, in lower case, once what is neither letter nor digit is left out;
// U+017F and U+0131, which are S and I in upper case, count as the letters that they become.
bool has_letters(std::string_view name, std::string_view letters) {
  std::size_t matched = 0;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const std::string_view pair = name.substr(i, 2);
    char c = base::lower(name[i]);
    if (pair == "\xc5\xbf" || pair == "\xc4\xb1") {
      c = pair == "\xc5\xbf" ? 's' : 'i';
      ++i;
    }
    if (!is_in(character_class::alphanumeric, c)) continue;
    if (matched == letters.size() || letters[matched] != c) return false;
    ++matched;
  }
  return matched == letters.size();
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// NUL, CR or LF.
bool holds_line_breaker(std::string_view text) {
  return text.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos;
}

bool is_token_text(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_in(character_class::token, c); });
}

class Classifier {
 public:
  [[nodiscard]] DesyncReason found() const { return found_; }

  void note(DesyncReason reason) {
    if (tier_of(reason) > tier_of(found_)) found_ = reason;
  }

  void request_line(std::string_view line) {
    if (line.empty()) return;
    const std::size_t method_end = std::min(line.find(' '), line.size());
    const std::string_view method = line.substr(0, method_end);
    if (method.empty() || !is_token_text(method)) note(DesyncReason::bad_method);
    is_get_or_head_ = method == "GET" || method == "HEAD";
    std::string_view rest = line.substr(method_end);
    if (!rest.empty()) rest.remove_prefix(1);
    const std::string_view uri = take_version(rest);
    if (uri.empty()) note(DesyncReason::missing_uri);
    judge_uri(uri);
  }

  void field_line(std::string_view line) {
    if (line.front() == ' ' || line.front() == '\t') {
      if (!continues_content_type_) note(DesyncReason::multiline_header);
      if (holds_line_breaker(line)) note(DesyncReason::bad_header);
      return;
    }
    if (holds_line_breaker(line)) note(DesyncReason::bad_header);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      note(DesyncReason::missing_header_colon);
      return;
    }
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = base::trim(line.substr(colon + 1));
    continues_content_type_ = base::equals_ignoring_case(name, "content-type");
    if (base::equals_ignoring_case(name, "content-length")) {
      content_length(value);
    } else if (base::equals_ignoring_case(name, "transfer-encoding")) {
      transfer_encoding(value);
    } else {
      judge_name(name);
      if (std::ranges::any_of(value, [](char c) { return is_control(c) && c != '\t'; })) {
        note(DesyncReason::non_compliant_header);
      }
    }
  }

  // What the framing fields say together, when all lines were seen.
  void finish() {
    if (lengths_ > 0 && codings_ > 0) note(DesyncReason::both_te_cl_present);
    if (lengths_ > 0 && is_version_0_9_) note(DesyncReason::undefined_content_length_semantics);
    if (codings_ > 0 && (is_get_or_head_ || is_before_1_1_)) {
      note(DesyncReason::undefined_transfer_encoding_semantics);
    }
    if (lengths_ > 0 && is_get_or_head_) {
      note(length_ == 0 ? DesyncReason::get_head_zero_content_length
                        : DesyncReason::undefined_content_length_semantics);
    }
  }

 private:
  // Takes " HTTP/1.1" off the end of what stands behind the method; returns the target.
  std::string_view take_version(std::string_view rest) {
    if (rest.ends_with(' ')) note(DesyncReason::non_compliant_version);
    while (rest.ends_with(' ')) rest.remove_suffix(1);
    const std::size_t space = rest.rfind(' ');
    const std::string_view last = space == std::string_view::npos ? rest : rest.substr(space + 1);
    // With one word only it is the target of HTTP/0.9, unless it is a version with nothing before.
    if (space == std::string_view::npos && !last.starts_with("HTTP/")) {
      if (!rest.empty()) note(DesyncReason::non_compliant_version);
      is_version_0_9_ = is_before_1_1_ = true;
      return rest;
    }
    const bool is_version_1 =
        last.size() == 8 && last.starts_with("HTTP/1.") && last[7] >= '0' && last[7] <= '9';
    is_before_1_1_ = last == "HTTP/1.0";
    if (!is_version_1) {
      note(DesyncReason::bad_version);
    } else if (last[7] > '1') {
      note(DesyncReason::non_compliant_version);
    }
    if (space == std::string_view::npos) return {};
    std::string_view target = rest.substr(0, space);
    if (target.ends_with(' ')) note(DesyncReason::non_compliant_version);
    while (target.ends_with(' ')) target.remove_suffix(1);
    return target;
  }

  void judge_uri(std::string_view uri) {
    if (holds_line_breaker(uri)) note(DesyncReason::bad_uri);
    for (const char c : uri) {
      if (c == ' ') {
        note(DesyncReason::space_in_uri);
      } else if (c < ' ' || c > '~') {
        note(DesyncReason::ambiguous_uri);
      }
    }
  }

  void judge_name(std::string_view name) {
    if (base::trim(name).empty()) return note(DesyncReason::empty_header);
    if (is_suspicious_name(name)) return note(DesyncReason::suspicious_header);
    if (!is_token_text(name)) note(DesyncReason::non_compliant_header);
  }

  void content_length(std::string_view value) {
    const auto length = base::parse_decimal(value);
    ++lengths_;
    if (!length) return note(DesyncReason::bad_content_length);
    if (lengths_ > 1) {
      note(*length == length_ ? DesyncReason::duplicate_content_length
                              : DesyncReason::multiple_content_length);
    }
    length_ = *length;
  }

  void transfer_encoding(std::string_view value) {
    ++codings_;
    bool any = false;
    for_each_element(value, [&](std::string_view element) {
      any = true;
      const std::string_view coding = base::trim(element.substr(0, element.find(';')));
      const bool is_chunked = base::equals_ignoring_case(coding, "chunked");
      if (is_chunked && last_was_chunked_) note(DesyncReason::multiple_transfer_encoding_chunked);
      last_was_chunked_ = is_chunked;
      if (!is_known_coding(coding)) note(DesyncReason::bad_transfer_encoding);
    });
    if (!any) note(DesyncReason::bad_transfer_encoding);
  }

  static bool is_known_coding(std::string_view coding) {
    constexpr std::array<std::string_view, 5> known = {"chunked", "compress", "deflate", "gzip",
                                                       "identity"};
    return std::ranges::any_of(
        known, [&](std::string_view each) { return base::equals_ignoring_case(coding, each); });
  }

  DesyncReason found_ = DesyncReason::none;
  bool is_get_or_head_ = false;
  bool is_version_0_9_ = false;  // none was named
  bool is_before_1_1_ = false;
  bool continues_content_type_ = false;
  std::uint32_t lengths_ = 0;
  std::uint64_t length_ = 0;
  std::uint32_t codings_ = 0;
  bool last_was_chunked_ = false;
};

}  // namespace

DesyncTier tier_of(DesyncReason reason) { return row_of(reason).tier; }
std::string_view text(DesyncReason reason) { return row_of(reason).text; }

std::string_view text(DesyncTier tier) {
  switch (tier) {
    case DesyncTier::compliant: return "";
    case DesyncTier::acceptable: return "Acceptable";
    case DesyncTier::ambiguous: return "Ambiguous";
    case DesyncTier::severe: return "Severe";
  }
  return "";
}

bool is_suspicious_name(std::string_view name) {
  return (has_letters(name, "transferencoding") &&
          !base::equals_ignoring_case(name, "transfer-encoding")) ||
         (has_letters(name, "contentlength") &&
          !base::equals_ignoring_case(name, "content-length"));
}

DesyncReason classify_desync(base::Bytes head, bool ended) {
  std::string_view rest = base::as_text(head);
  if (rest.starts_with("\r\n")) rest.remove_prefix(2);  // RFC 9112 2.2
  Classifier classifier;
  bool is_first = true;
  bool has_end = false;
  while (!rest.empty() && !has_end) {
    const std::size_t line_feed = rest.find('\n');
    if (line_feed == std::string_view::npos) {
      if (ended) classifier.note(DesyncReason::partial_header_line);
      if (is_first && !is_in(character_class::token, rest.front())) {
        classifier.note(DesyncReason::bad_method);
      }
      break;
    }
    std::string_view line = rest.substr(0, line_feed);
    rest.remove_prefix(line_feed + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    } else {
      classifier.note(DesyncReason::non_crlf_line_termination);
    }
    if (is_first) {
      classifier.request_line(line);
    } else if (line.empty()) {
      has_end = true;
    } else {
      classifier.field_line(line);
    }
    is_first = false;
  }
  if (ended && !has_end) classifier.note(DesyncReason::missing_last_empty_line);
  classifier.finish();
  return classifier.found();
}

}  // namespace sluice::http
