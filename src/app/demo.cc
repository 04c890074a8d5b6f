#include "app/demo.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include "sluice/net/self_signed.h"

namespace sluice::app {
namespace {

namespace fs = std::filesystem;

// The environment variable, or `otherwise` when it is not set or empty.
std::string setting(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

std::string address() { return setting("SLUICE_DEMO_ADDRESS", "127.0.0.1"); }
std::string http_port() { return setting("SLUICE_DEMO_HTTP_PORT", "8080"); }
std::string https_port() { return setting("SLUICE_DEMO_HTTPS_PORT", "8443"); }
std::string admin_port() { return setting("SLUICE_DEMO_ADMIN_PORT", "9901"); }
std::string access_log() { return setting("SLUICE_DEMO_ACCESS_LOG", ""); }

// A YAML scalar that says exactly `text`: neither YAML nor the expansion of variables finds
// anything in it.
std::string yaml_text(std::string_view text) {
  std::string out = "'";
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\'') out += '\'';
    if (text[i] == '$' && text.substr(i + 1).starts_with('{')) out += '$';
    out += text[i];
  }
  return out + "'";
}

std::string listener(const std::string& name, const std::string& port, const std::string& tls) {
  return "  - name: " + name + "\n    bind: " + yaml_text(address() + ":" + port) +
         "\n    http2: true\n" + tls +
         R"(    rules:
      - name: api
        priority: 10
        conditions:
          - path: ["/api", "/api/*"]
        action: { forward: api }
      - name: admin
        priority: 20
        conditions:
          - path: ["/admin", "/admin/*"]
          - source_ip: [127.0.0.0/8, "::1/128", 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, "fc00::/7"]
        action: { forward: admin }
      - name: admin-closed
        priority: 30
        conditions:
          - path: ["/admin", "/admin/*"]
        action:
          fixed_response: { status: 403, content_type: text/plain, body: "Not from here.\n" }
    default_action: { forward: frontend }
)";
}

std::string target_group(const std::string& name, const DemoTargets& targets) {
  std::string text = "  - name: " + name + "\n    targets:\n";
  for (std::size_t index = 0; index < DemoTargets::per_group; ++index) {
    text += "      - 127.0.0.1:" + std::to_string(targets.port(name, index)) + "\n";
  }
  text += "    health_check: { path: /health, interval: 5s }\n";
  if (name == "frontend") text += "    stickiness: { type: lb_cookie }\n";
  return text;
}

}  // namespace

DemoCertificate::DemoCertificate() {
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  directory_ = ((error ? fs::path("/tmp") : parent) / "sluice-demo-XXXXXX").string();
  if (::mkdtemp(directory_.data()) == nullptr) {  // mode 0700, a name nobody could foresee
    const std::error_code why(errno, std::generic_category());
    throw std::runtime_error("demo: cannot make " + directory_ + ": " + why.message());
  }
  certificate_file_ = directory_ + "/demo.crt";
  key_file_ = directory_ + "/demo.key";
  const net::SelfSignedRequest request{.names = {"localhost", "127.0.0.1", "::1", "example.test"}};
  const std::string problem = net::write_self_signed(request, certificate_file_, key_file_);
  if (problem.empty()) return;
  fs::remove_all(directory_, error);
  throw std::runtime_error("demo: " + problem);
}

DemoCertificate::~DemoCertificate() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

std::string demo_configuration(const DemoTargets& targets, const DemoCertificate& certificate) {
  // Signed for this run only: its end is nobody's business.
  const std::string tls =
      "    tls:\n      expiry_warning: 0\n      certificates:\n        - cert: " +
      yaml_text(certificate.certificate_file()) +
      "\n          key: " + yaml_text(certificate.key_file()) + "\n";
  std::string text = "listeners:\n" + listener("web", http_port(), "") +
                     listener("web-tls", https_port(), tls) + "target_groups:\n" +
                     target_group("api", targets) + target_group("admin", targets) +
                     target_group("frontend", targets) +
                     "admin:\n  bind: " + yaml_text("127.0.0.1:" + admin_port()) + "\n";
  // Off unless asked for: a load test would flood the terminal.
  if (!access_log().empty()) {
    text += "access_log:\n  path: " + yaml_text(access_log()) + "\n  format: combined\n";
  }
  return text;
}

std::string demo_banner() {
  const bool is_local = address() == "127.0.0.1" || address() == "0.0.0.0";
  const std::string host = is_local ? "localhost" : address();
  const std::string http = "http://" + host + ":" + http_port();
  const std::string https = "https://" + host + ":" + https_port();
  const std::string admin = "http://localhost:" + admin_port();
  const std::string log_hint =
      access_log().empty() ? "SLUICE_DEMO_ACCESS_LOG=stdout shows a line for every request. " : "";
  return "\nSluice serves a demo: groups api, admin and frontend, two targets each, all in this "
         "process.\n\n"
         "The frontend, in a browser too, by HTTP and HTTPS (-k: the certificate is "
         "self-signed):\n"
         "  curl " +
         http +
         "/\n"
         "  curl -k " +
         https +
         "/\n"
         "The api, by its path. The answer shows the request as the target got it; repeat it, and "
         "both targets answer:\n"
         "  curl " +
         http +
         "/api/hello\n"
         "  curl -k " +
         https +
         "/api/hello\n"
         "The admin group, for private addresses only:\n"
         "  curl " +
         http +
         "/admin/\n"
         "A slow answer, a long one, and targets that fail until told otherwise:\n"
         "  curl '" +
         http +
         "/api/slow?ms=1500'\n"
         "  curl -o /dev/null '" +
         http +
         "/api/bytes?n=100000000'\n"
         "  curl -X POST " +
         http +
         "/api/fail/on\n"
         "  curl -i " +
         http +
         "/api/fail\n"
         "  curl -X POST " +
         http +
         "/api/fail/off\n"
         "What Sluice says about itself, its targets, and what happens to them:\n"
         "  curl " +
         admin +
         "/v1/status\n"
         "  curl " +
         admin +
         "/v1/target-groups/api/targets\n"
         "  curl -N " +
         admin +
         "/v1/events\n"
         "  curl " +
         admin + "/metrics\n\n" + log_hint + "Ctrl-C ends it.\n";
}

}  // namespace sluice::app
