#include "control/discovery/ec2/region.h"

#include <algorithm>
#include <utility>

#include "control/discovery/ec2/instance_metadata.h"

namespace sluice::control::discovery::ec2 {

bool is_region(std::string_view text) {
  constexpr std::size_t bytes_max = 32;
  return !text.empty() && text.size() <= bytes_max && !text.starts_with('-') &&
         !text.ends_with('-') && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

std::string endpoint_of(std::string_view service, std::string_view region) {
  std::string_view suffix = "amazonaws.com";
  if (region.starts_with("cn-")) suffix = "amazonaws.com.cn";
  if (region.starts_with("eusc-")) suffix = "amazonaws.eu";
  std::string url = "https://";
  url.append(service).append(".").append(region).append(".").append(suffix);
  return url;
}

HttpRequest Service::request() const {
  HttpRequest request{
      .host = url.host, .port = url.port, .authority = url.authority, .path = url.path, .tls = tls};
  return request;
}

Service service_at_url(http::Url url) {
  Service service;
  service.url = std::move(url);
  if (!service.url.is_https) return service;
  config::Problems problems;
  service.tls = net::ClientTlsContext::load({}, problems);
  if (service.tls == nullptr) service.error = "cannot be asked: TLS has no authorities";
  return service;
}

Service service_at(std::string_view text) {
  auto url = http::parse_url(text);
  if (url && (url->is_https || is_loopback_host(url->host))) return service_at_url(*std::move(url));
  Service service;
  service.error =
      "must be a URL such as https://service.example, or http:// with a loopback address";
  return service;
}

}  // namespace sluice::control::discovery::ec2
