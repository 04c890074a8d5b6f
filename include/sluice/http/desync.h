// How far a request of HTTP/1 is from what all parsers read alike: the classes and reasons by which
// ALB tells requests that may desynchronise two parsers in a row (its desync mitigation), under the
// same names.
//
// Requests that the parser accepts get their class from it (RequestHead::desync), for the facts are
// at hand there. Those that it refuses are classified afterwards, from their bytes, for the log
// only: they stay refused whatever their class. Plain functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sluice/base/bytes.h"

namespace sluice::http {

enum class DesyncTier : std::uint8_t { compliant, acceptable, ambiguous, severe };

// By tier, so that the later of two weighs at least as much.
enum class DesyncReason : std::uint8_t {
  none,  // compliant
  // acceptable
  non_compliant_header,
  space_in_uri,
  non_compliant_version,
  get_head_zero_content_length,
  non_crlf_line_termination,
  // ambiguous
  empty_header,
  ambiguous_uri,
  undefined_content_length_semantics,
  undefined_transfer_encoding_semantics,
  duplicate_content_length,
  both_te_cl_present,
  suspicious_header,
  multiline_header,
  partial_header_line,
  missing_last_empty_line,
  missing_header_colon,
  missing_uri,
  // severe
  bad_header,
  bad_uri,
  bad_method,
  bad_version,
  multiple_content_length,
  bad_content_length,
  bad_transfer_encoding,
  multiple_transfer_encoding_chunked,
  last_ = multiple_transfer_encoding_chunked,
};

inline constexpr std::size_t desync_reason_count =
    static_cast<std::size_t>(DesyncReason::last_) + 1;

[[nodiscard]] DesyncTier tier_of(DesyncReason reason);
[[nodiscard]] std::string_view text(DesyncReason reason);  // "SpaceInUri"; empty for none
[[nodiscard]] std::string_view text(DesyncTier tier);      // "Severe"; empty for compliant

// Of a field name that is neither Transfer-Encoding nor Content-Length in any case: whether it is
// one of them once everything but letters and digits is left out.
[[nodiscard]] bool is_suspicious_name(std::string_view name);

// The heaviest finding in a head, the first of those of one tier. `head` is what a parser has seen
// of it, from its first byte to any place; `ended`: nothing more will come.
[[nodiscard]] DesyncReason classify_desync(base::Bytes head, bool ended);

}  // namespace sluice::http
