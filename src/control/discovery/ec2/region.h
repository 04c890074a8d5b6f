// Regions, and where their services are. Any thread, but for `service_at`, which may load the
// system's certificate authorities.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "control/http_client.h"
#include "sluice/http/url.h"
#include "sluice/net/tls_context.h"

namespace sluice::control::discovery::ec2 {

// Lower-case letters, digits and `-`, at most 32: it becomes part of a host's name.
[[nodiscard]] bool is_region(std::string_view text);

// `https://ec2.eu-west-1.amazonaws.com`
[[nodiscard]] std::string endpoint_of(std::string_view service, std::string_view region);

// A server that is asked.
struct Service {
  http::Url url;
  std::shared_ptr<const net::ClientTlsContext> tls;  // null: in clear text
  std::string error;                                 // what is wrong with it; empty: nothing

  [[nodiscard]] HttpRequest request() const;
};

// In clear text only on loopback, where tests and local proxies are.
[[nodiscard]] Service service_at(std::string_view url);
[[nodiscard]] Service service_at_url(http::Url url);

}  // namespace sluice::control::discovery::ec2
