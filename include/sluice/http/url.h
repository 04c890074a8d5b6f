// URLs that Sluice itself asks: absolute, http or https, narrower than RFC 3986. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::http {

struct Url {
  bool is_https = true;
  std::string authority;  // as written, for the field Host
  std::string host;       // IPv6 without brackets
  std::uint16_t port = 443;
  std::string path;  // and query; begins with '/'
};

inline constexpr std::size_t url_bytes_max = 1024;

// Nothing: longer than that, another scheme, a user, a fragment, or bytes that are not visible
// ASCII.
[[nodiscard]] std::optional<Url> parse_url(std::string_view text);

}  // namespace sluice::http
