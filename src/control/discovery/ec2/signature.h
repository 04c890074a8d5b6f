// Signature Version 4 of AWS for a POST with a form: who asks, without sending the secret.
//
// Valid for some five minutes around its time: each attempt is signed anew. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "control/discovery/ec2/credentials.h"

namespace sluice::control::discovery::ec2 {

inline constexpr std::string_view form_content_type =
    "application/x-www-form-urlencoded; charset=utf-8";

struct ToSign {
  std::string_view authority;  // as in the field Host
  std::string_view path;       // in normal form, without a query
  std::string_view content;
  std::string_view region;
  std::string_view service;
  base::WallTime time;
};

struct Signature {
  std::string timestamp;      // of the field X-Amz-Date
  std::string authorization;  // of the field Authorization
};

// The fields Content-Type (form_content_type), Host, X-Amz-Date and, when there is a session token,
// X-Amz-Security-Token must be sent as they are signed. Nothing when memory is short.
[[nodiscard]] std::optional<Signature> sign(const ToSign& call, const Credentials& credentials);

// As application/x-www-form-urlencoded is written for SigV4: everything but the unreserved
// characters of RFC 3986 in escapes, a space too.
void append_form_encoded(std::string& out, std::string_view text);

}  // namespace sluice::control::discovery::ec2
