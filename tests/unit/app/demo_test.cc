#include "app/demo.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/load.h"
#include "sluice/net/endpoint.h"
#include "sluice/net/listener.h"
#include "sluice/net/tls_context.h"

namespace {

namespace fs = std::filesystem;
using sluice::app::demo_banner;
using sluice::app::demo_configuration;
using sluice::app::DemoCertificate;
using sluice::app::DemoTargets;
using sluice::config::Model;
using sluice::config::Problems;
using sluice::net::Endpoint;
using sluice::net::OwnedFd;

constexpr timeval patience{.tv_sec = 10, .tv_usec = 0};  // then a read fails, and so the test

// An environment variable for the time of one test.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

OwnedFd connect(std::uint16_t port) {
  const Endpoint endpoint = *Endpoint::numeric("127.0.0.1", port);
  OwnedFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(socket.get(), endpoint.data(), endpoint.size()) != 0) return {};
  return socket;
}

void send(const OwnedFd& socket, std::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Everything until `size` bytes have come or the peer closes.
std::string receive(const OwnedFd& socket, std::size_t size = std::string::npos) {
  std::string text;
  std::array<char, 65536> bytes{};
  while (text.size() < size) {
    const std::size_t wanted = std::min(bytes.size(), size - text.size());
    const ssize_t got = ::recv(socket.get(), bytes.data(), wanted, 0);
    if (got <= 0) break;
    text.append(bytes.data(), static_cast<std::size_t>(got));
  }
  return text;
}

std::string ask(std::uint16_t port, const std::string& method_and_path,
                const std::string& rest = "\r\n") {
  const OwnedFd socket = connect(port);
  send(socket, method_and_path + " HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n" + rest);
  return receive(socket);
}

std::string body_of(const std::string& response) {
  const std::size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}

boost::json::value json_of(const std::string& response) {
  return boost::json::parse(body_of(response));
}

std::optional<Model> load_demo(const std::string& text, Problems& problems) {
  return sluice::config::load_text(text, "demo", problems);
}

std::string text_of(const Problems& problems) {
  std::string text;
  for (const auto& problem : problems.sorted()) text += problem.text() + "\n";
  return text;
}

// --- targets ------------------------------------------------------------------------------------

TEST(DemoTargets, each_group_has_two_targets_of_its_own) {
  const DemoTargets targets;
  std::vector<std::uint16_t> ports;
  for (const char* group : {"api", "admin", "frontend"}) {
    for (std::size_t index = 0; index < 2; ++index) ports.push_back(targets.port(group, index));
  }
  std::ranges::sort(ports);
  EXPECT_NE(ports.front(), 0);
  EXPECT_EQ(std::ranges::adjacent_find(ports), ports.end());
  EXPECT_EQ(targets.port("api", 2), 0);
  EXPECT_EQ(targets.port("nothing", 0), 0);
}

TEST(DemoTargets, an_answer_shows_the_request_as_it_arrived) {
  const DemoTargets targets;
  const auto answer = json_of(ask(targets.port("api", 1), "POST /api/hello?x=1&y",
                                  "X-Forwarded-For: 10.0.0.1\r\nAccept: a\r\nAccept: b\r\n"
                                  "Content-Length: 5\r\n\r\nhello"));
  EXPECT_EQ(answer.at("group").as_string(), "api");
  EXPECT_EQ(answer.at("target").to_number<int>(), 2);
  EXPECT_EQ(answer.at("method").as_string(), "POST");
  EXPECT_EQ(answer.at("path").as_string(), "/api/hello");
  EXPECT_EQ(answer.at("query").as_string(), "x=1&y");
  EXPECT_EQ(answer.at("body_bytes").to_number<int>(), 5);
  EXPECT_EQ(answer.at("headers").at("X-Forwarded-For").as_string(), "10.0.0.1");
  EXPECT_EQ(answer.at("headers").at("Accept").as_string(), "a, b");
}

TEST(DemoTargets, the_frontend_is_a_page) {
  const DemoTargets targets;
  const std::string response = ask(targets.port("frontend", 0), "GET /");
  EXPECT_TRUE(response.starts_with("HTTP/1.1 200 "));
  EXPECT_NE(response.find("text/html"), std::string::npos);
  EXPECT_NE(response.find("frontend, target 1"), std::string::npos);
}

TEST(DemoTargets, bytes_come_in_the_number_asked_for) {
  const DemoTargets targets;
  const std::uint16_t port = targets.port("api", 0);
  EXPECT_EQ(body_of(ask(port, "GET /api/bytes?n=1000000")).size(), 1'000'000U);
  EXPECT_EQ(body_of(ask(port, "GET /bytes?n=0")).size(), 0U);
  EXPECT_TRUE(ask(port, "GET /bytes?n=-1").starts_with("HTTP/1.1 400 "));
  const std::string head = ask(port, "HEAD /bytes?n=99999999999999");
  EXPECT_NE(head.find("Content-Length: 1073741824\r\n"), std::string::npos);
  EXPECT_EQ(body_of(head), "");
}

TEST(DemoTargets, a_slow_answer_takes_at_least_its_time) {
  const DemoTargets targets;
  const auto start = std::chrono::steady_clock::now();
  const std::string response = ask(targets.port("admin", 0), "GET /admin/slow?ms=60");
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(60));
  EXPECT_EQ(json_of(response).at("group").as_string(), "admin");
}

TEST(DemoTargets, api_targets_fail_from_one_switch_to_the_other) {
  const DemoTargets targets;
  const auto fails = [&](std::size_t index) {
    return ask(targets.port("api", index), "GET /api/fail").starts_with("HTTP/1.1 500 ");
  };
  EXPECT_FALSE(fails(0) || fails(1));
  ask(targets.port("api", 0), "POST /api/fail/on");
  EXPECT_TRUE(fails(0) && fails(1));
  ask(targets.port("api", 1), "POST /api/fail/off?target=1");
  EXPECT_FALSE(fails(0));
  EXPECT_TRUE(fails(1));
  ask(targets.port("api", 0), "POST /fail/off");
  EXPECT_FALSE(fails(0) || fails(1));
  EXPECT_TRUE(ask(targets.port("api", 0), "GET /api/fail/on").starts_with("HTTP/1.1 405 "));
  EXPECT_FALSE(fails(0));
}

TEST(DemoTargets, a_connection_carries_many_requests) {
  const DemoTargets targets;
  const OwnedFd socket = connect(targets.port("admin", 1));
  const std::string request = "HEAD /admin/ HTTP/1.1\r\nHost: demo\r\n\r\n";
  send(socket, request + request + "HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string text = receive(socket);
  std::size_t answers = 0;
  for (std::size_t at = text.find("HTTP/1.1 200 "); at != std::string::npos;
       at = text.find("HTTP/1.1 200 ", at + 1)) {
    ++answers;
  }
  EXPECT_EQ(answers, 3U);
}

TEST(DemoTargets, the_frontend_echoes_on_a_websocket) {
  const DemoTargets targets;
  const OwnedFd socket = connect(targets.port("frontend", 0));
  send(socket,
       "GET /ws HTTP/1.1\r\nHost: demo\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
       "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const std::string byte = receive(socket, 1);
    ASSERT_FALSE(byte.empty()) << head;
    head += byte;
  }
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 "));
  // The example of RFC 6455 1.3.
  EXPECT_NE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos);
  // "Hello" from RFC 6455 5.7, masked; and unmasked, as servers send.
  send(socket, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  EXPECT_EQ(receive(socket, 7), "\x81\x05Hello");
}

TEST(DemoTargets, stopping_closes_connections_and_may_be_repeated) {
  DemoTargets targets;
  const std::uint16_t port = targets.port("api", 0);
  const OwnedFd slow = connect(port);
  send(slow, "GET /slow?ms=10000 HTTP/1.1\r\nHost: demo\r\n\r\n");
  targets.stop();
  EXPECT_EQ(receive(slow), "");
  EXPECT_FALSE(connect(port).is_valid());
  targets.stop();
}

// --- certificate --------------------------------------------------------------------------------

TEST(DemoCertificate, its_files_are_private_and_go_with_it) {
  auto certificate = std::make_unique<DemoCertificate>();
  const fs::path directory = fs::path(certificate->key_file()).parent_path();
  struct stat status{};
  ASSERT_EQ(::stat(directory.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0700U);
  ASSERT_EQ(::stat(certificate->key_file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const DemoCertificate other;
  EXPECT_NE(other.key_file(), certificate->key_file());
  certificate.reset();
  EXPECT_FALSE(fs::exists(directory));
}

TEST(DemoCertificate, it_has_the_names_of_this_machine_and_a_server_can_use_it) {
  const DemoCertificate certificate;
  sluice::config::ServerTls settings;
  settings.certificates.push_back(
      {.certificate = certificate.certificate_file(), .key = certificate.key_file()});
  sluice::net::TicketKeys keys;
  Problems problems;
  const auto context = sluice::net::ServerTlsContext::load(settings, keys, problems);
  ASSERT_NE(context, nullptr) << text_of(problems);
  EXPECT_EQ(text_of(problems), "");
  const auto& info = context->certificates().front();
  for (const char* name : {"localhost", "example.test"}) {
    EXPECT_NE(std::ranges::find(info.names, name), info.names.end()) << name;
  }
  EXPECT_GT(info.not_after, std::chrono::system_clock::now() + std::chrono::days(29));
}

// --- configuration and banner -------------------------------------------------------------------

TEST(DemoConfiguration, it_is_the_main_job_on_the_usual_ports) {
  const DemoTargets targets;
  const DemoCertificate certificate;
  Problems problems;
  const auto model = load_demo(demo_configuration(targets, certificate), problems);
  ASSERT_TRUE(model) << text_of(problems);
  EXPECT_EQ(text_of(problems), "");
  ASSERT_EQ(model->listeners.size(), 2U);
  EXPECT_EQ(model->listeners[0].bind.text(), "127.0.0.1:8080");
  EXPECT_FALSE(model->listeners[0].tls);
  EXPECT_EQ(model->listeners[1].bind.text(), "127.0.0.1:8443");
  ASSERT_TRUE(model->listeners[1].tls);
  EXPECT_EQ(model->listeners[1].tls->certificates.at(0).key, certificate.key_file());
  EXPECT_EQ(model->listeners[0].rules.size(), model->listeners[1].rules.size());
  ASSERT_EQ(model->target_groups.size(), 3U);
  EXPECT_EQ(model->target_groups[0].targets.at(1).address.port, targets.port("api", 1));
  ASSERT_TRUE(model->admin.bind);
  EXPECT_EQ(model->admin.bind->text(), "127.0.0.1:9901");
  EXPECT_EQ(model->access_log.path, "");
}

TEST(DemoConfiguration, the_environment_moves_it_and_the_banner_follows) {
  const Variable http("SLUICE_DEMO_HTTP_PORT", "18080");
  const Variable https("SLUICE_DEMO_HTTPS_PORT", "18443");
  const Variable admin("SLUICE_DEMO_ADMIN_PORT", "19901");
  const Variable log("SLUICE_DEMO_ACCESS_LOG", "/tmp/it's ${HOME}.log");
  const Variable address("SLUICE_DEMO_ADDRESS", "0.0.0.0");
  const DemoTargets targets;
  const DemoCertificate certificate;
  Problems problems;
  const auto model = load_demo(demo_configuration(targets, certificate), problems);
  ASSERT_TRUE(model) << text_of(problems);
  EXPECT_EQ(model->listeners[0].bind.text(), "0.0.0.0:18080");
  EXPECT_EQ(model->listeners[1].bind.text(), "0.0.0.0:18443");
  EXPECT_EQ(model->admin.bind->text(), "127.0.0.1:19901");
  EXPECT_EQ(model->access_log.path, "/tmp/it's ${HOME}.log");
  const std::string banner = demo_banner();
  EXPECT_NE(banner.find("curl http://localhost:18080/api/hello\n"), std::string::npos);
  EXPECT_NE(banner.find("curl -k https://localhost:18443/api/hello\n"), std::string::npos);
  EXPECT_NE(banner.find("curl http://localhost:19901/metrics\n"), std::string::npos);
}

TEST(DemoConfiguration, what_is_no_port_is_an_error_that_shows_it) {
  const Variable http("SLUICE_DEMO_HTTP_PORT", "eighty' }");
  const DemoTargets targets;
  const DemoCertificate certificate;
  Problems problems;
  EXPECT_FALSE(load_demo(demo_configuration(targets, certificate), problems));
  EXPECT_NE(text_of(problems).find("eighty' }"), std::string::npos) << text_of(problems);
}

}  // namespace
