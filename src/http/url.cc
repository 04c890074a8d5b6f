#include "sluice/http/url.h"

#include <algorithm>

#include "sluice/base/text.h"
#include "sluice/http/uri.h"

namespace sluice::http {

std::optional<Url> parse_url(std::string_view text) {
  constexpr std::string_view plain = "http://";
  constexpr std::string_view secure = "https://";
  Url url;
  url.is_https = text.starts_with(secure);
  if (text.size() > url_bytes_max || !(url.is_https || text.starts_with(plain))) {
    return std::nullopt;
  }
  const bool is_visible =
      std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '#'; });
  if (!is_visible) return std::nullopt;
  text.remove_prefix(url.is_https ? secure.size() : plain.size());
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  const std::string_view authority = text.substr(0, end);
  if (!is_valid_authority(authority)) return std::nullopt;
  url.authority = authority;
  url.path = text.substr(end);
  if (!url.path.starts_with('/')) url.path.insert(0, "/");
  url.host = host_without_port(authority);
  if (url.host.starts_with('[')) url.host = url.host.substr(1, url.host.size() - 2);
  url.port = url.is_https ? 443 : 80;
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const auto port = base::parse_decimal(authority.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
    url.port = static_cast<std::uint16_t>(*port);
  }
  if (url.host.empty()) return std::nullopt;
  return url;
}

}  // namespace sluice::http
