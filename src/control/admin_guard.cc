#include "control/admin_guard.h"

#include <cstddef>

#include "sluice/base/text.h"

namespace sluice::control {
namespace {

// `host`, `host:port` or `[v6]:port` without the port and the brackets. The port is not compared:
// forwarding it (ssh -L) changes it, and a rebound name cannot hide behind one.
std::string_view host_part(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    return end == authority.npos ? authority : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

bool names_this_machine(std::string_view authority) {
  const std::string_view host = host_part(authority);
  if (base::equals_ignoring_case(host, "localhost")) return true;
  const auto address = base::IpAddress::parse(host);
  return address && is_loopback(*address);
}

// Origin is scheme://host[:port] (RFC 6454 6.2). Only the scheme is not in Host: https is let
// through for a TLS proxy in front.
bool is_same_origin(std::string_view origin, std::string_view host) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (origin.size() == scheme.size() + host.size() &&
        base::equals_ignoring_case(origin.substr(0, scheme.size()), scheme) &&
        base::equals_ignoring_case(origin.substr(scheme.size()), host)) {
      return true;
    }
  }
  return false;  // among them "null", of sandboxed pages and files
}

}  // namespace

bool is_loopback(const base::IpAddress& address) {
  static const auto v4 = base::Cidr::parse("127.0.0.0/8");
  static const auto v6 = base::Cidr::parse("::1");
  return v4->contains(address) || v6->contains(address);
}

std::string forgery_in(const AdminRequestSource& source) {
  // HTTP/1.0 may leave Host out; browsers never do.
  const std::string_view host = source.host.empty() ? std::string_view() : source.host.front();
  const bool is_any_host = source.is_unix_socket || source.is_public;
  if (!is_any_host && !source.host.empty() && !names_this_machine(host)) {
    return "Host must be localhost or a loopback address";
  }
  for (const std::string_view origin : source.origin) {
    if (!is_same_origin(origin, host)) return "Origin must be the one this listener has";
  }
  for (const std::string_view site : source.fetch_site) {
    if (site != "same-origin" && site != "none") {
      return "Sec-Fetch-Site must be same-origin or none";
    }
  }
  return {};
}

}  // namespace sluice::control
