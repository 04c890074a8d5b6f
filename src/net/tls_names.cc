#include "net/tls_names.h"

#include "sluice/base/cidr.h"

#include <algorithm>

namespace sluice::net {
namespace {

constexpr std::string_view wildcard = "*.";

bool is_label_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::ranges::all_of(text, is_label_character);
}

}  // namespace

bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > 253 || base::IpAddress::parse(text)) return false;
  while (true) {
    const std::size_t dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool is_certificate_name(std::string_view text) {
  return is_host_name(text.starts_with(wildcard) ? text.substr(wildcard.size()) : text);
}

}  // namespace sluice::net
