// Request targets: their parts, and the one normal form of a path (T12).
//
// The normal form is used for routing and sent to the target alike, so that the two cannot
// disagree:
//  1. %XX of an unreserved character (RFC 3986 2.3) is decoded; other escapes keep their bytes,
//  with
//     hexadecimal digits in upper case;
//  2. an escaped slash or backslash (%2F, %5C) and a raw backslash are refused, for targets differ
//  on
//     whether they separate segments; so are %00 and a '%' without two digits;
//  3. several slashes in a row become one;
//  4. `.` and `..` segments (also escaped, by rule 1; also before `;parameters`) are removed as in
//     RFC 3986 5.2.4; climbing above the root is refused;
//  5. everything else stays as sent: case, `;parameters`, trailing slash. The query is never
//  touched.
// Decoding is done once: %252e stays %252e.
#pragma once

#include <string>
#include <string_view>

#include "sluice/http/message.h"
#include "sluice/observe/reason.h"

namespace sluice::http {

// The normal form of an absolute path. Returns false when it is refused. `path` is the result:
// `raw` itself when it was normal already, otherwise a view of `storage`.
[[nodiscard]] bool normalize_path(std::string_view raw, std::string& storage,
                                  std::string_view& path);

// Splits head.target, with head.method known, into form, path (normal form), query and, for
// absolute targets, the authority (into head.host, which origin targets leave alone). Every byte is
// checked, so a target that came by another way than H1Parser may be given too. False when refused;
// the reason is bad_request_target or bad_path.
[[nodiscard]] bool parse_target(RequestHead& head, observe::Reason& reason);

// Host [":" port] of RFC 9110 7.2, narrower than its grammar so that nobody reads it differently:
// names of letters, digits, '-', '_' between single dots (one may end it), or "[" IPv6 "]" without
// zone; a port, once there is a colon, of 1 to 5 digits up to 65535. No userinfo, no escapes.
[[nodiscard]] bool is_valid_authority(std::string_view text);

// The host of a valid authority without port and without a trailing dot, as sent otherwise; IPv6
// keeps its brackets.
[[nodiscard]] std::string_view host_without_port(std::string_view authority);

}  // namespace sluice::http
