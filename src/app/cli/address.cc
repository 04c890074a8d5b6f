#include "app/cli/address.h"

#include <sys/un.h>

#include <algorithm>

#include "app/cli/words.h"
#include "sluice/base/text.h"

namespace sluice::app::cli {
namespace {

constexpr std::string_view unix_scheme = "unix:";
constexpr std::string_view http_scheme = "http://";
constexpr std::string_view https_scheme = "https://";
constexpr std::size_t host_size_max = 253;  // of a name in DNS

bool begins_with(std::string_view text, std::string_view scheme) {
  return base::equals_ignoring_case(text.substr(0, scheme.size()), scheme);
}

bool is_host(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= '0' && c <= '9') || (base::lower(c) >= 'a' && base::lower(c) <= 'z') || c == '.' ||
           c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= host_size_max && std::ranges::all_of(text, is_allowed);
}

bool is_v6_host(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= '0' && c <= '9') || (base::lower(c) >= 'a' && base::lower(c) <= 'f') || c == ':' ||
           c == '.';
  };
  return text.find(':') != std::string_view::npos && text.size() <= host_size_max &&
         std::ranges::all_of(text, is_allowed);
}

bool is_port(std::string_view text) {
  const auto port = base::parse_decimal(text);
  return port.has_value() && *port >= 1 && *port <= 65'535;
}

bool read_unix(std::string_view path, AdminAddress& address) {
  if (!path.starts_with('/') || path.size() >= sizeof(sockaddr_un::sun_path)) return false;
  address.unix_path = path;
  address.host_field = "localhost";
  return true;
}

bool read_authority(std::string_view authority, AdminAddress& address) {
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string_view host = authority.substr(0, colon);
  const bool is_bracketed = host.starts_with('[') && host.ends_with(']');
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  if (is_bracketed ? !is_v6_host(host) : !is_host(host)) return false;
  address.host = host;
  address.port = authority.substr(colon + 1);
  address.host_field = authority;
  return is_port(address.port);
}

}  // namespace

std::optional<AdminAddress> AdminAddress::parse(std::string_view text, std::string& error) {
  AdminAddress address;
  address.text = text;
  if (begins_with(text, https_scheme)) {
    error = "the admin listener has no TLS; forward its port, or its Unix socket, with ssh -L";
    return std::nullopt;
  }
  bool is_good = false;
  if (begins_with(text, unix_scheme)) {
    is_good = read_unix(text.substr(unix_scheme.size()), address);
  } else {
    if (begins_with(text, http_scheme)) text.remove_prefix(http_scheme.size());
    if (text.ends_with('/')) text.remove_suffix(1);
    is_good = read_authority(text, address);
  }
  if (is_good) return address;
  error = "must be http://HOST:PORT or unix:/PATH, not '" + shown(address.text) + "'";
  return std::nullopt;
}

}  // namespace sluice::app::cli
