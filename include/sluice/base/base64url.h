// base64url without padding (RFC 4648 5), as JOSE writes it (RFC 7515 2). Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::base {

// Strict: the 64 characters only, no padding, no white space, and bits that no octet uses are zero,
// so that each octet string has one spelling. Nothing otherwise.
[[nodiscard]] std::optional<std::string> decode_base64url(std::string_view text);

[[nodiscard]] std::string encode_base64url(std::string_view octets);

}  // namespace sluice::base
