// Start and reload, with real workers whose loops the test runs on its own thread.
#include "sluice/control/configurator.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/observe/log.h"
#include "support/certificates.h"
#include "support/peer.h"

namespace sluice::control {
namespace {

using observe::Metric;
using support::free_port;
using support::Peer;

constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

std::string listener(const std::string& name, std::uint16_t port, const std::string& body) {
  return "  - { name: " + name + ", bind: \"127.0.0.1:" + std::to_string(port) +
         "\", default_action: { fixed_response: { status: 200, body: " + body + " } } }\n";
}

std::string text_of(const config::Problems& problems) {
  std::string out;
  for (const config::Problem& problem : problems.sorted()) out += problem.text() + "\n";
  return out;
}

bool listens(const net::Endpoint& endpoint) {
  const net::OwnedFd fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(fd.get(), endpoint.data(), endpoint.size()) == 0;
}

net::OwnedFd listening_on(const net::Endpoint& endpoint) {
  net::OwnedFd fd(::socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(fd.get(), endpoint.data(), endpoint.size()), 0);
  EXPECT_EQ(::listen(fd.get(), 8), 0);
  return fd;
}

class Process {
 public:
  explicit Process(PassedSockets passed = {}, std::size_t workers = 2)
      : writer_(metrics_), admin_(context_, hooks()) {
    for (std::size_t i = 0; i < workers; ++i) {
      workers_.push_back(std::make_unique<proxy::Worker>(metrics_.add_cells(), writer_, 2));
    }
    configurator_.emplace(path_, parts(std::move(passed)));
  }
  ~Process() {
    for (const auto& worker : workers_) {
      worker->drain(std::chrono::milliseconds(1), [] {});
      worker->cut();
    }
    settle();
    admin_.close();
    settle();
    observe::close_log();
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void write(const std::string& yaml) { files_.write("sluice.yaml", yaml); }

  // The problems of a start, empty when every worker serves.
  std::string start(const std::string& yaml) {
    write(yaml);
    config::Problems problems;
    bool done = false;
    const bool started = configurator_->start(problems, [&done] { done = true; });
    settle();
    EXPECT_EQ(started, done);
    return text_of(problems);
  }

  // What a reload reports; its lines on the error log are kept from the output.
  bool reload(const std::string& yaml) {
    write(yaml);
    std::optional<bool> result;
    testing::internal::CaptureStderr();
    configurator_->reload([&result](bool success) { result = success; });
    settle();
    // Its thread may lag behind. A file is read by who named it.
    if (yaml.find("log: {") == std::string::npos) observe::close_log();
    log += testing::internal::GetCapturedStderr();
    EXPECT_TRUE(result.has_value());
    return result.value_or(false);
  }

  // What a client on that port is answered: the last bytes.
  testing::AssertionResult answers(std::uint16_t port, std::string_view body) {
    Peer client = support::connect(support::loopback(port));
    return answers(client, body);
  }
  testing::AssertionResult answers(Peer& client, std::string_view body) {
    client.forget();
    client.send(get);
    for (int i = 0; i < 20'000; ++i) {
      settle();
      if (client.received().ends_with(body)) return testing::AssertionSuccess();
      if (client.has_ended()) break;
      ::usleep(1000);
    }
    return testing::AssertionFailure() << (client.was_reset()   ? "the connection was reset"
                                           : client.has_ended() ? "the connection has ended"
                                                                : "there is no such answer")
                                       << " after '" << client.received() << "'; the log: " << log;
  }

  void settle() {
    std::size_t ran = 1;
    while (ran > 0) {
      ran = context_.poll();
      context_.restart();
      for (const auto& worker : workers_) ran += worker->loop().context.poll();
    }
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream file(files_.path(name));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void flush_access_log() {
    for (const auto& worker : workers_) worker->access_log().flush();
  }
  [[nodiscard]] double count(Metric metric, observe::LabelValues labels = {}) const {
    return metrics_.sum(metric, labels);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return files_.path(name); }
  [[nodiscard]] Configurator& configurator() { return *configurator_; }
  [[nodiscard]] AdminServer& admin() { return admin_; }

  std::string log;

 private:
  AdminHooks hooks() {
    return {.is_ready = [] { return true; },
            .metrics = [] { return std::string(); },
            .status = [] { return AdminStatus{}; },
            .target_groups = [] { return std::vector<GroupStatus>(); },
            .target_group = [](std::string_view) { return std::optional<GroupStatus>(); },
            .targets = [](std::string_view) { return std::optional<std::vector<TargetStatus>>(); },
            .events = [this]() -> Events& { return events_; }};
  }
  Configurator::Parts parts(PassedSockets passed) {
    return {.context = context_,
            .worker_count = workers_.size(),
            .post =
                [this](std::size_t index, std::function<void(proxy::Worker&)> task) {
                  proxy::Worker& worker = *workers_[index];
                  boost::asio::post(worker.loop().context,
                                    [&worker, task = std::move(task)] { task(worker); });
                },
            .admin = admin_,
            .access_log = writer_,
            .cells = cells_,
            .targets = live_targets_,
            .events = events_,
            .passed_sockets = std::move(passed)};
  }

  support::CertificateDirectory files_;
  std::string path_ = files_.path("sluice.yaml");
  boost::asio::io_context context_;
  observe::Registry metrics_;
  observe::Cells& cells_ = metrics_.add_cells();
  observe::AccessLogWriter writer_;
  net::Loop loop_;  // of the health checks: none are configured
  Events events_;
  Targets live_targets_{loop_, cells_, events_};
  AdminServer admin_;
  std::vector<std::unique_ptr<proxy::Worker>> workers_;
  std::optional<Configurator> configurator_;
};

TEST(Configurator, after_a_start_every_listener_serves) {
  Process process;
  const std::uint16_t one = free_port();
  const std::uint16_t two = free_port();
  EXPECT_EQ(process.start("listeners:\n" + listener("a", one, "first") +
                          listener("b", two, "second") + "admin: { bind: \"127.0.0.1:0\" }\n"),
            "");
  EXPECT_TRUE(process.answers(one, "first"));
  EXPECT_TRUE(process.answers(two, "second"));
  ASSERT_TRUE(process.admin().bound());
  EXPECT_TRUE(listens(*process.admin().bound()));
  EXPECT_EQ(process.configurator().current()->revision, 1U);
  EXPECT_EQ(process.count(Metric::config_revision), 1);
  EXPECT_GT(process.count(Metric::config_last_reload_timestamp_seconds), 0);
}

TEST(Configurator, a_start_with_problems_serves_nothing_and_says_all) {
  Process process;
  support::Server taken;
  const std::uint16_t port = free_port();
  const std::string problems =
      process.start("listeners:\n" + listener("a", port, "x") + listener("b", taken.port(), "x"));
  EXPECT_NE(problems.find("cannot listen on 127.0.0.1:" + std::to_string(taken.port())),
            std::string::npos)
      << problems;
  EXPECT_NE(problems.find("sluice.yaml:3:"), std::string::npos) << problems;
  EXPECT_EQ(process.configurator().current(), nullptr);
  EXPECT_FALSE(listens(support::loopback(port)));
}

TEST(Configurator, a_reload_of_the_same_file_keeps_connections) {
  Process process;
  const std::uint16_t port = free_port();
  const std::string yaml = "listeners:\n" + listener("a", port, "same");
  ASSERT_EQ(process.start(yaml), "");
  Peer client = support::connect(support::loopback(port));
  ASSERT_TRUE(process.answers(client, "same"));
  for (std::uint64_t i = 2; i < 5; ++i) {
    EXPECT_TRUE(process.reload(yaml)) << process.log;
    EXPECT_EQ(process.configurator().current()->revision, i);
    EXPECT_TRUE(process.answers(client, "same"));
  }
  EXPECT_EQ(process.count(Metric::config_reloads_total, {"success"}), 3);
  EXPECT_EQ(process.count(Metric::config_last_reload_success), 1);
}

TEST(Configurator, a_reload_that_fails_keeps_the_former_configuration_and_says_why) {
  Process process;
  const std::uint16_t port = free_port();
  const std::string log = "log: { path: \"" + process.path("error.log") + "\" }\n";
  ASSERT_EQ(process.start("listeners:\n" + listener("a", port, "before") + log), "");
  Peer client = support::connect(support::loopback(port));
  ASSERT_TRUE(process.answers(client, "before"));
  const auto before = process.configurator().current();
  EXPECT_FALSE(
      process.reload("listeners:\n" + listener("a", port, "after") + "nonsense: 1\nmore: 2\n"));
  EXPECT_EQ(process.configurator().current(), before);
  EXPECT_NE(process.configurator().last_error().find("nonsense"), std::string::npos);
  observe::close_log();  // writes what is queued
  const std::string logged = process.read("error.log");
  EXPECT_NE(logged.find("nonsense"), std::string::npos) << logged;
  EXPECT_NE(logged.find("more"), std::string::npos) << logged;
  EXPECT_EQ(process.count(Metric::config_last_reload_success), 0);
  EXPECT_EQ(process.count(Metric::config_reloads_total, {"failure"}), 1);
  EXPECT_EQ(process.count(Metric::config_revision), 1);
  EXPECT_TRUE(process.answers(client, "before"));

  EXPECT_TRUE(process.reload("listeners:\n" + listener("a", port, "after")));
  EXPECT_EQ(process.configurator().last_error(), "");
  EXPECT_EQ(process.count(Metric::config_last_reload_success), 1);
  EXPECT_EQ(process.count(Metric::config_revision), 2);
  EXPECT_TRUE(process.answers(client, "after"));
}

TEST(Configurator, listeners_are_added_moved_renamed_and_removed) {
  Process process;
  const std::uint16_t one = free_port();
  const std::uint16_t two = free_port();
  const std::uint16_t three = free_port();
  ASSERT_EQ(process.start("listeners:\n" + listener("a", one, "a") + listener("b", two, "b")), "");
  // "a" moves, "b" gets another name at its place, "d" is new.
  const std::uint16_t moved = free_port();
  EXPECT_TRUE(process.reload("listeners:\n" + listener("a", moved, "moved") +
                             listener("c", two, "renamed") + listener("d", three, "new")))
      << process.log;
  EXPECT_FALSE(listens(support::loopback(one)));
  EXPECT_TRUE(process.answers(moved, "moved"));
  // One connection of the former sockets could still be answered by "b"; all have stopped.
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(process.answers(two, "renamed"));
  EXPECT_TRUE(process.answers(three, "new"));
  EXPECT_TRUE(process.reload("listeners:\n" + listener("d", three, "last"))) << process.log;
  EXPECT_FALSE(listens(support::loopback(moved)));
  EXPECT_FALSE(listens(support::loopback(two)));
  EXPECT_TRUE(process.answers(three, "last"));
}

TEST(Configurator, what_was_opened_for_a_reload_that_failed_is_closed_again) {
  Process process;
  support::Server taken;
  const std::uint16_t port = free_port();
  const std::uint16_t fresh = free_port();
  ASSERT_EQ(process.start("listeners:\n" + listener("a", port, "a")), "");
  EXPECT_FALSE(process.reload("listeners:\n" + listener("a", port, "a") +
                              listener("b", fresh, "b") + listener("c", taken.port(), "c")));
  EXPECT_FALSE(listens(support::loopback(fresh)));
  EXPECT_TRUE(process.answers(port, "a"));
}

TEST(Configurator, a_reload_that_fails_late_leaves_logs_and_admin_where_they_were) {
  Process process;
  support::Server taken;
  const std::uint16_t port = free_port();
  const std::string listeners = "listeners:\n" + listener("a", port, "a");
  const auto logs = [&](const std::string& name) {
    return "access_log: { path: \"" + process.path("access-" + name) + "\" }\nlog: { path: \"" +
           process.path("error-" + name) + "\" }\n";
  };
  ASSERT_EQ(process.start(listeners + logs("before") + "admin: { bind: \"127.0.0.1:0\" }\n"), "");
  const auto admin = process.admin().bound();
  EXPECT_FALSE(process.reload(listeners + logs("after") + "admin: { bind: \"127.0.0.1:" +
                              std::to_string(taken.port()) + "\" }\n"));
  EXPECT_EQ(process.admin().bound(), admin);
  ASSERT_TRUE(process.answers(port, "a"));
  observe::log(observe::Level::error, "still in the former file");
  observe::close_log();
  const auto size = [&](const std::string& name) {
    std::error_code none;
    const auto bytes = std::filesystem::file_size(process.path(name), none);
    return none ? std::uintmax_t{0} : bytes;
  };
  EXPECT_NE(process.read("error-before").find("still in the former file"), std::string::npos);
  process.flush_access_log();  // to a thread of its own
  for (int i = 0; i < 10'000 && size("access-before") + size("access-after") == 0; ++i) {
    ::usleep(1000);
  }
  EXPECT_GT(size("access-before"), 0U);
  EXPECT_EQ(size("access-after"), 0U);
}

TEST(Configurator, a_reload_that_is_asked_for_during_another_follows_it) {
  Process process;
  const std::uint16_t port = free_port();
  ASSERT_EQ(process.start("listeners:\n" + listener("a", port, "first")), "");
  std::vector<int> ended;
  testing::internal::CaptureStderr();
  process.write("listeners:\n" + listener("a", port, "second"));
  process.configurator().reload([&](bool success) { ended.push_back(success ? 1 : -1); });
  process.write("listeners:\n" + listener("a", port, "third"));
  process.configurator().reload([&](bool success) { ended.push_back(success ? 2 : -2); });
  process.configurator().reload([&](bool success) { ended.push_back(success ? 3 : -3); });
  EXPECT_TRUE(ended.empty());
  process.settle();
  (void)testing::internal::GetCapturedStderr();
  EXPECT_EQ(ended, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(process.configurator().current()->revision, 3U);  // one more answers all who asked
  EXPECT_TRUE(process.answers(port, "third"));
}

TEST(Configurator, the_admin_listener_moves_and_goes_with_its_section) {
  Process process;
  const std::string listeners = "listeners:\n" + listener("a", free_port(), "a");
  ASSERT_EQ(process.start(listeners), "");
  EXPECT_FALSE(process.admin().bound());
  const std::uint16_t port = free_port();
  EXPECT_TRUE(
      process.reload(listeners + "admin: { bind: \"127.0.0.1:" + std::to_string(port) + "\" }\n"));
  EXPECT_EQ(process.admin().bound(), support::loopback(port));
  EXPECT_TRUE(process.reload(listeners));
  EXPECT_FALSE(process.admin().bound());
  EXPECT_FALSE(listens(support::loopback(port)));
}

TEST(Configurator, a_socket_that_the_service_manager_passed_is_used_for_its_listener) {
  const net::OwnedFd passed(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(passed.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // as systemd does
  const net::Endpoint any = support::loopback(0);
  ASSERT_EQ(::bind(passed.get(), any.data(), any.size()), 0);
  ASSERT_EQ(::listen(passed.get(), 8), 0);
  const std::uint16_t port = support::local_endpoint(passed.get()).port();
  const std::uint16_t other = free_port();
  Process process({{"a", ::dup(passed.get())}});
  ASSERT_EQ(process.start("listeners:\n" + listener("a", port, "passed")), "");
  EXPECT_TRUE(process.answers(port, "passed"));
  // Its listener goes while the manager keeps the socket: nobody may wait in its queue.
  EXPECT_TRUE(process.reload("listeners:\n" + listener("b", other, "other"))) << process.log;
  EXPECT_FALSE(listens(support::loopback(port)));
  EXPECT_TRUE(process.answers(other, "other"));
  // The listener that comes back has a socket of its own.
  EXPECT_TRUE(process.reload("listeners:\n" + listener("a", port, "again"))) << process.log;
  EXPECT_TRUE(process.answers(port, "again"));
}

TEST(Configurator, a_unix_socket_shared_by_the_workers_can_go) {
  Process process;
  const std::string path = process.path("listen.sock");
  const std::uint16_t port = free_port();
  ASSERT_EQ(
      process.start("listeners:\n  - { name: u, bind: \"unix:" + path +
                    "\", default_action: { fixed_response: { status: 200, body: unix } } }\n" +
                    listener("a", port, "a")),
      "");
  Peer client = support::connect(net::Endpoint::unix_path(path));
  EXPECT_TRUE(process.answers(client, "unix"));
  EXPECT_TRUE(process.reload("listeners:\n" + listener("a", port, "a"))) << process.log;
  EXPECT_FALSE(listens(net::Endpoint::unix_path(path)));
  EXPECT_TRUE(process.answers(port, "a"));
}

TEST(Configurator, a_passed_socket_waits_for_the_reload_that_brings_its_listener) {
  const net::OwnedFd passed(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const net::Endpoint any = support::loopback(0);
  ASSERT_EQ(::bind(passed.get(), any.data(), any.size()), 0);
  ASSERT_EQ(::listen(passed.get(), 8), 0);
  const std::uint16_t port = support::local_endpoint(passed.get()).port();
  const std::string other = "listeners:\n" + listener("b", free_port(), "b");
  Process process({{"a", ::dup(passed.get())}});
  ASSERT_EQ(process.start(other), "");
  EXPECT_TRUE(listens(support::loopback(port)));
  EXPECT_TRUE(process.reload(other + listener("a", port, "passed"))) << process.log;
  EXPECT_TRUE(process.answers(port, "passed"));
}

std::string unix_listener(const std::string& name, const std::string& path,
                          const std::string& body) {
  return "  - { name: " + name + ", bind: \"unix:" + path +
         "\", default_action: { fixed_response: { status: 200, body: " + body + " } } }\n";
}

TEST(Configurator, a_renamed_unix_listener_keeps_its_socket_and_those_who_wait_in_it) {
  Process process;
  const std::string path = process.path("listen.sock");
  ASSERT_EQ(process.start("listeners:\n" + unix_listener("a", path, "former")), "");
  struct stat before{};
  ASSERT_EQ(::stat(path.c_str(), &before), 0);
  for (const char* name : {"b", "c", "a"}) {
    Peer waiting = support::connect(net::Endpoint::unix_path(path));
    EXPECT_TRUE(process.reload("listeners:\n" + unix_listener(name, path, name))) << process.log;
    waiting.send(get);
    EXPECT_TRUE(support::connect(net::Endpoint::unix_path(path)).is_open());
    Peer client = support::connect(net::Endpoint::unix_path(path));
    EXPECT_TRUE(process.answers(client, name));
    EXPECT_FALSE(waiting.received().empty());
  }
  struct stat after{};
  ASSERT_EQ(::stat(path.c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST(Configurator, a_unix_listener_whose_file_was_deleted_is_bound_anew_by_a_reload) {
  Process process;
  const std::string path = process.path("listen.sock");
  const std::string yaml = "listeners:\n" + unix_listener("a", path, "a");
  ASSERT_EQ(process.start(yaml), "");
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(::unlink(path.c_str()), 0);
    EXPECT_TRUE(process.reload(yaml)) << process.log;
    Peer client = support::connect(net::Endpoint::unix_path(path));
    EXPECT_TRUE(process.answers(client, "a"));
  }
  // Under another name it cannot have the socket that nobody can reach.
  ASSERT_EQ(::unlink(path.c_str()), 0);
  EXPECT_TRUE(process.reload("listeners:\n" + unix_listener("b", path, "b"))) << process.log;
  Peer client = support::connect(net::Endpoint::unix_path(path));
  EXPECT_TRUE(process.answers(client, "b"));
}

TEST(Configurator, a_unix_listener_whose_path_is_another_file_now_fails_the_reload) {
  Process process;
  const std::string path = process.path("listen.sock");
  const std::string yaml = "listeners:\n" + unix_listener("a", path, "a");
  ASSERT_EQ(process.start(yaml), "");
  ASSERT_EQ(::unlink(path.c_str()), 0);
  std::ofstream(path) << "a file";
  EXPECT_FALSE(process.reload(yaml));
  EXPECT_NE(process.configurator().last_error().find("the path exists and is not a socket"),
            std::string::npos)
      << process.configurator().last_error();
}

TEST(Configurator, a_passed_socket_with_another_address_is_an_error) {
  const std::uint16_t port = free_port();
  const net::OwnedFd socket = listening_on(support::loopback(0));
  const net::Endpoint endpoint = support::local_endpoint(socket.get());
  Process process({{"a", ::dup(socket.get())}});
  const std::string problems = process.start("listeners:\n" + listener("a", port, "a"));
  EXPECT_NE(problems.find("sluice.yaml:2:22: listeners[0].bind: cannot listen on 127.0.0.1:" +
                          std::to_string(port) + ": the socket that was passed for it listens on " +
                          endpoint.text()),
            std::string::npos)
      << problems;
}

TEST(Configurator, a_passed_socket_of_any_port_fits_port_0_of_its_host_only) {
  const net::OwnedFd socket = listening_on(support::loopback(0));
  {
    Process process({{"a", ::dup(socket.get())}});
    EXPECT_EQ(process.start("listeners:\n" + listener("a", 0, "a")), "");
    EXPECT_TRUE(process.answers(support::local_endpoint(socket.get()).port(), "a"));
  }
  Process other({{"a", ::dup(socket.get())}});
  EXPECT_NE(other.start("listeners: [{ name: a, bind: \"127.0.0.2:0\" }]\n").find("was passed"),
            std::string::npos);
}

TEST(Configurator, another_number_of_workers_needs_a_restart_and_says_so) {
  Process process;
  const std::string listeners = "listeners:\n" + listener("a", free_port(), "a");
  ASSERT_EQ(process.start(listeners), "");
  EXPECT_TRUE(process.reload(listeners));
  EXPECT_TRUE(process.reload(listeners + "workers: auto\n"));
  EXPECT_TRUE(process.reload(listeners + "workers: 2\n")) << "as many as there are";
  EXPECT_EQ(process.log.find("restart"), std::string::npos) << process.log;
  for (int i = 0; i < 2; ++i) {
    process.log.clear();
    EXPECT_TRUE(process.reload(listeners + "workers: 3\n"));
    EXPECT_NE(process.log.find("sluice.yaml:3:10: warning: workers: needs a restart; 2 workers go "
                               "on until then"),
              std::string::npos)
        << process.log;
  }
}

TEST(Configurator, unix_listeners_can_change_places) {
  Process process;
  const std::string one = process.path("one.sock");
  const std::string two = process.path("two.sock");
  ASSERT_EQ(
      process.start("listeners:\n" + unix_listener("a", one, "a") + unix_listener("b", two, "b")),
      "");
  EXPECT_TRUE(
      process.reload("listeners:\n" + unix_listener("a", two, "a") + unix_listener("b", one, "b")))
      << process.log;
  Peer first = support::connect(net::Endpoint::unix_path(one));
  EXPECT_TRUE(process.answers(first, "b"));
  Peer second = support::connect(net::Endpoint::unix_path(two));
  EXPECT_TRUE(process.answers(second, "a"));
}

TEST(Configurator, port_0_is_one_port_for_all_workers_and_stays_over_reloads) {
  Process process;
  ASSERT_EQ(process.start("listeners:\n" + listener("a", 0, "first")), "");
  const net::Endpoint endpoint = process.configurator().current()->listeners[0].endpoint;
  ASSERT_NE(endpoint.port(), 0);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(process.answers(endpoint.port(), "first"));
  EXPECT_TRUE(
      process.reload("listeners:\n" + listener("a", 0, "second") + listener("b", 0, "another")))
      << process.log;
  const auto& listeners = process.configurator().current()->listeners;
  EXPECT_EQ(listeners[0].endpoint, endpoint);
  EXPECT_NE(listeners[1].endpoint, endpoint);
  EXPECT_TRUE(process.answers(endpoint.port(), "second"));
  EXPECT_TRUE(process.answers(listeners[1].endpoint.port(), "another"));
}

TEST(Configurator, where_listeners_listen_is_logged_once) {
  Process process;
  const std::string yaml = "listeners:\n" + listener("a", 0, "a") + "log: { path: \"" +
                           process.path("error.log") + "\" }\n";
  ASSERT_EQ(process.start(yaml), "");
  ASSERT_TRUE(process.reload(yaml)) << process.log;
  const std::string address = process.configurator().current()->listeners[0].endpoint.text();
  observe::close_log();  // writes what is queued
  const std::string logged = process.read("error.log");
  const std::string line = "listener a: listening on " + address + "\n";
  EXPECT_NE(logged.find(line), std::string::npos) << logged;
  EXPECT_EQ(logged.find("listening on"), logged.rfind("listening on")) << logged;
}

// A configuration with a fault on every floor, and what must be said of it.
struct EverythingWrong {
  support::Server taken;
  std::string folder;
  std::string yaml = "listeners:\n" + listener("a", taken.port(), "x") +
                     "  - { name: b, bind: \"192.0.2.1:80\", default_action: { forward: no } }\n" +
                     unix_listener("c", folder + "/none/c.sock", "x") +
                     "timeouts: { connect: soon }\n"
                     "admin: { bind: \"unix:" +
                     folder +
                     "/none/admin.sock\" }\n"
                     "access_log: { format: json, path: \"" +
                     folder +
                     "/none/access.log\" }\n"
                     "log: { path: \"" +
                     folder + "\" }\n";

  static void expect_in(const std::string& problems) {
    for (const char* said :
         {":2:22: listeners[0].bind: cannot listen on 127.0.0.1:",
          ":3:22: listeners[1].bind: cannot listen on 192.0.2.1:80: ",
          ":3:65: listeners[1].default_action.forward: ",
          ":4:22: listeners[2].bind: cannot listen on unix:/",
          ":5:22: timeouts.connect: ", ":6:16: admin.bind: cannot listen on unix:/",
          ":7:35: access_log.path: ", ":8:14: log.path: "}) {
      EXPECT_NE(problems.find(said), std::string::npos) << said << "\nin\n" << problems;
    }
  }
};

TEST(Configurator, a_start_says_the_errors_of_every_floor_at_once) {
  Process process;
  const EverythingWrong wrong{.taken = support::Server(), .folder = process.path("")};
  EverythingWrong::expect_in(process.start(wrong.yaml));
}

TEST(Configurator, a_reload_says_the_errors_of_every_floor_and_opens_nothing) {
  Process process;
  const std::uint16_t port = free_port();
  const std::uint16_t fresh = free_port();
  ASSERT_EQ(process.start("listeners:\n" + listener("a", port, "a") + "log: { path: \"" +
                          process.path("error.log") + "\" }\n"),
            "");
  EXPECT_FALSE(process.reload(
      "listeners:\n" + listener("a", port, "a") + listener("b", fresh, "b") +
      unix_listener("c", process.path("c.sock"), "c") + "access_log: { path: \"" +
      process.path("access.log") + "\" }\nlog: { path: \"" + process.path("other.log") +
      "\" }\nadmin: { bind: \"unix:" + process.path("admin.sock") + "\" }\nlimits: { body: x }\n"));
  for (const char* name : {"c.sock", "access.log", "other.log", "admin.sock"}) {
    EXPECT_FALSE(std::filesystem::exists(process.path(name))) << name;
  }
  EXPECT_FALSE(listens(support::loopback(fresh)));
  const EverythingWrong wrong{.taken = support::Server(), .folder = process.path("")};
  EXPECT_FALSE(process.reload(wrong.yaml));
  EXPECT_TRUE(process.answers(port, "a"));
  observe::close_log();  // writes what is queued
  EverythingWrong::expect_in(process.read("error.log"));
}

// ---------------------------------------------------------------- check

std::string checked(const std::string& yaml, bool& has_errors) {
  const support::CertificateDirectory files;
  config::Problems problems;
  check(files.write("sluice.yaml", yaml), problems);
  has_errors = problems.has_errors();
  return text_of(problems);
}

TEST(Check, a_good_file_has_no_problems_and_opens_nothing) {
  const std::uint16_t port = free_port();
  bool has_errors = true;
  EXPECT_EQ(checked("listeners:\n" + listener("a", port, "a"), has_errors), "");
  EXPECT_FALSE(has_errors);
  EXPECT_FALSE(listens(support::loopback(port)));
}

TEST(Check, a_port_in_use_is_a_warning_for_it_may_be_our_own) {
  support::Server taken;
  bool has_errors = true;
  const std::string problems =
      checked("listeners:\n" + listener("a", taken.port(), "a"), has_errors);
  EXPECT_FALSE(has_errors) << problems;
  EXPECT_NE(problems.find("Address already in use"), std::string::npos) << problems;
}

TEST(Check, an_address_that_cannot_be_bound_is_an_error) {
  bool has_errors = false;
  const std::string problems =
      checked("listeners:\n  - { name: a, bind: \"192.0.2.1:80\" }\n", has_errors);
  EXPECT_TRUE(has_errors);
  EXPECT_NE(problems.find("192.0.2.1:80"), std::string::npos) << problems;
}

TEST(Check, the_errors_of_every_floor_are_said_at_once_and_no_file_is_made) {
  const support::CertificateDirectory folder;
  const EverythingWrong wrong{.taken = support::Server(), .folder = folder.path("")};
  bool has_errors = false;
  std::string problems = checked(wrong.yaml, has_errors);
  EXPECT_TRUE(has_errors);
  // Only what is in use may be our own.
  const std::size_t warning = problems.find("warning: ");
  ASSERT_NE(warning, std::string::npos) << problems;
  problems.erase(warning, std::string_view("warning: ").size());
  EXPECT_EQ(problems.find("warning: "), std::string::npos) << problems;
  EverythingWrong::expect_in(problems);
  EXPECT_EQ(checked("listeners:\n" + unix_listener("a", folder.path("a.sock"), "a") +
                        "access_log: { path: \"" + folder.path("access.log") + "\" }\n",
                    has_errors),
            "");
  EXPECT_TRUE(std::filesystem::is_empty(folder.path("")));
}

TEST(Check, an_admin_address_in_use_is_a_warning_for_it_may_be_our_own) {
  support::Server taken;
  bool has_errors = true;
  const std::string problems =
      checked("listeners:\n" + listener("a", free_port(), "a") +
                  "admin: { bind: \"127.0.0.1:" + std::to_string(taken.port()) + "\" }\n",
              has_errors);
  EXPECT_FALSE(has_errors) << problems;
  EXPECT_NE(problems.find("warning: admin.bind: cannot listen on "), std::string::npos) << problems;
}

TEST(Check, a_missing_file_is_an_error) {
  config::Problems problems;
  check("/nonexistent/sluice.yaml", problems);
  EXPECT_TRUE(problems.has_errors());
}

}  // namespace
}  // namespace sluice::control
