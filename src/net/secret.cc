#include "sluice/net/secret.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <ostream>
#include <utility>

namespace sluice::net {

void wipe(std::string& text) {
  text.resize(text.capacity());  // what was cut off before, too
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

void wipe(std::span<unsigned char> octets) { OPENSSL_cleanse(octets.data(), octets.size()); }

Secret::Secret(std::string_view text)
    : bytes_(std::make_unique<char[]>(text.size())), size_(text.size()) {
  std::ranges::copy(text, bytes_.get());
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  return *this;
}

Secret::~Secret() {
  if (bytes_ != nullptr) OPENSSL_cleanse(bytes_.get(), size_);
}

std::ostream& operator<<(std::ostream& out, const Secret& /*secret*/) { return out << "(secret)"; }

}  // namespace sluice::net
