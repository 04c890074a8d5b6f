#include "app/notify.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "sluice/net/listener.h"
#include "support/certificates.h"

namespace sluice::app {
namespace {

// Environment variables for the length of a test.
class Environment {
 public:
  explicit Environment(std::vector<std::pair<std::string, std::string>> variables)
      : variables_(std::move(variables)) {
    for (const auto& [name, value] : variables_) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : variables_) ::unsetenv(name.c_str());
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::vector<std::pair<std::string, std::string>> variables_;
};

// A service manager's end.
class Manager {
 public:
  explicit Manager(const std::string& name)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  }
  std::string received() {
    std::array<char, 1000> block;
    const ssize_t got = ::recv(fd_.get(), block.data(), block.size(), 0);
    return got > 0 ? std::string(block.data(), static_cast<std::size_t>(got)) : std::string();
  }

 private:
  net::OwnedFd fd_;
};

TEST(Notify, a_state_reaches_the_service_manager) {
  const support::CertificateDirectory directory;
  for (const std::string& name :
       {directory.path("notify.sock"), "@sluice-notify-" + std::to_string(::getpid())}) {
    Manager manager(name);
    const Environment environment({{"NOTIFY_SOCKET", name}});
    notify("READY=1\nSTATUS=serving");
    EXPECT_EQ(manager.received(), "READY=1\nSTATUS=serving") << name;
  }
}

TEST(Notify, a_reload_carries_the_time_that_the_manager_compares) {
  const support::CertificateDirectory directory;
  Manager manager(directory.path("notify.sock"));
  const Environment environment({{"NOTIFY_SOCKET", directory.path("notify.sock")}});
  notify_reloading();
  const std::string message = manager.received();
  EXPECT_TRUE(message.starts_with("RELOADING=1\nMONOTONIC_USEC=")) << message;
  const std::string time = message.substr(message.rfind('=') + 1);
  EXPECT_EQ(time.find_first_not_of("0123456789"), std::string::npos) << message;
}

TEST(Notify, without_a_manager_nothing_happens) {
  ::unsetenv("NOTIFY_SOCKET");
  notify("READY=1");
  const Environment gone({{"NOTIFY_SOCKET", "/nonexistent/notify.sock"}});
  notify("READY=1");
  const Environment too_long({{"NOTIFY_SOCKET", "/" + std::string(200, 'x')}});
  notify("READY=1");
}

TEST(PassedSockets, they_are_found_by_their_names) {
  const Environment environment({{"LISTEN_PID", std::to_string(::getpid())},
                                 {"LISTEN_FDS", "3"},
                                 {"LISTEN_FDNAMES", "web::web-tls"}});
  EXPECT_EQ(passed_sockets(), (control::PassedSockets{{"web", 3}, {"web-tls", 5}}));
  // Nobody takes them a second time.
  EXPECT_EQ(std::getenv("LISTEN_PID"), nullptr);
  EXPECT_EQ(std::getenv("LISTEN_FDS"), nullptr);
  EXPECT_EQ(std::getenv("LISTEN_FDNAMES"), nullptr);
  EXPECT_TRUE(passed_sockets().empty());
}

TEST(PassedSockets, those_of_another_process_and_nonsense_are_left_alone) {
  const std::string own = std::to_string(::getpid());
  const std::string other = std::to_string(::getpid() + 1);
  struct Case {
    const char* pid;
    const char* count;
  };
  for (const Case& each : {Case{other.c_str(), "1"}, Case{"", "1"}, Case{"x", "1"},
                           Case{own.c_str(), ""}, Case{own.c_str(), "-1"}, Case{own.c_str(), "1x"},
                           Case{own.c_str(), "100000"}, Case{own.c_str(), "0"}}) {
    const Environment environment(
        {{"LISTEN_PID", each.pid}, {"LISTEN_FDS", each.count}, {"LISTEN_FDNAMES", "web"}});
    EXPECT_TRUE(passed_sockets().empty()) << each.pid << " " << each.count;
  }
}

TEST(PassedSockets, without_names_there_is_nothing_to_find_them_by) {
  const Environment environment({{"LISTEN_PID", std::to_string(::getpid())}, {"LISTEN_FDS", "2"}});
  EXPECT_TRUE(passed_sockets().empty());
}

}  // namespace
}  // namespace sluice::app
