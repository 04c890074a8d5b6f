// What a request brings for HTTP Basic authentication. Plain functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/http/field.h"

namespace sluice::proxy {

// Wiped when they go.
struct BasicCredentials {
  BasicCredentials() = default;
  ~BasicCredentials();
  BasicCredentials(const BasicCredentials&) = delete;
  BasicCredentials& operator=(const BasicCredentials&) = delete;

  std::string user;
  std::string password;
};

enum class CredentialsFault : std::uint8_t {
  none,
  missing,    // no field Authorization, or one of another scheme
  malformed,  // more than one field, no base64, no colon, a control byte, or too long
};

[[nodiscard]] CredentialsFault find_credentials(const http::Fields& fields,
                                                BasicCredentials& credentials);

// RFC 4648 4, strict: padded, and bits that no octet uses are zero. Each text has one spelling, so
// a target that is given the field reads the same user in it.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text);

}  // namespace sluice::proxy
