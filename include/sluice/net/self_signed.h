// Self-signed certificates for trying things out, made in the process.
//
// For `sluice demo` and tests: nobody trusts such a certificate, and nobody should.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace sluice::net {

struct SelfSignedRequest {
  // DNS names and numeric IP addresses for the subject alternative name (RFC 5280 4.2.1.6); the
  // first is also the common name. At least one.
  std::vector<std::string> names;
  std::chrono::days validity{30};  // 1..3650 days, from an hour ago (clocks differ)
};

// Writes a fresh ECDSA P-256 key (PKCS #8, mode 0600) and its certificate (mode 0644), both PEM.
// Neither file may exist: the key is never written over, nor through a link that somebody left
// there. Returns what went wrong, or nothing. Any thread; blocks on the disk.
[[nodiscard]] std::string write_self_signed(const SelfSignedRequest& request,
                                            const std::string& certificate_file,
                                            const std::string& key_file);

}  // namespace sluice::net
