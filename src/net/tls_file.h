// Reading the small files of a TLS configuration.
#pragma once

#include <string>

#include "net/tls_openssl.h"

namespace sluice::net {

// The bytes of a file that may hold a private key: wiped when it goes.
struct TlsFile {
  static constexpr std::size_t largest = 8 * 1024 * 1024;  // a bundle of all public CAs is 0.3 MiB

  std::string bytes;
  bool is_readable_by_all = false;
  std::string error;  // empty, or why it could not be read

  TlsFile() = default;
  TlsFile(const TlsFile&) = delete;
  TlsFile& operator=(const TlsFile&) = delete;
  ~TlsFile() { OPENSSL_cleanse(bytes.data(), bytes.size()); }

  void read(const std::string& path);

  // A view for OpenSSL's PEM functions; must not outlive this.
  [[nodiscard]] BioPointer open() const;
};

}  // namespace sluice::net
