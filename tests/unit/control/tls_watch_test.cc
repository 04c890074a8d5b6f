// Looks at files, at times that the test chooses. Files are renamed into place: a fresh inode is
// seen however soon after the last one it comes.
#include "sluice/control/tls_watch.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "sluice/observe/log.h"
#include "support/certificates.h"

namespace sluice::control {
namespace {

using observe::Metric;
using support::CertificateAuthority;
using support::CertificateText;
using support::CertificateWish;

constexpr std::chrono::seconds interval{10};

const CertificateAuthority& authority() {
  static const CertificateAuthority instance;
  return instance;
}

CertificateText certificate_of(const std::string& name) {
  CertificateWish wish;
  wish.names = {name};
  return authority().issue(wish);
}

// Base64 of 80 bytes.
std::string ticket_key(char first) { return first + std::string(106, 'A') + "=\n"; }

// A process with every file of TLS, and a watch whose clock the test turns.
class Watched {
 public:
  explicit Watched(const std::string& of_listener = "10s", const std::string& of_group = "10s") {
    replace_pair("site", certificate_of("site.test"));
    replace_pair("us", certificate_of("us.test"));
    replace("clients.crt", authority().certificate());
    replace("clients.crl", authority().revocation_list({}));
    replace("targets.crt", authority().certificate());
    replace("tickets", ticket_key('A'));
    files_.write("sluice.yaml", yaml(of_listener, of_group));
    configurator_.emplace(files_.path("sluice.yaml"), parts());
    watch_.emplace(context_, *configurator_, cells_);
    config::Problems problems;
    EXPECT_TRUE(configurator_->start(problems, [] {}));
    for (const config::Problem& problem : problems.sorted()) ADD_FAILURE() << problem.text();
    settle();
  }
  ~Watched() {
    worker_.drain(std::chrono::milliseconds(1), [] {});
    worker_.cut();
    settle();
    admin_.close();
    settle();
    observe::close_log();
  }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  void replace(const std::string& name, const std::string& text) {
    files_.write(name + ".new", text);
    std::filesystem::rename(files_.path(name + ".new"), files_.path(name));
  }
  void replace_pair(const std::string& name, const CertificateText& text) {
    replace(name + ".key", text.key);
    replace(name + ".crt", text.certificate);
  }

  void look(std::chrono::seconds later = interval) {
    now_ += later;
    watch_->look(now_);
    settle();
  }
  // A file that was changed before it is loaded at the second of two looks.
  void look_twice() {
    look();
    look();
  }

  [[nodiscard]] std::uint64_t revision() const { return configurator_->current()->revision; }
  [[nodiscard]] std::size_t times_logged(const std::string& text) {
    observe::close_log();  // writes what is queued
    std::ifstream file(files_.path("error.log"));
    const std::string all{std::istreambuf_iterator<char>(file), {}};
    std::size_t count = 0;
    for (std::size_t at = all.find(text); at != std::string::npos; at = all.find(text, at + 1)) {
      ++count;
    }
    return count;
  }

 private:
  [[nodiscard]] std::string yaml(const std::string& of_listener,
                                 const std::string& of_group) const {
    const auto path = [this](const char* name) { return '"' + files_.path(name) + '"'; };
    return "listeners:\n"
           "  - name: web\n"
           "    bind: 127.0.0.1:0\n"
           "    tls:\n"
           "      certificates: [ { cert: " +
           path("site.crt") + ", key: " + path("site.key") +
           " } ]\n"
           "      ticket_keys: { file: " +
           path("tickets") +
           " }\n"
           "      client_certificates: { mode: verify, trust_store: " +
           path("clients.crt") + ", crls: [ " + path("clients.crl") +
           " ] }\n"
           "      expiry_warning: 0\n"
           "      watch_interval: " +
           of_listener +
           "\n"
           "    default_action: { forward: group }\n"
           "target_groups:\n"
           "  - name: group\n"
           "    protocol: https\n"
           "    targets: [ \"127.0.0.1:1\" ]\n"
           "    tls: { ca: " +
           path("targets.crt") + ", client_cert: " + path("us.crt") +
           ", client_key: " + path("us.key") + ", watch_interval: " + of_group +
           " }\n"
           "log: { path: " +
           path("error.log") + " }\n";
  }
  void settle() {
    std::size_t ran = 1;
    while (ran > 0) {
      ran = context_.poll();
      context_.restart();
      ran += worker_.loop().context.poll();
    }
  }
  AdminHooks hooks() {
    return {.is_ready = [] { return true; },
            .metrics = [] { return std::string(); },
            .status = [] { return AdminStatus{}; },
            .target_groups = [] { return std::vector<GroupStatus>(); },
            .target_group = [](std::string_view) { return std::optional<GroupStatus>(); },
            .targets = [](std::string_view) { return std::optional<std::vector<TargetStatus>>(); },
            .events = [this]() -> Events& { return events_; }};
  }
  Configurator::Parts parts() {
    return {.context = context_,
            .worker_count = 1,
            .post =
                [this](std::size_t, std::function<void(proxy::Worker&)> task) {
                  boost::asio::post(worker_.loop().context,
                                    [this, task = std::move(task)] { task(worker_); });
                },
            .admin = admin_,
            .access_log = writer_,
            .cells = cells_,
            .targets = live_targets_,
            .events = events_,
            .passed_sockets = {}};
  }

  support::CertificateDirectory files_;
  boost::asio::io_context context_;
  observe::Registry metrics_;
  observe::Cells& cells_ = metrics_.add_cells();
  observe::AccessLogWriter writer_{metrics_};
  net::Loop loop_;  // of the health checks: none are configured
  Events events_;
  Targets live_targets_{loop_, cells_, events_};
  AdminServer admin_{context_, hooks()};
  proxy::Worker worker_{metrics_.add_cells(), writer_, 2};
  std::optional<Configurator> configurator_;
  std::optional<TlsWatch> watch_;
  std::chrono::steady_clock::time_point now_ = std::chrono::steady_clock::now();
};

struct Change {
  const char* name;
  bool is_of_listener;
  std::function<void(Watched&)> make;
};

const Change changes[] = {
    {"certificate", true,
     [](Watched& on) { on.replace_pair("site", certificate_of("site.test")); }},
    {"ticket keys", true, [](Watched& on) { on.replace("tickets", ticket_key('B')); }},
    {"trust store", true,
     [](Watched& on) {
       const CertificateAuthority other("another authority");
       on.replace("clients.crt", authority().certificate() + other.certificate());
     }},
    {"revocation list", true,
     [](Watched& on) {
       const std::string revoked = certificate_of("gone.test").certificate;
       on.replace("clients.crl", authority().revocation_list({revoked}));
     }},
    {"authorities of targets", false,
     [](Watched& on) { on.replace("targets.crt", CertificateAuthority("another").certificate()); }},
    {"certificate for targets", false,
     [](Watched& on) { on.replace_pair("us", certificate_of("us.test")); }},
};

TEST(TlsWatch, every_file_of_tls_is_loaded_when_it_has_changed) {
  Watched watched;
  watched.look_twice();
  ASSERT_EQ(watched.revision(), 1U);
  std::uint64_t revision = 1;
  for (const Change& change : changes) {
    change.make(watched);
    watched.look();
    EXPECT_EQ(watched.revision(), revision) << change.name << ": somebody may be at it";
    watched.look();
    EXPECT_EQ(watched.revision(), ++revision) << change.name;
    watched.look_twice();
    EXPECT_EQ(watched.revision(), revision) << change.name << ": loaded once";
  }
}

TEST(TlsWatch, an_interval_of_0_leaves_the_files_alone) {
  for (const bool is_listener_watched : {true, false}) {
    Watched watched(is_listener_watched ? "10s" : "0", is_listener_watched ? "0" : "10s");
    watched.look_twice();
    for (const Change& change : changes) {
      const std::uint64_t before = watched.revision();
      change.make(watched);
      watched.look_twice();
      EXPECT_EQ(watched.revision() != before, change.is_of_listener == is_listener_watched)
          << change.name;
    }
  }
  Watched nobody("0", "0");
  for (const Change& change : changes) change.make(nobody);
  nobody.look_twice();
  EXPECT_EQ(nobody.revision(), 1U);
}

TEST(TlsWatch, the_shortest_interval_counts) {
  Watched watched("1h", "10s");
  watched.look_twice();
  watched.replace("tickets", ticket_key('B'));
  watched.look(std::chrono::seconds(9));  // too early
  watched.look(std::chrono::seconds(1));
  EXPECT_EQ(watched.revision(), 1U);
  watched.look(std::chrono::seconds(9));
  EXPECT_EQ(watched.revision(), 1U);
  watched.look(std::chrono::seconds(1));
  EXPECT_EQ(watched.revision(), 2U);
}

TEST(TlsWatch, files_that_go_on_changing_are_not_loaded_yet) {
  Watched watched;
  watched.look_twice();
  for (const char first : {'B', 'C', 'D'}) {
    watched.replace("tickets", ticket_key(first));
    watched.look();
    EXPECT_EQ(watched.revision(), 1U);
  }
  watched.look();
  EXPECT_EQ(watched.revision(), 2U);
}

TEST(TlsWatch, a_file_written_again_with_the_same_bytes_is_no_change) {
  Watched watched;
  watched.look_twice();
  watched.replace("clients.crt", authority().certificate());
  watched.replace("targets.crt", authority().certificate());
  watched.look_twice();
  EXPECT_EQ(watched.revision(), 1U);
}

TEST(TlsWatch, what_changed_before_the_first_look_is_found) {
  Watched watched;
  watched.replace("tickets", ticket_key('B'));
  watched.look_twice();
  EXPECT_EQ(watched.revision(), 2U);
}

TEST(TlsWatch, files_that_cannot_be_loaded_are_told_once_and_change_nothing) {
  for (const char* name : {"clients.crt", "clients.crl", "targets.crt", "us.crt", "us.key"}) {
    Watched watched;
    watched.look_twice();
    watched.replace(name, "nothing of use\n");
    watched.look_twice();
    watched.look_twice();
    EXPECT_EQ(watched.revision(), 1U) << name;
    watched.replace("clients.crt", authority().certificate());
    watched.replace("clients.crl", authority().revocation_list({}));
    watched.replace("targets.crt", authority().certificate());
    watched.replace_pair("us", certificate_of("us.test"));
    watched.look_twice();
    EXPECT_EQ(watched.revision(), 2U) << name << " was put right";
    EXPECT_EQ(watched.times_logged("files have changed and cannot be loaded"), 1U) << name;
    EXPECT_GE(watched.times_logged(name), 1U) << name;
  }
}

}  // namespace
}  // namespace sluice::control
