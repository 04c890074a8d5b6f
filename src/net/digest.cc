#include "sluice/net/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>

namespace sluice::net {

std::string sec_websocket_accept(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 1.3
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    return {};
  }
  std::array<unsigned char, 32> base64;  // 28 and a final NUL
  const int length = EVP_EncodeBlock(base64.data(), digest.data(), static_cast<int>(size));
  return {base64.begin(), base64.begin() + length};
}

bool sha256(std::string_view text, Sha256& digest) {
  unsigned size = 0;
  return EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1 &&
         size == digest.size();
}

bool hmac_sha256(std::string_view key, std::string_view text, Sha256& code) {
  unsigned size = 0;
  const auto* octets = reinterpret_cast<const unsigned char*>(text.data());
  return HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), octets, text.size(),
              code.data(), &size) != nullptr &&
         size == code.size();
}

}  // namespace sluice::net
