#include "sluice/control/admin.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "control/admin_connection.h"
#include "sluice/net/listener.h"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using sluice::control::AdminHooks;
using sluice::control::AdminServer;
using sluice::control::AdminStatus;
using sluice::control::Events;
using sluice::control::GroupStatus;
using sluice::control::TargetStatus;
using sluice::net::Endpoint;
using sluice::net::OwnedFd;

constexpr timeval patience{.tv_sec = 10, .tv_usec = 0};  // then a read fails, and so the test

Endpoint any_port() { return *Endpoint::numeric("127.0.0.1", 0); }

// A directory of its own for sockets.
class Directory {
 public:
  Directory() {
    std::string name = (fs::temp_directory_path() / "sluice-admin-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Directory() { fs::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string path(const char* name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

// A blocking client: sends text, reads text.
class Client {
 public:
  explicit Client(const Endpoint& endpoint)
      : socket_(::socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connected_ = ::connect(socket_.get(), endpoint.data(), endpoint.size()) == 0;
  }

  [[nodiscard]] bool is_connected() const { return connected_; }

  void send(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // refused early; what was answered counts
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // One response with its body by Content-Length; empty when the connection ends before.
  std::string receive(bool has_body = true) {
    std::size_t end = 0;
    while ((end = pending_.find("\r\n\r\n")) == std::string::npos) {
      if (!read_more()) return {};
    }
    std::size_t size = end + 4;
    const std::size_t length = pending_.find("Content-Length: ");
    if (has_body && length < end) size += std::stoul(pending_.substr(length + 16));
    while (pending_.size() < size) {
      if (!read_more()) return {};
    }
    const std::string response = pending_.substr(0, size);
    pending_.erase(0, size);
    return response;
  }

  // No byte is left, and the peer has closed (in order, not by a reset).
  bool is_at_end() {
    char byte = 0;
    return pending_.empty() && ::recv(socket_.get(), &byte, 1, 0) == 0;
  }

  // The same, however it was closed.
  bool is_closed() {
    char byte = 0;
    if (!pending_.empty()) return false;
    const ssize_t got = ::recv(socket_.get(), &byte, 1, 0);
    return got == 0 || (got < 0 && errno != EAGAIN);
  }

  std::string ask(std::string_view request) {
    send(request);
    return receive();
  }

 private:
  bool read_more() {
    std::array<char, 4096> bytes{};
    const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (got > 0) pending_.append(bytes.data(), static_cast<std::size_t>(got));
    return got > 0;
  }

  OwnedFd socket_;
  std::string pending_;
  bool connected_ = false;
};

std::string get(std::string_view path, std::string_view more_fields = "",
                std::string_view host = "localhost") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n" +
         std::string(more_fields) + "\r\n";
}

unsigned status_of(const std::string& response) {
  return response.starts_with("HTTP/1.1 ") ? std::stoul(response.substr(9, 3)) : 0;
}

std::string body_of(const std::string& response) {
  return response.substr(response.find("\r\n\r\n") + 4);
}

bool has_field(const std::string& response, const std::string& line) {
  return response.find("\r\n" + line + "\r\n") != std::string::npos;
}

// The server on a control thread of its own, and what its hooks tell.
class Admin : public testing::Test {
 protected:
  Admin()
      : work_(boost::asio::make_work_guard(context_)),
        server_(std::make_unique<AdminServer>(
            context_,
            AdminHooks{
                .is_ready = [this] { return is_ready_.load(); },
                .metrics = [this] { return metrics(); },
                .status = [this] { return status_; },
                .target_groups = [] { return std::vector<GroupStatus>(); },
                .target_group = [](std::string_view) { return std::optional<GroupStatus>(); },
                .targets =
                    [](std::string_view) { return std::optional<std::vector<TargetStatus>>(); },
                .events = [this]() -> Events& { return events_; }})),
        thread_([this] { context_.run(); }) {}

  ~Admin() override {
    on_control_thread([this] { server_.reset(); });
    work_.reset();
    thread_.join();  // comes back only when closing left nothing waiting
  }

  template <typename Function>
  std::invoke_result_t<Function> on_control_thread(Function function) {
    std::packaged_task<std::invoke_result_t<Function>()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(context_, [&task] { task(); });
    return result.get();
  }

  std::string listen(const Endpoint& endpoint) {
    return on_control_thread([&] { return server_->listen(endpoint); });
  }
  std::optional<Endpoint> bound() {
    return on_control_thread([this] { return server_->bound(); });
  }
  // Listening on a free port, and a client connected.
  Client client() {
    EXPECT_EQ(listen(any_port()), "");
    return Client(*bound());
  }
  std::string ask(std::string_view request) { return client().ask(request); }

  std::string metrics() const {
    if (metrics_fail_) throw std::runtime_error("broken");
    return "sluice_workers 2\n" + std::string(more_metrics_, '\n');
  }

  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::atomic<bool> is_ready_ = true;
  std::atomic<bool> metrics_fail_ = false;
  std::atomic<std::size_t> more_metrics_ = 0;  // bytes
  AdminStatus status_;
  Events events_;
  std::unique_ptr<AdminServer> server_;
  std::thread thread_;
};

// --- the calls ----------------------------------------------------------------------------------

TEST_F(Admin, livez_says_ok_with_the_headers_of_every_answer) {
  const std::string response = ask(get("/livez"));
  EXPECT_EQ(status_of(response), 200U);
  EXPECT_EQ(body_of(response), "ok\n");
  EXPECT_TRUE(has_field(response, "Server: sluice"));
  EXPECT_TRUE(has_field(response, "Cache-Control: no-store"));
  EXPECT_TRUE(has_field(response, "X-Content-Type-Options: nosniff"));
  EXPECT_NE(response.find("\r\nDate: "), std::string::npos);
}

TEST_F(Admin, readyz_follows_the_program) {
  Client client = this->client();
  EXPECT_EQ(status_of(client.ask(get("/readyz"))), 200U);
  is_ready_ = false;
  const std::string response = client.ask(get("/readyz"));
  EXPECT_EQ(status_of(response), 503U);
  EXPECT_EQ(body_of(response), "draining or not ready\n");
  EXPECT_EQ(status_of(client.ask(get("/livez"))), 200U);
}

TEST_F(Admin, metrics_are_prometheus_text) {
  const std::string response = ask(get("/metrics?format=text"));
  EXPECT_EQ(status_of(response), 200U);
  EXPECT_TRUE(has_field(response, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  EXPECT_EQ(body_of(response), "sluice_workers 2\n");
}

TEST_F(Admin, status_is_json) {
  status_.version = "1.2.3";
  status_.revision = 7;
  status_.loaded_at = std::chrono::system_clock::time_point(1'700'000'000'125ms);
  status_.started_at = std::chrono::system_clock::now() - 1h;
  status_.workers = 4;
  status_.listeners = {{"web", "127.0.0.1:8080"}};
  status_.client_connections = 12;
  status_.is_draining = true;
  const std::string response = ask(get("/v1/status"));
  EXPECT_TRUE(has_field(response, "Content-Type: application/json"));
  const boost::json::value body = boost::json::parse(body_of(response));
  EXPECT_EQ(body.at("version").as_string(), "1.2.3");
  EXPECT_GE(body.at("uptime_seconds").to_number<int>(), 3600);
  EXPECT_EQ(body.at("config").at("revision").to_number<int>(), 7);
  EXPECT_EQ(body.at("config").at("loaded_at").as_string(), "2023-11-14T22:13:20.125Z");
  EXPECT_TRUE(body.at("config").at("last_reload_error").is_null());
  EXPECT_EQ(body.at("workers").to_number<int>(), 4);
  EXPECT_EQ(body.at("listeners").at(0).at("name").as_string(), "web");
  EXPECT_EQ(body.at("listeners").at(0).at("address").as_string(), "127.0.0.1:8080");
  EXPECT_EQ(body.at("connections").to_number<int>(), 12);
  EXPECT_TRUE(body.at("draining").as_bool());
}

TEST_F(Admin, status_tells_why_the_last_reload_failed) {
  status_.last_reload_error = "sluice.yaml:3:1: \"x\" is no key";
  const boost::json::value body = boost::json::parse(body_of(ask(get("/v1/status"))));
  EXPECT_EQ(body.at("config").at("last_reload_error").as_string(), status_.last_reload_error);
}

TEST_F(Admin, the_root_lists_the_calls) {
  const std::string body = body_of(ask(get("/")));
  for (const char* path : {"/livez", "/readyz", "/metrics", "/v1/status", "/v1/target-groups",
                           "/v1/target-groups/{group}/targets", "/v1/events"}) {
    EXPECT_NE(body.find(path), std::string::npos) << path;
  }
}

TEST_F(Admin, head_has_the_length_of_the_body_and_no_body) {
  Client client = this->client();
  client.send("HEAD /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const std::string response = client.receive(false);
  EXPECT_EQ(status_of(response), 200U);
  EXPECT_TRUE(has_field(response, "Content-Length: 3"));
  // Whatever followed the head would spoil this answer.
  EXPECT_EQ(status_of(client.ask(get("/livez"))), 200U);
}

TEST_F(Admin, a_call_that_throws_is_a_500_and_the_next_one_works) {
  Client client = this->client();
  metrics_fail_ = true;
  const std::string response = client.ask(get("/metrics"));
  EXPECT_EQ(status_of(response), 500U);
  EXPECT_EQ(response.find("broken"), std::string::npos);
  metrics_fail_ = false;
  EXPECT_EQ(status_of(client.ask(get("/metrics"))), 200U);
}

// --- refusals -----------------------------------------------------------------------------------

TEST_F(Admin, an_unknown_path_is_a_problem_that_tells_what_there_is) {
  const std::string response = ask(get("/v1/statuses"));
  EXPECT_EQ(status_of(response), 404U);
  EXPECT_TRUE(has_field(response, "Content-Type: application/problem+json"));
  const boost::json::value problem = boost::json::parse(body_of(response));
  EXPECT_EQ(problem.at("type").as_string(), "about:blank");
  EXPECT_EQ(problem.at("title").as_string(), "Not Found");
  EXPECT_EQ(problem.at("status").to_number<int>(), 404);
  EXPECT_NE(std::string(problem.at("detail").as_string()).find("/readyz"), std::string::npos);
}

TEST_F(Admin, bytes_of_a_path_cannot_break_the_json) {
  const std::string response = ask(get("/\xff\"\x80"));
  EXPECT_TRUE(status_of(response) == 404U || status_of(response) == 400U) << response;
  EXPECT_NO_THROW((void)boost::json::parse(body_of(response)));
}

TEST_F(Admin, a_wrong_method_is_told_the_right_ones) {
  for (const char* method : {"POST", "DELETE", "OPTIONS", "get"}) {
    const std::string response =
        ask(std::string(method) + " /livez HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(status_of(response), 405U) << method;
    EXPECT_TRUE(has_field(response, "Allow: GET, HEAD"));
  }
}

TEST_F(Admin, what_is_no_request_is_answered_with_400_and_closed) {
  for (const char* text : {"nonsense\r\n\r\n", "GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n",
                           "GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n",
                           "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n"}) {
    Client client = this->client();
    EXPECT_EQ(status_of(client.ask(text)), 400U) << text;
    EXPECT_TRUE(client.is_at_end());
  }
}

TEST_F(Admin, http_1_1_needs_exactly_one_host) {
  EXPECT_EQ(status_of(ask("GET /livez HTTP/1.1\r\n\r\n")), 400U);
  EXPECT_EQ(status_of(ask(get("/livez", "Host: localhost\r\n"))), 400U);
  EXPECT_TRUE(ask("GET /livez HTTP/1.0\r\n\r\n").starts_with("HTTP/1.0 200 "));
}

TEST_F(Admin, a_header_over_16_kib_is_431) {
  Client client = this->client();
  const std::string response =
      client.ask(get("/livez", "X-Long: " + std::string(17 * 1024, 'x') + "\r\n"));
  EXPECT_EQ(status_of(response), 431U);
  EXPECT_EQ(status_of(ask(get("/livez", "X-Long: " + std::string(15 * 1024, 'x') + "\r\n"))), 200U);
}

TEST_F(Admin, a_body_over_64_kib_is_413_and_the_answer_survives_the_rest_of_it) {
  const auto with_body = [](std::size_t size) {
    return get("/livez", "Content-Length: " + std::to_string(size) + "\r\n") +
           std::string(size, 'x');
  };
  EXPECT_EQ(status_of(ask(with_body(64 * 1024))), 200U);
  Client client = this->client();
  EXPECT_EQ(status_of(client.ask(with_body(64 * 1024 + 1))), 413U);
  EXPECT_TRUE(client.is_at_end());
  std::string chunked = get("/livez", "Transfer-Encoding: chunked\r\n");
  for (int i = 0; i < 5; ++i) chunked += "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
  EXPECT_EQ(status_of(ask(chunked + "0\r\n\r\n")), 413U);
}

// --- T24: pages in a browser on this machine ----------------------------------------------------

TEST_F(Admin, t24_host_must_name_this_machine) {
  for (const char* host : {"localhost", "LOCALHOST:9901", "127.0.0.1", "127.0.0.1:1", "127.8.9.1",
                           "[::1]", "[::1]:9901"}) {
    EXPECT_EQ(status_of(ask(get("/livez", "", host))), 200U) << host;
  }
  for (const char* host :
       {"evil.test", "evil.test:9901", "localhost.evil.test", "127.0.0.1.evil.test", "10.0.0.1",
        "0.0.0.0", "[::]", "[::1", "", "127.1", "a@localhost"}) {
    const std::string response = ask(get("/metrics", "", host));
    EXPECT_EQ(status_of(response), 403U) << host;
    EXPECT_EQ(response.find("sluice_workers"), std::string::npos);
  }
}

TEST_F(Admin, t24_the_authority_of_an_absolute_target_counts_as_host) {
  EXPECT_EQ(status_of(ask(get("http://localhost/livez", "", "evil.test"))), 200U);
  EXPECT_EQ(status_of(ask(get("http://evil.test/livez"))), 403U);
}

TEST_F(Admin, t24_a_foreign_origin_is_refused) {
  EXPECT_EQ(status_of(ask(get("/livez", "Origin: http://localhost:9901\r\n", "localhost:9901"))),
            200U);
  for (const char* origin : {"http://evil.test", "null", "http://localhost:3000", "localhost:9901",
                             "http://localhost:9901.evil.test"}) {
    EXPECT_EQ(
        status_of(ask(get("/livez", "Origin: " + std::string(origin) + "\r\n", "localhost:9901"))),
        403U)
        << origin;
  }
  EXPECT_EQ(
      status_of(ask(get("/livez", "Origin: http://localhost:9901\r\nOrigin: http://evil.test\r\n",
                        "localhost:9901"))),
      403U);
}

TEST_F(Admin, t24_requests_of_other_sites_are_refused) {
  for (const char* site : {"same-origin", "none"}) {
    EXPECT_EQ(status_of(ask(get("/livez", "Sec-Fetch-Site: " + std::string(site) + "\r\n"))), 200U);
  }
  for (const char* site : {"cross-site", "same-site", "other"}) {
    EXPECT_EQ(status_of(ask(get("/livez", "Sec-Fetch-Site: " + std::string(site) + "\r\n"))), 403U);
  }
}

TEST_F(Admin, t24_others_than_this_machine_are_not_listened_to) {
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1"}) {
    EXPECT_EQ(listen(*Endpoint::numeric(host, 0)),
              "without tokens the admin listener takes loopback addresses and Unix sockets only");
  }
  EXPECT_NE(listen(Endpoint()), "");
  EXPECT_FALSE(bound());
}

// --- connections --------------------------------------------------------------------------------

TEST_F(Admin, a_connection_carries_many_requests_pipelined_too) {
  Client client = this->client();
  std::string many;
  for (int i = 0; i < 20; ++i) many += get(i % 2 == 0 ? "/livez" : "/readyz");
  client.send(many);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(body_of(client.receive()), i % 2 == 0 ? "ok\n" : "ready\n");
  }
}

TEST_F(Admin, connection_close_is_obeyed) {
  Client client = this->client();
  const std::string response = client.ask(get("/livez", "Connection: close\r\n"));
  EXPECT_TRUE(has_field(response, "Connection: close"));
  EXPECT_TRUE(client.is_at_end());
}

TEST_F(Admin, a_client_that_expects_100_gets_it_before_it_sends_its_body) {
  Client client = this->client();
  client.send(get("/livez", "Expect: 100-continue\r\nContent-Length: 4\r\n"));
  EXPECT_EQ(client.receive(), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(status_of(client.ask("body")), 200U);
}

TEST_F(Admin, leaked_idle_connections_do_not_lock_the_operator_out) {
  std::vector<Client> idle;
  ASSERT_EQ(listen(any_port()), "");
  for (int i = 0; i < 65; ++i) {
    idle.emplace_back(*bound());
    ASSERT_EQ(status_of(idle.back().ask(get("/livez"))), 200U) << i;
  }
  EXPECT_TRUE(idle.front().is_closed());
  EXPECT_EQ(status_of(idle[1].ask(get("/livez"))), 200U);
}

TEST_F(Admin, requests_that_do_not_end_do_not_lock_the_operator_out) {
  std::vector<Client> unfinished;
  ASSERT_EQ(listen(any_port()), "");
  // A 100 was asked for and given, the body is still to come.
  for (int i = 0; i < 64; ++i) {
    unfinished.emplace_back(*bound());
    const std::string interim =
        unfinished.back().ask(get("/livez", "Expect: 100-continue\r\nContent-Length: 4\r\n"));
    ASSERT_TRUE(interim.starts_with("HTTP/1.1 100 ")) << i;
  }
  EXPECT_EQ(status_of(Client(*bound()).ask(get("/livez"))), 200U);
  EXPECT_TRUE(unfinished.front().is_closed()) << "the oldest";
  EXPECT_EQ(status_of(unfinished.back().ask("body")), 200U);
}

TEST_F(Admin, connections_over_the_limit_are_closed_while_all_others_are_being_answered) {
  const Directory directory;
  const Endpoint endpoint = Endpoint::unix_path(directory.path("admin.sock"));
  ASSERT_EQ(listen(endpoint), "");
  more_metrics_ = 1024 * 1024;  // more than a socket takes while nobody reads
  std::vector<Client> busy;
  for (int i = 0; i < 64; ++i) {
    busy.emplace_back(endpoint);
    busy.back().send(get("/metrics"));
    ASSERT_EQ(status_of(busy.back().receive(false)), 200U) << i;
  }
  EXPECT_TRUE(Client(endpoint).is_closed());
}

// A connection alone, with times short enough to wait for: returns when it has ended.
void run_connection(OwnedFd server, sluice::control::AdminTimes times) {
  using sluice::control::AdminConnection;
  boost::asio::io_context context(1);
  AdminConnection::Socket socket(context, AdminConnection::Protocol(AF_UNIX, 0), server.release());
  const auto answer = [](const auto&) { return sluice::control::AdminReply{.body = "answer"}; };
  AdminConnection connection(std::move(socket), true, answer, times);
  sluice::net::spawn(context, connection.run());
  context.run();
}

std::string all_from(const OwnedFd& client) {
  std::array<char, 4096> bytes{};
  const ssize_t got = ::recv(client.get(), bytes.data(), bytes.size(), MSG_WAITALL);
  return {bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

std::pair<OwnedFd, OwnedFd> socket_pair() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  return {OwnedFd(ends[0]), OwnedFd(ends[1])};
}

TEST(AdminConnection, one_that_sends_nothing_is_closed_when_its_idle_time_is_over) {
  auto [client, server] = socket_pair();
  run_connection(std::move(server), {.idle = 20ms, .request = 1h});
  EXPECT_EQ(all_from(client), "");
}

TEST(AdminConnection, the_idle_time_begins_again_after_an_answer) {
  auto [client, server] = socket_pair();
  const std::string request = get("/");
  ASSERT_EQ(::send(client.get(), request.data(), request.size(), 0), ssize_t(request.size()));
  run_connection(std::move(server), {.idle = 20ms, .request = 1h});
  EXPECT_TRUE(all_from(client).ends_with("\r\n\r\nanswer"));
}

TEST(AdminConnection, a_request_that_does_not_end_in_time_is_cut) {
  for (const std::string& start : {std::string("GET / HT"), get("/", "Content-Length: 9\r\n")}) {
    auto [client, server] = socket_pair();
    ASSERT_EQ(::send(client.get(), start.data(), start.size(), 0), ssize_t(start.size()));
    run_connection(std::move(server), {.idle = 1h, .request = 20ms});
    EXPECT_EQ(all_from(client), "");
  }
}

// --- listening ----------------------------------------------------------------------------------

TEST_F(Admin, the_real_port_is_known_and_listening_again_on_the_same_changes_nothing) {
  Client client = this->client();
  const auto first = bound();
  ASSERT_TRUE(first);
  EXPECT_NE(first->port(), 0);
  EXPECT_EQ(listen(*first), "");
  EXPECT_EQ(listen(any_port()), "");
  EXPECT_EQ(bound(), first);
  EXPECT_EQ(status_of(client.ask(get("/livez"))), 200U);
}

TEST_F(Admin, a_port_in_use_is_an_error_and_the_former_listener_stays) {
  Client client = this->client();
  const auto former = bound();
  const OwnedFd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Endpoint any = any_port();
  ASSERT_EQ(::bind(other.get(), any.data(), any.size()), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ASSERT_EQ(::getsockname(other.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_EQ(listen(Endpoint::from(reinterpret_cast<sockaddr*>(&address), size)),
            "bind: Address already in use");
  EXPECT_EQ(bound(), former);
  EXPECT_EQ(status_of(client.ask(get("/livez"))), 200U);
}

TEST_F(Admin, a_new_address_replaces_the_former_whose_requests_finish) {
  Client idle = client();
  const auto former = bound();
  Client busy(*former);
  ASSERT_EQ(busy.ask(get("/livez", "Expect: 100-continue\r\nContent-Length: 4\r\n")),
            "HTTP/1.1 100 Continue\r\n\r\n");
  const Directory directory;
  ASSERT_EQ(listen(Endpoint::unix_path(directory.path("admin"))), "");
  EXPECT_FALSE(Client(*former).is_connected());
  EXPECT_TRUE(idle.is_closed());
  const std::string last = busy.ask("body");
  EXPECT_EQ(status_of(last), 200U);
  EXPECT_TRUE(has_field(last, "Connection: close"));
  EXPECT_TRUE(busy.is_at_end());
  EXPECT_EQ(status_of(Client(*bound()).ask(get("/livez"))), 200U);
}

TEST_F(Admin, closing_cuts_connections_and_listening_may_follow) {
  Client client = this->client();
  ASSERT_EQ(status_of(client.ask(get("/livez"))), 200U);
  const auto former = bound();
  on_control_thread([this] { server_->close(); });
  EXPECT_TRUE(client.is_closed());
  EXPECT_FALSE(bound());
  EXPECT_FALSE(Client(*former).is_connected());
  EXPECT_EQ(listen(*former), "");
  EXPECT_EQ(status_of(Client(*former).ask(get("/livez"))), 200U);
}

TEST_F(Admin, ipv6_loopback_will_do) {
  const std::string error = listen(*Endpoint::numeric("::1", 0));
  if (!error.empty()) GTEST_SKIP() << "no IPv6 here: " << error;
  EXPECT_EQ(status_of(Client(*bound()).ask(get("/livez"))), 200U);
}

// --- Unix sockets -------------------------------------------------------------------------------

TEST_F(Admin, a_unix_socket_is_for_its_owner_alone_and_goes_with_the_listener) {
  const Directory directory;
  const std::string path = directory.path("admin.sock");
  const mode_t former = ::umask(0);
  const std::string error = listen(Endpoint::unix_path(path));
  ::umask(former);
  ASSERT_EQ(error, "");
  struct stat status{};
  ASSERT_EQ(::lstat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  EXPECT_EQ(bound(), Endpoint::unix_path(path));
  // No browser gets there, so the Host is of no matter.
  EXPECT_EQ(status_of(Client(*bound()).ask(get("/livez", "", "anything"))), 200U);
  on_control_thread([this] { server_->close(); });
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(Admin, a_stale_socket_file_is_replaced) {
  const Directory directory;
  const Endpoint endpoint = Endpoint::unix_path(directory.path("admin.sock"));
  {
    const OwnedFd gone(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(gone.get(), endpoint.data(), endpoint.size()), 0);
  }
  EXPECT_EQ(listen(endpoint), "");
  EXPECT_EQ(status_of(Client(endpoint).ask(get("/livez"))), 200U);
}

TEST_F(Admin, a_socket_in_use_and_a_file_that_is_none_are_left_alone) {
  const Directory directory;
  const Endpoint used = Endpoint::unix_path(directory.path("used"));
  const OwnedFd other(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(other.get(), used.data(), used.size()), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  EXPECT_EQ(listen(used), "bind: Address already in use");
  std::ofstream(directory.path("file")) << "precious";
  EXPECT_EQ(listen(Endpoint::unix_path(directory.path("file"))),
            "the path exists and is not a socket");
  EXPECT_EQ(fs::file_size(directory.path("file")), 8U);
}

TEST_F(Admin, a_socket_file_that_was_taken_away_is_made_again) {
  const Directory directory;
  const Endpoint endpoint = Endpoint::unix_path(directory.path("admin.sock"));
  ASSERT_EQ(listen(endpoint), "");
  fs::remove(directory.path("admin.sock"));
  EXPECT_EQ(listen(endpoint), "");
  EXPECT_EQ(status_of(Client(endpoint).ask(get("/livez"))), 200U);
}

}  // namespace
