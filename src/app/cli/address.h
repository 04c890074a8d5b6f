// Where the admin listener of a running instance is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sluice::app::cli {

struct AdminAddress {
  std::string text;       // as given
  std::string unix_path;  // empty: TCP
  std::string host;       // a name, or an address without brackets
  std::string port;
  std::string host_field;  // for Host (RFC 9110 7.2)

  // "http://HOST:PORT", "HOST:PORT" as in admin.bind, or "unix:/PATH"; nothing, and what is wrong,
  // otherwise.
  static std::optional<AdminAddress> parse(std::string_view text, std::string& error);
};

}  // namespace sluice::app::cli
