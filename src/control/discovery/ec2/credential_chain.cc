#include "control/discovery/ec2/credential_chain.h"

#include <algorithm>
#include <array>
#include <utility>

#include "control/discovery/ec2/answers.h"
#include "control/discovery/ec2/patience.h"
#include "control/discovery/ec2/region.h"
#include "control/discovery/ec2/signature.h"
#include "control/discovery/ec2/times.h"
#include "sluice/base/file.h"
#include "sluice/base/strict_json.h"
#include "sluice/base/text.h"

namespace sluice::control::discovery::ec2 {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t json_bytes_max = 16 * 1024;
constexpr std::size_t token_file_bytes_max = 16 * 1024;
constexpr std::size_t sts_bytes_max = 64 * 1024;
constexpr std::size_t role_bytes_max = 256;

Fetched failed(std::string_view source, const std::string& error) {
  return {.credentials = nullptr,
          .error = "credentials of the " + std::string(source) + ": " + error,
          .source = source};
}

// Moves a text of the document out and overwrites it there.
net::Secret taken(boost::json::object& object, const char* name) {
  auto* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) return {};
  boost::json::string& text = value->get_string();
  net::Secret secret(std::string_view(text.data(), text.size()));
  net::wipe({reinterpret_cast<unsigned char*>(text.data()), text.size()});
  return secret;
}

// The content of a file with a token, without the white space around it.
std::optional<net::Secret> read_token(const std::string& path, std::string& error) {
  auto file = base::read_file(path, token_file_bytes_max, error);
  if (!file) return std::nullopt;
  constexpr std::string_view blank = " \t\r\n";
  const std::string_view text = file->bytes;
  const std::size_t first = std::min(text.find_first_not_of(blank), text.size());
  const std::size_t last = text.find_last_not_of(blank);
  std::optional<net::Secret> secret;
  if (first < text.size()) secret.emplace(text.substr(first, last + 1 - first));
  if (!secret) error = "the file of the token is empty";
  net::wipe(file->bytes);
  return secret;
}

// --- environment --------------------------------------------------------------------------------

Fetched from_environment(const Environment& environment) {
  constexpr std::string_view source = "environment";
  auto credentials = std::make_shared<Credentials>();
  std::string secret = environment("AWS_SECRET_ACCESS_KEY");
  std::string token = environment("AWS_SESSION_TOKEN");
  credentials->access_key_id = net::Secret(environment("AWS_ACCESS_KEY_ID"));
  credentials->secret_access_key = net::Secret(secret);
  credentials->session_token = net::Secret(token);
  net::wipe(secret);
  net::wipe(token);
  if (credentials->secret_access_key.is_empty()) {
    return failed(source, "AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not");
  }
  const std::string expiration = environment("AWS_CREDENTIAL_EXPIRATION");
  credentials->expires = parse_timestamp(expiration);
  if (!expiration.empty() && !credentials->expires) {
    return failed(source, "AWS_CREDENTIAL_EXPIRATION is no time such as 2026-11-21T01:00:00Z");
  }
  return {.credentials = std::move(credentials), .error = {}, .source = source};
}

// --- web identity -------------------------------------------------------------------------------

net::Task<Fetched> from_web_identity(const ChainParts& parts, std::string region) {
  constexpr std::string_view source = "web identity";
  const Environment& environment = parts.environment;
  const std::string role = environment("AWS_ROLE_ARN");
  if (role.empty()) {
    co_return failed(source, "AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not");
  }
  std::string session = environment("AWS_ROLE_SESSION_NAME");
  if (session.empty()) session = "sluice";
  const std::string given = environment("AWS_ENDPOINT_URL_STS");
  const Service place = service_at(given.empty() ? endpoint_of("sts", region) : given);
  if (!place.error.empty()) co_return failed(source, "AWS_ENDPOINT_URL_STS " + place.error);
  std::string error;
  auto token = read_token(environment("AWS_WEB_IDENTITY_TOKEN_FILE"), error);
  if (!token) co_return failed(source, error);
  auto form = std::make_shared<std::string>();
  form->reserve(512 + 3 * token->reveal().size());
  *form += "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=";
  append_form_encoded(*form, role);
  *form += "&RoleSessionName=";
  append_form_encoded(*form, session);
  *form += "&WebIdentityToken=";
  append_form_encoded(*form, token->reveal());
  MakeRequest make = [form, place] {
    HttpRequest request = place.request();
    request.method = "POST";
    request.fields = {{"Content-Type", std::string(form_content_type)}};
    request.content = *form;
    request.bytes_max = sts_bytes_max;
    return request;
  };
  net::Task<HttpAnswer> asking = ask_again(parts.loop, std::move(make), {.timeout = 5s});
  HttpAnswer answer = co_await std::move(asking);
  net::wipe(*form);
  if (!answer.error.empty()) co_return failed(source, place.url.authority + ": " + answer.error);
  Fetched fetched{.credentials = nullptr, .error = {}, .source = source};
  if (answer.status == 200) fetched.credentials = parse_assumed_role(answer.content);
  if (fetched.credentials == nullptr) {
    const std::string code = answer.status == 200 ? "" : parse_error_code(answer.content);
    fetched = failed(source, place.url.authority + " answered " + std::to_string(answer.status) +
                                 (code.empty() ? "" : ", " + code));
  }
  net::wipe(answer.content);
  co_return fetched;
}

// --- container ----------------------------------------------------------------------------------

// In clear text only to loopback and the agents of ECS and EKS (T23).
bool is_agent_host(const std::string& host) {
  constexpr std::array<std::string_view, 3> agents{"169.254.170.2", "169.254.170.23",
                                                   "fd00:ec2::23"};
  return is_loopback_host(host) || std::ranges::find(agents, host) != agents.end();
}

Service container_service(const Environment& environment) {
  const std::string relative = environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const std::string text = relative.empty() ? environment("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                                            : "http://169.254.170.2" + relative;
  Service service;
  auto url = http::parse_url(text);
  // Nothing may come between the address and the path.
  const bool is_url = url && (relative.empty() || relative.starts_with('/'));
  if (!is_url) {
    service.error = "its address is no URL";
  } else if (!url->is_https && !is_agent_host(url->host)) {
    service.error =
        "its address must be https://, loopback, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]";
  } else {
    service = service_at_url(*std::move(url));
  }
  return service;
}

net::Task<Fetched> from_container(const ChainParts& parts) {
  constexpr std::string_view source = "container";
  const Environment& environment = parts.environment;
  const Service place = container_service(environment);
  if (!place.error.empty()) co_return failed(source, place.error);
  auto authorization = std::make_shared<net::Secret>();
  const std::string file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  if (!file.empty()) {
    std::string error;
    auto token = read_token(file, error);
    if (!token) co_return failed(source, error);
    *authorization = *std::move(token);
  } else {
    std::string token = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    *authorization = net::Secret(token);
    net::wipe(token);
  }
  MakeRequest make = [authorization, place] {
    HttpRequest request = place.request();
    request.fields = {{"Accept", "application/json"}};
    if (!authorization->is_empty()) {
      request.fields.emplace_back("Authorization", authorization->reveal());
    }
    request.bytes_max = json_bytes_max;
    return request;
  };
  net::Task<HttpAnswer> asking =
      ask_again(parts.loop, std::move(make), {.timeout = 2s, .pause = 1s});
  HttpAnswer answer = co_await std::move(asking);
  if (!answer.error.empty()) co_return failed(source, place.url.authority + ": " + answer.error);
  if (answer.status != 200) {
    co_return failed(source, place.url.authority + " answered " + std::to_string(answer.status));
  }
  Fetched fetched{.credentials = parse_credentials(answer.content),
                  .error = {},
                  .source = source,
                  .may_outlive_their_end = true};
  if (fetched.credentials == nullptr) co_return failed(source, "the answer has none");
  co_return fetched;
}

// --- instance -----------------------------------------------------------------------------------

net::Task<Fetched> from_instance(const ChainParts& parts) {
  constexpr std::string_view source = "instance";
  net::Task<InstanceMetadata::Answer> asking_roles =
      parts.metadata.get(std::string(InstanceMetadata::path_of_roles));
  InstanceMetadata::Answer answer = co_await std::move(asking_roles);
  if (answer.is_absent || (answer.error.empty() && answer.content.empty())) {
    co_return failed(source, "it has no role (instance profile)");
  }
  if (!answer.error.empty()) co_return failed(source, answer.error);
  std::string role = answer.content.substr(0, answer.content.find('\n'));
  const bool is_name = role.size() <= role_bytes_max && std::ranges::all_of(role, [](char c) {
                         return c > ' ' && c <= '~' && c != '/' && c != '?' && c != '#';
                       });
  if (!is_name) co_return failed(source, "the name of its role is malformed");
  net::Task<InstanceMetadata::Answer> asking =
      parts.metadata.get(std::string(InstanceMetadata::path_of_roles) + role);
  answer = co_await std::move(asking);
  if (!answer.error.empty()) co_return failed(source, answer.error);
  Fetched fetched{.credentials = parse_credentials(answer.content),
                  .error = {},
                  .source = source,
                  .may_outlive_their_end = true};
  if (fetched.credentials == nullptr) co_return failed(source, "the answer has none");
  co_return fetched;
}

}  // namespace

SharedCredentials parse_credentials(std::string& text) {
  auto document = base::parse_strict_json(text, {.bytes = json_bytes_max, .depth = 4});
  net::wipe(text);
  if (!document || !document->is_object()) return nullptr;
  boost::json::object& object = document->get_object();
  auto credentials = std::make_shared<Credentials>();
  credentials->access_key_id = taken(object, "AccessKeyId");
  credentials->secret_access_key = taken(object, "SecretAccessKey");
  credentials->session_token = taken(object, "Token");
  if (const auto* expires = object.if_contains("Expiration"); expires && expires->is_string()) {
    const auto& written = expires->get_string();
    credentials->expires = parse_timestamp({written.data(), written.size()});
  }
  const bool is_whole = !credentials->access_key_id.is_empty() &&
                        !credentials->secret_access_key.is_empty() &&
                        credentials->expires.has_value();
  if (!is_whole) return nullptr;
  return credentials;
}

net::Task<Fetched> fetch_credentials(const ChainParts& parts, std::string region) {
  const auto is_set = [&parts](const char* name) { return !parts.environment(name).empty(); };
  if (is_set("AWS_ACCESS_KEY_ID")) co_return from_environment(parts.environment);
  if (is_set("AWS_WEB_IDENTITY_TOKEN_FILE")) {
    net::Task<Fetched> fetching = from_web_identity(parts, std::move(region));
    Fetched fetched = co_await std::move(fetching);
    co_return fetched;
  }
  if (is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
      is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
    net::Task<Fetched> fetching = from_container(parts);
    Fetched fetched = co_await std::move(fetching);
    co_return fetched;
  }
  net::Task<Fetched> fetching = from_instance(parts);
  Fetched fetched = co_await std::move(fetching);
  co_return fetched;
}

}  // namespace sluice::control::discovery::ec2
