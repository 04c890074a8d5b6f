// grpc: the target answers a call with a status that matches.
//
// As ALB: without more, a method that nobody has is called, and status 12 (unimplemented) says that
// a gRPC server is there. With `service`, or the path of it, the standard health service is asked
// (grpc.health.v1, its Check method), and has to answer SERVING.
#include <cstdint>
#include <optional>
#include <utility>

#include "control/health/finding.h"
#include "control/health/h2_exchange.h"
#include "control/health/makers.h"
#include "control/health/matcher.h"
#include "sluice/base/text.h"
#include "sluice/base/version.h"
#include "sluice/http/uri.h"

namespace sluice::control::health {

namespace {

using config::Milliseconds;
using target::StateReason;

constexpr std::string_view health_service = "/grpc.health.v1.Health/Check";
constexpr std::string_view unknown_method = "/AWS.ALB/healthcheck";
constexpr std::size_t path_bytes_max = 1024;
constexpr std::size_t service_bytes_max = 100;  // its length is one byte in the message
constexpr std::size_t prefix_bytes = 5;         // compressed flag, length

struct GrpcSettings {
  std::string path{unknown_method};
  std::string service;
  std::string host;
  StatusMatcher matcher;

  [[nodiscard]] bool asks_health_service() const { return path == health_service; }
};

// HealthCheckRequest { string service = 1; }; other methods get an empty message.
std::string message_of(const GrpcSettings& settings) {
  constexpr char string_field_1 = 0x0a;
  std::string content;
  if (settings.asks_health_service() && !settings.service.empty()) {
    content += string_field_1;
    content += static_cast<char>(settings.service.size());
    content += settings.service;
  }
  std::string out(prefix_bytes, '\0');
  out[prefix_bytes - 1] = static_cast<char>(content.size());
  return out + content;
}

// HealthCheckResponse { ServingStatus status = 1; }, where 1 is SERVING.
bool is_serving(std::string_view content) {
  constexpr std::string_view serving("\x08\x01", 2);
  return content.size() > prefix_bytes && content.front() == '\0' &&
         content.substr(prefix_bytes).starts_with(serving);
}

std::string_view grpc_status(const H2Answer& answer) {
  for (const http::Fields* fields : {&answer.trailers, &answer.head.fields}) {
    for (const http::Field& field : *fields) {
      if (base::equals_ignoring_case(field.name, "grpc-status")) return field.value;
    }
  }
  return {};
}

class Grpc final : public Check {
 public:
  Grpc(GrpcSettings settings, std::shared_ptr<const net::ClientTlsContext> tls)
      : settings_(std::move(settings)), tls_(std::move(tls)), message_(message_of(settings_)) {}

  net::Task<Finding> probe(net::Loop& loop, Subject subject, Milliseconds timeout) const override;

 private:
  [[nodiscard]] Finding judge(const H2Answer& answer) const;

  const GrpcSettings settings_;
  const std::shared_ptr<const net::ClientTlsContext> tls_;
  const std::string message_;
};

net::Task<Finding> Grpc::probe(net::Loop& loop, Subject subject, Milliseconds timeout) const {
  const TimeLeft left(loop, timeout);
  H2Dialed dialed = co_await dial_http2(loop, subject, tls_, timeout);
  if (dialed.stream == nullptr) co_return std::move(dialed.finding);
  const std::string authority =
      settings_.host.empty() ? authority_of(subject, tls_ != nullptr) : settings_.host;
  const std::string fields =
      "content-type: application/grpc\r\nte: trailers\r\nuser-agent: "
      "Sluice-HealthChecker/" +
      std::string(base::version) + "\r\n";
  const H2Request request{.method = http::Method::post,
                          .method_text = "POST",
                          .scheme = tls_ != nullptr ? "https" : "http",
                          .authority = authority,
                          .path = settings_.path,
                          .fields = fields,
                          .content = message_,
                          .wants_content = true};
  H2Answer answer;
  Finding finding = co_await exchange_http2(*dialed.stream, request, answer, left);
  if (finding.passed()) finding = judge(answer);
  co_return finding;
}

Finding Grpc::judge(const H2Answer& answer) const {
  const std::string_view text = grpc_status(answer);
  const auto status = base::parse_decimal(text);
  if (!status || *status > StatusMatcher::most) {
    return {StateReason::response_code_mismatch,
            "got no grpc-status, with status " + std::to_string(answer.head.status)};
  }
  if (!settings_.matcher.matches(static_cast<std::uint16_t>(*status))) {
    return {StateReason::response_code_mismatch,
            "got grpc-status " + std::to_string(*status) + ", want " + settings_.matcher.text()};
  }
  if (settings_.asks_health_service() && *status == 0 && !is_serving(answer.content)) {
    return {StateReason::response_body_mismatch, "the service is not SERVING"};
  }
  return {};
}

void read_path(const config::Node& node, GrpcSettings& settings, config::Problems& problems) {
  const auto given = node.get("path");
  const auto text = given ? given->as_string(problems) : std::nullopt;
  if (!text) return;
  const bool is_visible = text->find_first_not_of(
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "/._-~%") == std::string::npos;
  if (is_visible && text->size() <= path_bytes_max && text->starts_with('/')) {
    settings.path = *text;
    return;
  }
  given->error("must be a method such as /package.Service/Method, not " + given->quoted(),
               problems);
}

void read_service(const config::Node& node, GrpcSettings& settings, config::Problems& problems) {
  const auto given = node.get("service");
  const auto text = given ? given->as_string(problems) : std::nullopt;
  if (!text) return;
  settings.service = *text;
  if (!node.get("path")) settings.path = health_service;
  if (!settings.asks_health_service()) {
    given->error("only with path: " + std::string(health_service), problems);
  }
  if (text->size() > service_bytes_max) {
    given->error("must have at most " + std::to_string(service_bytes_max) + " bytes", problems);
  }
}

void read_host(const config::Node& node, GrpcSettings& settings, config::Problems& problems) {
  const auto given = node.get("host");
  const auto text = given ? given->as_string(problems) : std::nullopt;
  if (!text) return;
  if (http::is_valid_authority(*text)) {
    settings.host = *text;
  } else {
    given->error("must be a host name or address, with a port if need be, not " + given->quoted(),
                 problems);
  }
}

}  // namespace

std::shared_ptr<const Check> make_grpc(const Source& source, config::Problems& problems) {
  GrpcSettings settings;
  read_path(source.node, settings, problems);
  read_service(source.node, settings, problems);
  settings.matcher =
      read_matcher(source.node, StatusMatcher::parse_grpc,
                   "gRPC statuses from 0 to 99, like 0, \"0,12\" or \"0-99\"", problems)
          .value_or(*StatusMatcher::parse_grpc(settings.asks_health_service() ? "0" : "12"));
  read_host(source.node, settings, problems);
  return std::make_shared<Grpc>(std::move(settings), source.group.tls);
}

}  // namespace sluice::control::health
