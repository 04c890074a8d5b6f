#include "sluice/app/server.h"

#include <sys/resource.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "app/demo.h"
#include "app/notify.h"
#include "app/processors.h"
#include "app/worker_thread.h"
#include "sluice/base/version.h"
#include "sluice/config/load.h"
#include "sluice/control/admin.h"
#include "sluice/control/configurator.h"
#include "sluice/control/discovery.h"
#include "sluice/control/events.h"
#include "sluice/control/key_fetcher.h"
#include "sluice/control/member_publisher.h"
#include "sluice/control/membership.h"
#include "sluice/control/registrations.h"
#include "sluice/control/targets.h"
#include "sluice/control/tls_watch.h"
#include "sluice/net/loop.h"
#include "sluice/observe/access_log.h"
#include "sluice/observe/log.h"
#include "sluice/observe/metrics.h"
#include "sluice/proxy/password_verifier.h"

namespace sluice::app {

namespace {

namespace asio = boost::asio;
using observe::Level;
using observe::Metric;

// An idle keep-alive connection gets this long to send one more request, whose answer then says
// close: a client that is just writing must not meet a closed door.
constexpr std::chrono::milliseconds idle_grace{1000};
// After connections were cut: for their coroutines to end.
constexpr std::chrono::milliseconds cut_grace{500};
// Each may have 256 MiB in use (net/password_hash.h).
constexpr std::size_t verifying_threads_most = 2;

// At the start, for the first answers of the sources of targets.
constexpr std::chrono::milliseconds first_looks_wait{5000};

// Each proxied exchange needs two descriptors; the soft limit of most systems is for interactive
// shells.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

void print_problems(const config::Problems& problems) {
  for (const config::Problem& problem : problems.sorted()) {
    std::cerr << problem.text() << "\n";
  }
}

// The number of workers has to be known before the first snapshot is published; everything else is
// read once more, and reported, by the configurator.
std::size_t configured_workers(
    const std::function<std::optional<config::Model>(config::Problems&)>& load) {
  config::Problems ignored;
  const std::optional<config::Model> model = load(ignored);
  if (!model.has_value() || model->workers == 0) return usable_processors();
  return model->workers;
}

class Server {
 public:
  Server(const std::string& path, const std::string& text, std::function<void()> on_ready);
  int run();

 private:
  [[nodiscard]] control::Configurator make_configurator(const std::string& path,
                                                        const std::string& text);
  [[nodiscard]] control::AdminHooks admin_hooks();
  [[nodiscard]] std::optional<control::TargetStatus> target(std::string_view group,
                                                            std::string_view id) const;
  void start_workers();
  void wait_for_signal();
  void handle_signal(int signal);
  void ready_when_looked();
  void ready();
  void reload(std::function<void(bool)> done = {});
  void reopen_logs();
  void rotate_ticket_keys_later();
  void drain();
  void drain_at_once();
  void drained();
  void cut();
  void finish();

  // The control thread's: signals, timers and the admin listener run on its io_context, health
  // checks on its poller and deadlines. Other threads only post.
  net::Loop loop_;
  observe::Registry metrics_;
  observe::Cells& cells_;
  observe::AccessLogWriter access_log_;
  control::Events events_;
  control::Targets targets_;
  control::KeyFetcher key_fetcher_;
  control::Membership membership_;
  control::Discovery discovery_;
  control::Registrations registrations_;
  control::AdminServer admin_;
  std::size_t worker_count_;
  proxy::PasswordVerifier verifier_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  control::MemberPublisher publisher_;
  control::Configurator configurator_;
  control::TlsWatch tls_watch_;
  asio::signal_set signals_;
  asio::steady_timer deadline_;
  asio::steady_timer ticket_timer_;
  std::function<void()> on_ready_;
  net::Deadline first_looks_;
  base::SteadyTime first_looks_until_{};
  base::WallTime started_at_ = base::Wall::now();
  std::size_t workers_draining_ = 0;
  bool ready_ = false;
  bool draining_ = false;
  bool finished_ = false;
};

Server::Server(const std::string& path, const std::string& text, std::function<void()> on_ready)
    : cells_(metrics_.add_cells()),
      access_log_(metrics_),
      targets_(loop_, cells_, events_),
      key_fetcher_(loop_, cells_),
      discovery_(loop_, cells_, events_, membership_),
      registrations_(loop_.context, membership_, events_),
      admin_(loop_.context, admin_hooks()),
      worker_count_(configured_workers([&](config::Problems& problems) {
        return text.empty() ? config::load(path, problems)
                            : config::load_text(text, path, problems);
      })),
      verifier_(std::min(verifying_threads_most, usable_processors())),
      publisher_({.loop = loop_,
                  .membership = membership_,
                  .targets = targets_,
                  .events = events_,
                  .worker_count = worker_count_,
                  .post =
                      [this](std::size_t index, std::function<void(proxy::Worker&)> task) {
                        workers_[index]->post(std::move(task));
                      }}),
      configurator_(make_configurator(path, text)),
      tls_watch_(loop_.context, configurator_, cells_),
      signals_(loop_.context, SIGHUP, SIGTERM, SIGINT),
      deadline_(loop_.context),
      ticket_timer_(loop_.context),
      on_ready_(std::move(on_ready)),
      first_looks_(
          loop_.deadlines,
          [](void* context) { static_cast<Server*>(context)->ready_when_looked(); }, this) {
  signals_.add(SIGQUIT);
  signals_.add(SIGUSR1);
  signals_.add(SIGUSR2);
}

control::Configurator Server::make_configurator(const std::string& path, const std::string& text) {
  control::Configurator::Parts parts{
      .context = loop_.context,
      .worker_count = worker_count_,
      .post =
          [this](std::size_t index, std::function<void(proxy::Worker&)> task) {
            workers_[index]->post(std::move(task));
          },
      .admin = admin_,
      .access_log = access_log_,
      .cells = cells_,
      .targets = targets_,
      .events = events_,
      .passed_sockets = passed_sockets(),
      .keys = &key_fetcher_,
      .membership = &membership_,
      .publisher = &publisher_,
      .discovery = &discovery_,
      .registrations = &registrations_};
  if (text.empty()) return {path, std::move(parts)};
  return {path, text, std::move(parts)};
}

control::AdminHooks Server::admin_hooks() {
  return {
      .is_ready = [this] { return ready_ && !draining_; },
      .metrics = [this] { return metrics_.render(); },
      .status =
          [this] {
            control::AdminStatus status;
            status.version = std::string(base::version);
            const auto& snapshot = configurator_.current();
            if (snapshot != nullptr) {
              status.revision = snapshot->revision;
              status.loaded_at = snapshot->built_at;
              for (const proxy::SnapshotListener& listener : snapshot->listeners) {
                status.listeners.push_back({listener.name, listener.endpoint.text()});
                if (listener.tls == nullptr) continue;
                for (const auto& certificate : listener.tls->certificates()) {
                  status.certificates.push_back(
                      {listener.name, certificate.file, certificate.names, certificate.not_after});
                }
              }
            }
            status.started_at = started_at_;
            status.workers = worker_count_;
            status.client_connections =
                static_cast<std::int64_t>(metrics_.sum(Metric::client_connections));
            status.last_reload_error = configurator_.last_error();
            status.is_draining = draining_;
            return status;
          },
      .target_groups = [this] { return targets_.groups(); },
      .target_group = [this](std::string_view name) { return targets_.group(name); },
      .targets =
          [this](std::string_view group) {
            auto all = targets_.targets(group);
            if (all.has_value()) membership_.add_others(group, *all);
            return all;
          },
      .events = [this]() -> control::Events& { return events_; },
      .target = [this](std::string_view group, std::string_view id) { return target(group, id); },
      .is_group =
          [this](std::string_view group) {
            return membership_.is_configured(group) || targets_.group(group).has_value();
          },
      .change_target =
          [this](control::TargetChange change, control::Registrations::Done done) {
            registrations_.change(std::move(change), std::move(done));
          },
      .reload =
          [this](std::function<void(control::AdminReload)> done) {
            if (draining_) return done({.problems = {"the process is draining"}});
            reload([this, done = std::move(done)](bool success) {
              const auto& snapshot = configurator_.current();
              done({.is_success = success,
                    .revision = snapshot->revision,
                    .problems = configurator_.last_problems()});
            });
          }};
}

// Those that somebody names without that they are in use are on their way there, or drain.
std::optional<control::TargetStatus> Server::target(std::string_view group,
                                                    std::string_view id) const {
  std::optional<control::TargetStatus> status = targets_.target(group, id);
  if (status.has_value()) return status;
  const auto named = membership_.named(group, id);
  if (!named.has_value()) return std::nullopt;
  status.emplace();
  status->id = id;
  status->address = named->endpoint.text();
  status->weight = named->weight;
  status->sources = named->sources;
  status->zone = named->zone;
  status->state = named->is_leaving ? target::State::draining : target::State::initial;
  status->reason = named->is_leaving ? target::StateReason::deregistration_in_progress
                                     : target::StateReason::registration_in_progress;
  return status;
}

int Server::run() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is an error of writing like a full disk
  raise_descriptor_limit();
  start_workers();
  config::Problems problems;
  const bool started = configurator_.start(problems, [this] {
    first_looks_until_ = base::Steady::now() + first_looks_wait;
    ready_when_looked();
  });
  print_problems(problems);
  if (!started) {
    finish();
    workers_.clear();
    observe::close_log();
    return 1;
  }
  wait_for_signal();
  rotate_ticket_keys_later();
  loop_.run();
  observe::log(Level::info, "stopped");
  workers_.clear();
  observe::close_log();
  return 0;
}

void Server::start_workers() {
  for (std::size_t i = 0; i < worker_count_; ++i) {
    workers_.push_back(
        std::make_unique<WorkerThread>(i, worker_count_, metrics_, access_log_, verifier_));
  }
}

void Server::wait_for_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;  // ending
    handle_signal(signal);
    if (!finished_) wait_for_signal();
  });
}

void Server::handle_signal(int signal) {
  switch (signal) {
    case SIGHUP: reload(); break;
    case SIGUSR1: reopen_logs(); break;
    case SIGUSR2:
      observe::log(Level::warning, "USR2: binary upgrade is not supported by this version");
      break;
    case SIGINT: drain_at_once(); break;
    default: drain(); break;  // TERM, QUIT
  }
}

// Whoever waits for readiness sends requests then, and finds the targets there.
void Server::ready_when_looked() {
  if (finished_ || draining_) return;
  if (discovery_.has_looked() && publisher_.is_idle()) return ready();
  if (base::Steady::now() >= first_looks_until_) {
    observe::log(Level::warning, "discovery: some sources have not answered yet; ready without");
    return ready();
  }
  first_looks_.set(net::DeadlineWheel::tick);
}

void Server::ready() {
  cells_.gauge(Metric::start_time_seconds)
      .set(
          std::chrono::duration_cast<std::chrono::seconds>(started_at_.time_since_epoch()).count());
  cells_.gauge(Metric::workers).set(static_cast<std::int64_t>(worker_count_));
  cells_.gauge(Metric::config_last_reload_success).set(1);
  ready_ = true;
  tls_watch_.start();
  observe::log(Level::info, "ready: sluice " + std::string(base::version) + ", " +
                                std::to_string(worker_count_) + " workers, " +
                                std::to_string(configurator_.current()->listeners.size()) +
                                " listeners");
  notify("READY=1\nSTATUS=serving");
  if (on_ready_) on_ready_();
}

void Server::reload(std::function<void(bool)> done) {
  if (draining_) {
    observe::log(Level::warning, "reload: ignored while draining");
    if (done) done(false);
    return;
  }
  notify_reloading();
  configurator_.reload([this, done = std::move(done)](bool success) {
    if (ready_) notify("READY=1");  // else when the first looks are over
    if (done) done(success);
  });
}

void Server::reopen_logs() {
  for (const std::string& error : {access_log_.reopen(), observe::reopen_log()}) {
    if (!error.empty())
      observe::log(Level::error, "reopen: " + error + "; the old file stays open");
  }
  observe::log(Level::info, "log files were reopened");
}

void Server::rotate_ticket_keys_later() {
  ticket_timer_.expires_after(net::TicketKeys::rotation);
  ticket_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // ending
    configurator_.rotate_ticket_keys();
    rotate_ticket_keys_later();
  });
}

void Server::drain() {
  if (std::exchange(draining_, true)) return;
  observe::log(Level::info, "draining: no new connections, exchanges finish");
  notify("STOPPING=1\nSTATUS=draining");
  const auto deadline = configurator_.current()->model.shutdown.deadline;
  deadline_.expires_after(deadline);
  deadline_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // all went in time
    observe::log(Level::warning, "shutdown_deadline: connections are cut");
    cut();
  });
  tls_watch_.stop();
  configurator_.drain();
  workers_draining_ = workers_.size();
  for (const auto& worker : workers_) {
    worker->post([this, grace = std::min(idle_grace, deadline)](proxy::Worker& on) {
      on.drain(grace, [this] { asio::post(loop_.context, [this] { drained(); }); });
    });
  }
}

void Server::drain_at_once() {
  observe::log(Level::info, "stopping at once: exchanges are cut");
  drain();
  cut();
}

void Server::drained() {
  if (--workers_draining_ == 0) finish();
}

void Server::cut() {
  for (const auto& worker : workers_) {
    worker->post([](proxy::Worker& on) { on.cut(); });
  }
  deadline_.expires_after(cut_grace);
  deadline_.async_wait([this](const boost::system::error_code& error) {
    if (!error) finish();
  });
}

void Server::finish() {
  if (std::exchange(finished_, true)) return;
  signals_.cancel();
  deadline_.cancel();
  ticket_timer_.cancel();
  tls_watch_.stop();
  first_looks_.clear();
  discovery_.stop();
  publisher_.stop();
  targets_.stop();
  key_fetcher_.stop();
  admin_.close();
  for (const auto& worker : workers_) worker->stop();
  // The loop ticks for ever. Behind what was just cancelled, so that it still ends by itself.
  asio::post(loop_.context, [this] { loop_.stop(); });
}

}  // namespace

int run_server(const std::string& path) {
  Server server(path, {}, {});
  return server.run();
}

int run_demo() try {
  const DemoTargets targets;
  const DemoCertificate certificate;
  Server server("demo", demo_configuration(targets, certificate),
                [] { std::cout << demo_banner() << std::flush; });
  return server.run();
} catch (const std::runtime_error& error) {  // no port or no temporary directory to be had
  std::cerr << "demo: " << error.what() << "\n";
  return 1;
}

}  // namespace sluice::app
