// Points in time as AWS writes them. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/clock.h"

namespace sluice::control::discovery::ec2 {

// `20261121T010000Z`, of SigV4.
[[nodiscard]] std::string compact_time(base::WallTime time);
// `2026-11-21T01:00:00Z`, with fractions (passed over) or `+00:00`; nothing: it is not that.
[[nodiscard]] std::optional<base::WallTime> parse_timestamp(std::string_view text);
// The field Date, `Sat, 21 Nov 2026 01:00:00 GMT` (RFC 9110 5.6.7, the preferred form only).
[[nodiscard]] std::optional<base::WallTime> parse_http_date(std::string_view text);

}  // namespace sluice::control::discovery::ec2
