#include "control/discovery/ec2/instance_metadata.h"

#include <chrono>
#include <utility>

#include "control/discovery/ec2/patience.h"
#include "sluice/base/cidr.h"
#include "sluice/base/text.h"
#include "sluice/net/endpoint.h"

namespace sluice::control::discovery::ec2 {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view token_path = "/latest/api/token";
constexpr std::string_view token_lifetime_text = "21600";
constexpr auto token_lifetime = 21'600s;
constexpr auto token_margin = 60s;  // a token is not used in its last minute
constexpr std::size_t content_bytes_max = 16 * 1024;
constexpr config::Milliseconds timeout{2'000};

HttpRequest request_to(const http::Url& url, std::string_view path) {
  HttpRequest request{.host = url.host,
                      .port = url.port,
                      .authority = url.authority,
                      .path = std::string(path),
                      .bytes_max = content_bytes_max,
                      .is_for_metadata = true};
  return request;
}

}  // namespace

bool is_loopback_host(const std::string& host) {
  static const auto loopback = base::Cidr::parse("127.0.0.0/8");
  const auto address = net::Endpoint::numeric(host, 0);
  if (!address) return false;
  return address->address_text() == "::1" || (loopback && loopback->contains(address->address()));
}

bool is_metadata_host(const std::string& host) {
  const auto address = net::Endpoint::numeric(host, 0);
  return address && net::is_metadata_address(*address);
}

InstanceMetadata::InstanceMetadata(net::Loop& loop, Environment environment)
    : loop_(loop), environment_(std::move(environment)) {}

InstanceMetadata::Place InstanceMetadata::place() const {
  if (base::equals_ignoring_case(environment_("AWS_EC2_METADATA_DISABLED"), "true")) {
    return {.url = {}, .error = "switched off by AWS_EC2_METADATA_DISABLED"};
  }
  std::string text = environment_("AWS_EC2_METADATA_SERVICE_ENDPOINT");
  if (text.empty()) {
    const bool is_ipv6 =
        base::equals_ignoring_case(environment_("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "ipv6");
    text = is_ipv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254";
  }
  auto url = http::parse_url(text);
  const bool is_near =
      url && !url->is_https && (is_loopback_host(url->host) || is_metadata_host(url->host));
  if (!is_near) {
    return {.url = {},
            .error =
                "AWS_EC2_METADATA_SERVICE_ENDPOINT must be http:// and a loopback or metadata "
                "address"};
  }
  return {.url = *std::move(url), .error = {}};
}

// Empty when there is one now.
net::Task<std::string> InstanceMetadata::fetch_token(http::Url url) {
  MakeRequest make = [url] {
    HttpRequest request = request_to(url, token_path);
    request.method = "PUT";
    request.fields = {{"X-aws-ec2-metadata-token-ttl-seconds", std::string(token_lifetime_text)}};
    return request;
  };
  net::Task<HttpAnswer> asking = ask_again(loop_, std::move(make), {.timeout = timeout});
  HttpAnswer answer = co_await std::move(asking);
  if (answer.status == 0) {
    co_return "no token: " + answer.error +
        "; it must be reachable, and in a container its hop limit must be 2 or more";
  }
  if (answer.status == 403) co_return "refuses tokens (403): it is switched off for this instance";
  if (answer.status != 200 || !answer.error.empty() || answer.content.empty()) {
    co_return "no token: answered " + std::to_string(answer.status) +
        "; version 2 of the service is needed";
  }
  token_ = std::make_shared<const net::Secret>(answer.content);
  net::wipe(answer.content);
  token_until_ = loop_.clock.now() + token_lifetime - token_margin;
  co_return std::string();
}

net::Task<HttpAnswer> InstanceMetadata::ask(http::Url url, std::string path) {
  MakeRequest make = [url, path, token = token_] {
    HttpRequest request = request_to(url, path);
    request.fields = {{"X-aws-ec2-metadata-token", std::string(token->reveal())}};
    return request;
  };
  return ask_again(loop_, std::move(make), {.timeout = timeout});
}

net::Task<InstanceMetadata::Answer> InstanceMetadata::get(std::string path) {
  const std::string label = "instance metadata: ";
  const Place at = place();
  if (!at.error.empty()) co_return Answer{.content = {}, .error = label + at.error};
  HttpAnswer answer;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (token_ == nullptr || loop_.clock.now() >= token_until_) {
      net::Task<std::string> fetching = fetch_token(at.url);
      std::string error = co_await std::move(fetching);
      if (!error.empty()) co_return Answer{.content = {}, .error = label + error};
    }
    net::Task<HttpAnswer> asking = ask(at.url, path);
    answer = co_await std::move(asking);
    if (answer.status != 401) break;
    token_.reset();  // of a service that was started anew
  }
  if (answer.status == 0) co_return Answer{.content = {}, .error = label + answer.error};
  if (answer.status != 200 || !answer.error.empty()) {
    co_return Answer{.content = {},
                     .error = label + "answered " + std::to_string(answer.status) + " for " + path,
                     .is_absent = answer.status == 404};
  }
  co_return Answer{.content = std::move(answer.content), .error = {}};
}

}  // namespace sluice::control::discovery::ec2
