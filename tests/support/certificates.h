// Certificates made while a test runs, and a directory for the files they are read from.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::support {

enum class KeyKind : std::uint8_t { ecdsa_p256, rsa_1024, rsa_2048, ed25519 };

// Both in PEM. A server's certificate is followed by nothing: authorities sign it directly.
struct CertificateText {
  std::string certificate;
  std::string key;
};

struct CertificateWish {
  std::vector<std::string> names;  // DNS names, or addresses in their numeric form
  std::string common_name;         // empty: the first name
  KeyKind key = KeyKind::ecdsa_p256;
  std::string usage = "serverAuth,clientAuth";  // empty: for everything
  std::chrono::seconds valid_from{-3600};       // from now
  std::chrono::seconds valid_for{86'400};       // from now
};

// Terminates the test program when OpenSSL fails: there is nothing to test then.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name = "Sluice test authority");
  // An intermediate.
  CertificateAuthority(const std::string& name, const CertificateAuthority& issuer,
                       std::chrono::seconds valid_for = std::chrono::hours(100'000));
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  [[nodiscard]] CertificateText issue(const CertificateWish& wish) const;
  [[nodiscard]] std::string certificate() const;  // PEM, for the client's trust
  // A revocation list of these certificates, in PEM.
  [[nodiscard]] std::string revocation_list(
      const std::vector<std::string>& revoked,
      std::chrono::seconds next_update = std::chrono::hours(24)) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The DER inside a PEM text of one block.
[[nodiscard]] std::string der_of(const std::string& pem);

// The key of `text`, sealed with a passphrase.
[[nodiscard]] std::string encrypted_key(const CertificateText& text);

// A directory of its own, removed with all that is in it at the end of the test.
class CertificateDirectory {
 public:
  CertificateDirectory();
  ~CertificateDirectory();
  CertificateDirectory(const CertificateDirectory&) = delete;
  CertificateDirectory& operator=(const CertificateDirectory&) = delete;

  [[nodiscard]] std::string path(std::string_view name) const;
  // Returns the path. Readable by the owner alone unless `mode` says otherwise.
  std::string write(std::string_view name, std::string_view text, unsigned mode = 0600) const;

 private:
  std::string path_;
};

}  // namespace sluice::support
