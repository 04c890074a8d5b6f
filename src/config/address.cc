#include <algorithm>

#include "sluice/base/cidr.h"
#include "sluice/base/text.h"
#include "sluice/config/load.h"

namespace sluice::config {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view forms = "an address is host:port, [v6]:port or unix:/path";

bool is_label(std::string_view label) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, fits);
}

// A name of the DNS, in lower case. One whose last label is a number is a mistyped IPv4 address
// (the rule of the URL Standard): 10.0.0.256 must not become a query.
bool is_host_name(std::string_view host) {
  if (host.size() > 253) return false;
  std::string_view label;
  while (true) {
    const std::size_t dot = host.find('.');
    label = host.substr(0, dot);
    if (!is_label(label)) return false;
    if (dot == std::string_view::npos) break;
    host.remove_prefix(dot + 1);
  }
  return label.find_first_not_of("0123456789") != std::string_view::npos;
}

// One file, one text: without empty parts and `.`. What `..` leaves depends on symbolic links.
std::string canonical_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash before each part
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (!part.empty() && part != ".") out.append("/").append(part);
  }
  return out.empty() ? "/" : out;
}

std::optional<std::string> unix_path(std::string_view path) {
  constexpr std::size_t longest = 107;  // sockaddr_un::sun_path with its final NUL
  const auto is_control = [](char c) { return c >= 0 && c < ' '; };
  if (!path.starts_with('/') || path.size() > longest || std::ranges::any_of(path, is_control)) {
    return std::nullopt;
  }
  return canonical_path(path);
}

// IP addresses in their canonical text, names in lower case.
std::optional<std::string> canonical_host(std::string_view host) {
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool has_colon = host.find(':') != std::string_view::npos;
  if (bracketed != has_colon) return std::nullopt;
  if (const auto address = base::IpAddress::parse(host)) return address->text();
  if (has_colon) return std::nullopt;
  std::string name = base::to_lower(host);
  if (!is_host_name(name)) return std::nullopt;
  return name;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto port = base::parse_decimal(text);
  if (!port || *port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

}  // namespace

std::string Address::text() const {
  if (is_unix) return std::string(unix_prefix) + host;
  std::string out = host.find(':') == std::string::npos ? host : '[' + host + ']';
  out += ':';
  base::append_decimal(out, port);
  return out;
}

std::optional<Address> parse_address(std::string_view text, std::string& error) {
  if (text.starts_with(unix_prefix)) {
    const auto path = unix_path(text.substr(unix_prefix.size()));
    if (path) return Address{*path, 0, true, {}};
    error = "no absolute path of at most 107 bytes";
    return std::nullopt;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.ends_with(']')) {
    error = "no port";
    return std::nullopt;
  }
  const auto host = canonical_host(text.substr(0, colon));
  const auto port = parse_port(text.substr(colon + 1));
  if (!host || !port) {
    error = host ? "no port from 1 to 65535" : "no IP address or host name";
    return std::nullopt;
  }
  return Address{*host, *port, false, {}};
}

std::optional<Address> parse_address(const Node& node, Problems& problems) {
  const auto text = node.as_string(problems);
  if (!text) return std::nullopt;
  std::string error;
  auto address = parse_address(*text, error);
  if (!address) {
    node.error(error + " in " + node.quoted() + "; " + std::string(forms), problems);
    return std::nullopt;
  }
  address->position = node.position();
  return address;
}

}  // namespace sluice::config
