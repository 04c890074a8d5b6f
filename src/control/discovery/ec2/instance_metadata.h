// The metadata service of the instance (IMDSv2): its region, and the credentials of its role.
//
// Version 2 only: a token is fetched with a PUT and shown with each GET; there is no way back to
// version 1, which any request forged through a server could use. Where it is: the variables
// AWS_EC2_METADATA_SERVICE_ENDPOINT and AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE, as elsewhere, but
// in clear text only on loopback and at the addresses that it really has (T23). Control thread.
#pragma once

#include <memory>
#include <string>

#include "control/discovery/ec2/environment.h"
#include "control/http_client.h"
#include "sluice/http/url.h"
#include "sluice/net/secret.h"

namespace sluice::control::discovery::ec2 {

// Loopback, and numbers: what may be asked in clear text without leaving the machine.
[[nodiscard]] bool is_loopback_host(const std::string& host);
[[nodiscard]] bool is_metadata_host(const std::string& host);

class InstanceMetadata {
 public:
  static constexpr std::string_view path_of_region = "/latest/meta-data/placement/region";
  static constexpr std::string_view path_of_roles = "/latest/meta-data/iam/security-credentials/";

  InstanceMetadata(net::Loop& loop, Environment environment);

  struct Answer {
    std::string content;     // may be secret: whoever takes it wipes it
    std::string error;       // printable
    bool is_absent = false;  // 404: the service is well, and has no such thing
  };
  [[nodiscard]] net::Task<Answer> get(std::string path);

 private:
  struct Place {
    http::Url url;
    std::string error;
  };
  [[nodiscard]] Place place() const;
  [[nodiscard]] net::Task<std::string> fetch_token(http::Url url);
  [[nodiscard]] net::Task<HttpAnswer> ask(http::Url url, std::string path);

  net::Loop& loop_;
  Environment environment_;
  std::shared_ptr<const net::Secret> token_;
  base::SteadyTime token_until_{};
};

}  // namespace sluice::control::discovery::ec2
