// SHA-256 over everything a TLS context was made from.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/tls_openssl.h"

namespace sluice::net {

class Fingerprint {
 public:
  Fingerprint() : context_(EVP_MD_CTX_new()) {
    is_good_ = context_ && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1;
  }

  // Pieces are told apart by their lengths: {"ab", "c"} differs from {"a", "bc"}.
  void add(std::string_view piece) {
    const std::uint64_t length = piece.size();
    is_good_ = is_good_ && EVP_DigestUpdate(context_.get(), &length, sizeof length) == 1 &&
               EVP_DigestUpdate(context_.get(), piece.data(), piece.size()) == 1;
  }

  // 64 hexadecimal digits; empty when OpenSSL failed, which no caller may take for a fingerprint.
  [[nodiscard]] std::string finish() {
    std::array<unsigned char, 32> digest{};
    if (!is_good_ || EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) return {};
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : digest) {
      text += digits[byte >> 4];
      text += digits[byte & 15];
    }
    return text;
  }

 private:
  DigestContextPointer context_;
  bool is_good_ = false;
};

}  // namespace sluice::net
