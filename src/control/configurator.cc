#include "sluice/control/configurator.h"

#include <malloc.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <optional>
#include <utility>

#include "control/admin_tokens.h"
#include "sluice/config/load.h"
#include "sluice/observe/log.h"

namespace sluice::control {

using observe::Level;
using observe::Metric;

// A configuration that is not published yet, and everything that was opened for it. Closes by
// itself when it goes.
struct Configurator::Prepared {
  std::shared_ptr<const proxy::Snapshot> snapshot;  // null: there are problems
  TargetsPlan targets;
  Discovery::SharedPlan discovery;
  Membership::Plan members;
  ListenerSockets::Plan sockets;
  observe::OpenedLogFile access_log;             // null: off
  observe::OpenedLogFile log;                    // never null once opened
  std::shared_ptr<AdminServer::Acceptor> admin;  // null: none
  std::shared_ptr<const AdminTokens> tokens;     // null: none
};

// Finds out who is in the groups of a configuration that is being built.
class Configurator::PlannedMembers : public proxy::Members {
 public:
  PlannedMembers(const Parts& parts, Prepared& prepared) : parts_(parts), prepared_(prepared) {}

  std::shared_ptr<const target::TargetSet> set_of(
      const std::string& group, std::vector<proxy::ConfiguredTarget> configured) override {
    Membership::GroupPlan plan;
    for (proxy::ConfiguredTarget& target : configured) {
      Member member;
      member.id = std::move(target.id);
      member.endpoint = target.endpoint;
      member.weight = target.weight;
      plan.configured.push_back(std::move(member));
    }
    plan.sources = Discovery::sources_of(prepared_.discovery, group);
    std::shared_ptr<const target::TargetSet> set = parts_.membership->set_of(group, plan);
    prepared_.members.insert_or_assign(group, std::move(plan));
    return set;
  }

  std::shared_ptr<const upstream::GroupSettings> in_force(const std::string& group) const override {
    return parts_.publisher->in_force(group);
  }

 private:
  const Parts& parts_;
  Prepared& prepared_;
};

namespace {

std::int64_t unix_seconds(base::WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

// `error`: of opening a log's file, or empty.
void add_error(config::Problems& problems, const config::Position& position, const char* path,
               const std::string& error) {
  if (!error.empty()) problems.error(position, path, "cannot open " + error);
}

// Whether the files of both logs could be opened.
void check_logs(const config::Model& model, config::Problems& problems) {
  const config::AccessLog& access_log = model.access_log;
  if (!access_log.path.empty()) {
    add_error(problems, access_log.position, "access_log.path",
              observe::probe_log_file(access_log.path));
  }
  add_error(problems, model.log.position, "log.path", observe::probe_log_file(model.log.path));
}

// Null: none are asked for, or there are problems.
std::shared_ptr<const AdminTokens> load_tokens(const config::Model& model,
                                               config::Problems& problems) {
  const config::Admin& admin = model.admin;
  if (admin.tokens_file.empty()) return nullptr;
  return AdminTokens::load(admin.tokens_file, admin.tokens_position, problems);
}

// `running` listens there already, or is null.
void check_admin(const config::Model& model, const AdminServer* running,
                 config::Severity in_use_severity, config::Problems& problems) {
  if (!model.admin.bind.has_value()) return;
  std::string error;
  bool in_use = false;
  const std::optional<net::Endpoint> endpoint = net::resolve(*model.admin.bind, error);
  if (endpoint.has_value()) {
    if (running != nullptr && running->serves(*endpoint)) return;
    error = net::probe_listen(*endpoint, in_use);
  }
  if (error.empty()) return;
  problems.add({model.admin.bind->position, "admin.bind",
                "cannot listen on " + model.admin.bind->text() + ": " + error,
                in_use ? in_use_severity : config::Severity::error});
}

}  // namespace

Configurator::Configurator(std::string path, Parts parts)
    : Configurator(std::move(path), {}, std::move(parts)) {}

Configurator::Configurator(std::string name, std::string text, Parts parts)
    : path_(std::move(name)),
      text_(std::move(text)),
      parts_(std::move(parts)),
      sockets_(std::exchange(parts_.passed_sockets, {}), parts_.worker_count) {}

std::optional<config::Model> Configurator::load(config::Problems& problems) const {
  if (tls_only_) return as_read_;
  // Errors or not: what was understood goes on, so that one pass finds the errors of every floor.
  return text_.empty() ? config::read(path_, problems) : config::read_text(text_, path_, problems);
}

bool Configurator::start(config::Problems& problems, std::function<void()> done) {
  return apply(problems, [done = std::move(done)] {
    ::malloc_trim(0);  // what reading and building took goes back to the system
    if (done) done();
  });
}

void Configurator::reload(std::function<void(bool)> done) {
  if (busy_) {
    waiting_.push_back(std::move(done));
    return;
  }
  busy_ = true;
  observe::log(Level::info,
               tls_only_ ? "reload: reading files of TLS" : "reload: reading " + path_);
  config::Problems problems;
  const bool applied = apply(problems, [this, done] { finished(true, done); });
  last_problems_.clear();
  for (const config::Problem& problem : problems.sorted()) {
    last_problems_.push_back(problem.text());
    const bool is_error = problem.severity == config::Severity::error;
    observe::log(is_error ? Level::error : Level::warning, problem.text());
  }
  if (!applied) {
    last_error_ = problems.sorted().empty() ? std::string() : problems.sorted().front().text();
    observe::log(Level::error, "reload: failed; the former configuration stays in use");
    finished(false, done);
  }
}

void Configurator::reload_tls(std::function<void(bool)> done) {
  tls_only_ = true;
  reload(std::move(done));
  tls_only_ = false;
}

Configurator::TlsFiles Configurator::look_at_tls_files(config::Problems& problems) {
  bool is_changed = false;
  const config::Model& model = current_->model;
  for (const proxy::SnapshotListener& listener : current_->listeners) {
    const auto settings =
        std::ranges::find(model.listeners, listener.name, &config::Listener::name);
    if (listener.tls == nullptr || settings == model.listeners.end()) continue;
    if (!settings->tls.has_value() || settings->tls->watch_interval.count() == 0) continue;
    const auto loaded = net::ServerTlsContext::load(*settings->tls, ticket_keys_, problems);
    if (loaded == nullptr) return TlsFiles::broken;
    is_changed |= loaded->fingerprint() != listener.tls->fingerprint();
  }
  for (const auto& group : current_->groups) {
    const auto settings =
        std::ranges::find(model.target_groups, group->name, &config::TargetGroup::name);
    if (group->tls == nullptr || settings == model.target_groups.end()) continue;
    if (!settings->tls.is_watched()) continue;
    const auto loaded = net::ClientTlsContext::load(settings->tls, problems);
    if (loaded == nullptr) return TlsFiles::broken;
    is_changed |= loaded->fingerprint() != group->tls->fingerprint();
  }
  return is_changed ? TlsFiles::changed : TlsFiles::same;
}

void Configurator::finished(bool success, const std::function<void(bool)>& done) {
  observe::Cells& cells = parts_.cells;
  cells.gauge(Metric::config_last_reload_success).set(success ? 1 : 0);
  if (success) {
    last_error_.clear();
    observe::log(Level::info, "reload: revision " + std::to_string(current_->revision) +
                                  " serves on all workers");
    ::malloc_trim(0);  // what the former configuration held goes back to the system
  }
  const std::string result = success ? "success" : "failure";
  cells.counter(Metric::config_reloads_total, {result}).add();
  Event event{.at = base::Wall::now(), .type = event_type::reload};
  event.fields = {{"result", result}, {"revision", static_cast<std::int64_t>(current_->revision)}};
  event.fields.emplace_back("error", success ? Event::Value(nullptr) : Event::Value(last_error_));
  parts_.events.add(std::move(event));
  busy_ = false;
  if (done) done(success);
  if (!waiting_.empty()) {
    // The file may have changed since: one more reload answers all who asked.
    std::vector<std::function<void(bool)>> waiting = std::exchange(waiting_, {});
    reload([waiting](bool result) {
      for (const auto& callback : waiting) {
        if (callback) callback(result);
      }
    });
  }
}

void Configurator::drain() {
  waiting_.clear();
  sockets_.release();
}

bool Configurator::apply(config::Problems& problems, std::function<void()> done) {
  std::optional<config::Model> model = load(problems);
  if (!model.has_value()) return false;
  open_state(*model, problems);
  config::Model as_read = *model;
  Prepared prepared = prepare(std::move(*model), problems);
  if (prepared.snapshot == nullptr) return false;
  open(prepared, problems);
  if (problems.has_errors()) return false;
  as_read_ = std::move(as_read);
  commit(prepared, std::move(done));
  return true;
}

// The workers are threads of the start. Said with each reload, for as long as it is so.
void Configurator::check_workers(const config::Model& model, config::Problems& problems) const {
  const bool is_same = model.workers == configured_workers_ || model.workers == parts_.worker_count;
  if (current_ == nullptr || is_same) return;
  problems.warning(
      model.workers_position, "workers",
      "needs a restart; " + std::to_string(parts_.worker_count) + " workers go on until then");
}

// What the admin API says is there before the first set of targets is built. The folder is taken
// for the life of the process.
void Configurator::open_state(const config::Model& model, config::Problems& problems) const {
  if (parts_.registrations == nullptr) return;
  if (current_ == nullptr) {
    if (!problems.has_errors()) {
      parts_.registrations->open(model.state_dir, model.state_position, problems);
    }
    return;
  }
  const std::string& in_use = parts_.registrations->folder();
  if (in_use == model.state_dir) return;
  problems.warning(model.state_position, "state_dir",
                   "needs a restart; " +
                       (in_use.empty() ? "nothing is kept" : "'" + in_use + "' is used") +
                       " until then");
}

// Finds every error there is; opens nothing that anybody would notice.
Configurator::Prepared Configurator::prepare(config::Model model, config::Problems& problems) {
  Prepared prepared;
  check_workers(model, problems);
  prepared.sockets = sockets_.plan(model, config::Severity::error, problems);
  check_logs(model, problems);
  check_admin(model, &parts_.admin, config::Severity::error, problems);
  prepared.tokens = load_tokens(model, problems);
  prepared.discovery = Discovery::prepare(model, problems);
  PlannedMembers members(parts_, prepared);
  prepared.snapshot = proxy::build_snapshot(
      std::move(model), current_.get(), targets_, ticket_keys_, problems,
      [&](const proxy::Snapshot& built) { prepared.targets = Targets::prepare(built, problems); },
      parts_.membership != nullptr ? &members : nullptr);
  return prepared;
}

// After `prepare` found no error: what fails now was taken away from us in between.
void Configurator::open(Prepared& prepared, config::Problems& problems) const {
  const config::Model& model = prepared.snapshot->model;
  std::string error;
  if (!model.access_log.path.empty()) {
    prepared.access_log = observe::open_log_file(model.access_log.path, error);
    add_error(problems, model.access_log.position, "access_log.path", error);
  }
  prepared.log = observe::open_log_file(model.log.path, error);
  add_error(problems, model.log.position, "log.path", error);
  if (model.admin.bind.has_value()) {
    const std::optional<net::Endpoint> endpoint = net::resolve(*model.admin.bind, error);
    if (endpoint.has_value()) {
      prepared.admin = parts_.admin.open(*endpoint, error, prepared.tokens != nullptr);
    }
    if (prepared.admin == nullptr) {
      problems.error(model.admin.bind->position, "admin.bind",
                     "cannot listen on " + model.admin.bind->text() + ": " + error);
    }
  }
  sockets_.open(prepared.sockets, problems);
}

// Nothing here can fail.
void Configurator::commit(Prepared& prepared, std::function<void()> done) {
  if (current_ == nullptr) configured_workers_ = prepared.snapshot->model.workers;
  use_services(prepared);
  for (const ListenerSockets::Listener& listener : prepared.sockets.listeners) {
    if (listener.source == ListenerSockets::Source::kept) continue;
    observe::log(Level::info,
                 "listener " + listener.name + ": listening on " + listener.endpoint.text());
  }
  std::vector<ListenerSockets::Shared> unused = sockets_.commit(prepared.sockets);
  const std::uint64_t change = parts_.targets.apply(prepared.targets);
  if (parts_.membership != nullptr) {
    parts_.membership->take_over(std::move(prepared.members));
    parts_.publisher->took_over(*prepared.snapshot);
    parts_.discovery->apply(prepared.discovery);
  }
  if (parts_.keys != nullptr) parts_.keys->apply(*prepared.snapshot);
  publish(prepared, [this, change, unused = std::move(unused), done = std::move(done)] {
    for (const ListenerSockets::Shared& socket : unused) net::stop_listening(socket->get());
    parts_.targets.in_force(change);
    done();
  });
}

void Configurator::use_services(const Prepared& prepared) {
  const config::Model& model = prepared.snapshot->model;
  observe::use_log(model.log, prepared.log);
  parts_.access_log.use(model.access_log, prepared.access_log);
  parts_.admin.use_tokens(prepared.tokens);
  const std::optional<net::Endpoint> former = parts_.admin.bound();
  if (prepared.admin != nullptr) {
    parts_.admin.use(prepared.admin);
  } else {
    parts_.admin.close();
  }
  const std::optional<net::Endpoint> now = parts_.admin.bound();
  if (now.has_value() && now != former) {
    observe::log(Level::info, "admin: listening on " + now->text());
  }
}

void Configurator::publish(Prepared& prepared, std::function<void()> done) {
  current_ = prepared.snapshot;
  auto remaining = std::make_shared<std::size_t>(parts_.worker_count);
  const auto one_done = [this, remaining, done = std::move(done)] {
    if (--*remaining > 0) return;
    parts_.cells.gauge(Metric::config_revision).set(static_cast<std::int64_t>(current_->revision));
    parts_.cells.gauge(Metric::config_last_reload_timestamp_seconds)
        .set(unix_seconds(current_->built_at));
    done();
  };
  for (std::size_t worker = 0; worker < parts_.worker_count; ++worker) {
    // A std::function must be copyable, descriptors are not: they travel behind a pointer.
    auto sockets = std::make_shared<std::vector<proxy::NewSocket>>();
    for (ListenerSockets::Listener& listener : prepared.sockets.listeners) {
      if (listener.source == ListenerSockets::Source::kept) continue;
      sockets->push_back({listener.name, std::move(listener.sockets[worker])});
    }
    parts_.post(worker,
                [snapshot = prepared.snapshot, sockets, replaced = prepared.sockets.replaced,
                 one_done, &context = parts_.context](proxy::Worker& on) {
                  on.apply(snapshot, std::move(*sockets), replaced);
                  boost::asio::post(context, one_done);
                });
  }
}

void check(const std::string& path, config::Problems& problems) {
  std::optional<config::Model> model = config::read(path, problems);
  if (!model.has_value()) return;
  const ListenerSockets nothing_bound({}, 0);
  (void)nothing_bound.plan(*model, config::Severity::warning, problems);
  check_logs(*model, problems);
  check_admin(*model, nullptr, config::Severity::warning, problems);
  (void)load_tokens(*model, problems);
  target::Registry targets;
  net::TicketKeys ticket_keys;
  (void)Discovery::prepare(*model, problems);
  (void)proxy::build_snapshot(
      std::move(*model), nullptr, targets, ticket_keys, problems,
      [&](const proxy::Snapshot& built) { (void)Targets::prepare(built, problems); });
}

}  // namespace sluice::control
