// The security policies of ALB, by name: which versions and ciphers each stands for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/model.h"

namespace sluice::config {

struct TlsPolicy {
  std::string_view name;  // without `ELBSecurityPolicy-`
  TlsVersion min_version;
  TlsVersion max_version;
  std::string_view ciphers;  // for TLS 1.2 and older, in OpenSSL's notation; empty: none
};

// All of them allow the same.
inline constexpr std::string_view policy_ciphersuites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

// `name` with or without `ELBSecurityPolicy-`. Null when there is none; `error` then says why, and
// which there are.
[[nodiscard]] const TlsPolicy* find_tls_policy(std::string_view name, std::string& error);

// Without the prefix, in the order of the manual.
[[nodiscard]] std::vector<std::string_view> tls_policy_names();

}  // namespace sluice::config
