#include "sluice/control/discovery.h"

#include <algorithm>
#include <array>
#include <coroutine>
#include <exception>
#include <optional>
#include <set>
#include <utility>

#include "control/discovery/last_good.h"
#include "control/discovery/provider.h"
#include "control/discovery/settings.h"
#include "control/health/schedule.h"
#include "sluice/net/deadline.h"
#include "sluice/observe/log.h"
#include "sluice/proxy/random.h"

namespace sluice::control {

namespace {

using config::Milliseconds;
using discovery::LastGood;
using discovery::Look;
using discovery::Result;
using observe::Level;
using observe::Metric;

constexpr Milliseconds first_retry{1'000};
constexpr Milliseconds longest_retry{60'000};
constexpr std::uint32_t doublings_max = 6;
constexpr std::uint32_t retry_jitter_percent = 25;
constexpr Milliseconds confirm_after{2'000};
// An answer that is good for a while would only be the same one out of a cache.
constexpr Milliseconds confirm_cached_after{60'000};
constexpr Milliseconds least_wait{100};
constexpr Milliseconds longest_wait{24 * 3'600'000};
constexpr Milliseconds longest_retry_after{3'600'000};

constexpr std::array<std::string_view, 3> result_texts{"success", "empty", "failure"};  // as Result

std::int64_t unix_seconds(base::WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

std::size_t size_of(const SharedMembers& members) {
  return members == nullptr ? 0 : members->size();
}

std::string count_text(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " target" : " targets");
}

// One source of one group.
struct Follower {
  Follower(net::Loop& loop, observe::Cells& of_cells, const std::string& of_group,
           const discovery::Entry& entry, SharedMembers inherited, net::Deadline::Callback on_hold,
           void* of_context)
      : group(of_group),
        key(entry.key()),
        source(entry.source->text()),
        context(of_context),
        last_good(entry.rule, std::move(inherited)),
        cells(of_cells),
        looks{cells.hold_counter(Metric::discovery_looks_total, {group, source, result_texts[0]}),
              cells.hold_counter(Metric::discovery_looks_total, {group, source, result_texts[1]}),
              cells.hold_counter(Metric::discovery_looks_total, {group, source, result_texts[2]})},
        refused(cells.hold_counter(Metric::discovery_refused_addresses_total, {group, source})),
        last_success(
            cells.gauge(Metric::discovery_last_success_timestamp_seconds, {group, source})),
        targets(cells.gauge(Metric::discovery_targets, {group, source})),
        held(cells.gauge(Metric::discovery_held, {group, source})),
        hold_timer(loop.deadlines, on_hold, this) {}

  [[nodiscard]] std::string label() const { return "discovery " + group + ": " + source + ": "; }
  void forget_gauges() const {
    cells.forget_gauge(Metric::discovery_last_success_timestamp_seconds, {group, source});
    cells.forget_gauge(Metric::discovery_targets, {group, source});
    cells.forget_gauge(Metric::discovery_held, {group, source});
  }

  const std::string group;
  const std::string key;
  const std::string source;  // its text
  void* const context;
  LastGood last_good;
  observe::Cells& cells;
  std::array<observe::HeldCounter, 3> looks;  // as Result
  observe::HeldCounter refused;
  observe::Gauge& last_success;
  observe::Gauge& targets;
  observe::Gauge& held;
  // Said already, and not again before it changes.
  std::size_t said_refused = 0;
  std::size_t said_surplus = 0;
  std::string said_fault;
  std::string said_note;
  net::Deadline hold_timer;
};

// One source, whatever the number of groups that have it.
struct Job {
  Job(net::Loop& loop, std::shared_ptr<const discovery::Source> of_source,
      net::Deadline::Callback on_due, void* of_context)
      : context(of_context),
        source(std::move(of_source)),
        provider(source->make(loop)),
        timer(loop.deadlines, on_due, this) {}

  void ask() {
    is_asked_again = is_running;
    if (!is_running) timer.set(Milliseconds(1));
  }

  void* const context;
  const std::shared_ptr<const discovery::Source> source;
  const std::unique_ptr<discovery::Provider> provider;
  std::vector<std::unique_ptr<Follower>> followers;
  std::uint32_t failures = 0;  // in a row
  bool has_looked = false;
  bool is_running = false;
  bool is_asked_again = false;  // while it was running
  net::Deadline timer;
  // The look under way; the frame of the last one stays until the next.
  std::optional<net::Task<>> task;
};

}  // namespace

class Discovery::Implementation {
 public:
  Implementation(net::Loop& loop, observe::Cells& cells, Events& events, Membership& membership)
      : loop_(loop), cells_(cells), events_(events), membership_(membership) {}
  ~Implementation() { stop(); }

  void apply(const discovery::Plan& plan);
  void stop();
  [[nodiscard]] bool has_looked() const {
    return std::ranges::all_of(jobs_, [](const auto& item) { return item.second->has_looked; });
  }

 private:
  using Jobs = std::map<std::string, std::unique_ptr<Job>>;
  using Followers = std::vector<std::unique_ptr<Follower>>;

  static void on_due(void* job);
  static void on_hold(void* follower);
  [[nodiscard]] std::unique_ptr<Follower> take_follower(Followers& former, const std::string& group,
                                                        const discovery::Entry& entry,
                                                        bool& is_new);
  void forget_gauges(const std::map<std::string, Followers>& former) const;
  static net::Task<> run(Implementation& self, Job& job);
  void start(Job& job);
  void finish(Job& job, const Look& look);
  void follow(Follower& follower, const Look& look, bool& is_good, bool& is_unconfirmed);
  void tell(Follower& follower, const LastGood::Outcome& outcome, const Look& look);
  void tell_hold(const Follower& follower, std::string_view type, std::string_view reason);
  void let_go(Follower& follower);
  void watch_hold(Follower& follower);
  void show(const Follower& follower);
  void schedule(Job& job, const Look& look, bool is_good, bool is_unconfirmed);

  net::Loop& loop_;
  observe::Cells& cells_;
  Events& events_;
  Membership& membership_;
  proxy::Random random_;
  Jobs jobs_;  // by the key of their entries
  bool is_stopped_ = false;
};

// --- a new plan ---------------------------------------------------------------------------------

void Discovery::Implementation::apply(const discovery::Plan& plan) {
  if (is_stopped_) return;
  Jobs former = std::exchange(jobs_, {});
  std::map<std::string, Followers> former_followers;
  for (auto& [key, job] : former) former_followers[key] = std::exchange(job->followers, {});
  for (const auto& [group, entries] : plan.groups) {
    for (const discovery::Entry& entry : entries) {
      const std::string key = entry.key();
      std::unique_ptr<Job>& job = jobs_[key];
      if (job == nullptr) {
        if (auto known = former.extract(key)) {
          job = std::move(known.mapped());
        } else {
          job = std::make_unique<Job>(loop_, entry.source, on_due, this);
          job->provider->when_changed([job = job.get()] { job->ask(); });
        }
      }
      bool is_new = false;
      job->followers.push_back(take_follower(former_followers[key], group, entry, is_new));
      if (is_new) job->ask();
    }
  }
  forget_gauges(former_followers);
}

// The text of a source does not have all its settings: one that follows may have the same series.
void Discovery::Implementation::forget_gauges(
    const std::map<std::string, Followers>& former) const {
  std::set<std::pair<std::string_view, std::string_view>> used;
  for (const auto& [key, job] : jobs_) {
    for (const auto& follower : job->followers) used.emplace(follower->group, follower->source);
  }
  for (const auto& [key, followers] : former) {
    for (const auto& follower : followers) {
      if (follower == nullptr || used.contains({follower->group, follower->source})) continue;
      follower->forget_gauges();
    }
  }
}

std::unique_ptr<Follower> Discovery::Implementation::take_follower(Followers& former,
                                                                   const std::string& group,
                                                                   const discovery::Entry& entry,
                                                                   bool& is_new) {
  for (auto& follower : former) {
    if (follower == nullptr || follower->group != group) continue;
    follower->last_good.use(entry.rule);
    watch_hold(*follower);
    return std::move(follower);
  }
  is_new = true;
  auto follower = std::make_unique<Follower>(
      loop_, cells_, group, entry, membership_.discovered(group, entry.key()), on_hold, this);
  show(*follower);
  return follower;
}

void Discovery::Implementation::stop() {
  is_stopped_ = true;
  jobs_.clear();
}

// --- looks --------------------------------------------------------------------------------------

// From the wheel alone: never from inside of the coroutine that it replaces.
void Discovery::Implementation::on_due(void* context) {
  Job& job = *static_cast<Job*>(context);
  static_cast<Implementation*>(job.context)->start(job);
}

void Discovery::Implementation::start(Job& job) {
  if (job.is_running) return;
  job.is_running = true;
  job.is_asked_again = false;
  job.task.emplace(run(*this, job));
  job.task->await_suspend(std::noop_coroutine()).resume();
}

net::Task<> Discovery::Implementation::run(Implementation& self, Job& job) {
  Look look;
  try {
    net::Task<Look> task = job.provider->look();
    look = co_await std::move(task);
  } catch (const std::exception& exception) {  // memory is short
    look = {};
    look.error = observe::escaped(exception.what());
  }
  self.finish(job, look);
}

void Discovery::Implementation::finish(Job& job, const Look& look) {
  job.is_running = false;
  job.has_looked = true;
  bool is_good = true;
  bool is_unconfirmed = false;
  for (const auto& follower : job.followers) follow(*follower, look, is_good, is_unconfirmed);
  schedule(job, look, is_good, is_unconfirmed);
}

void Discovery::Implementation::follow(Follower& follower, const Look& look, bool& is_good,
                                       bool& is_unconfirmed) {
  const LastGood::Outcome outcome = follower.last_good.take(look, loop_.clock.now());
  follower.looks[static_cast<std::size_t>(outcome.result)]->add();
  if (outcome.refused > 0) follower.refused->add(outcome.refused);
  is_good = is_good && outcome.result == Result::success;
  is_unconfirmed = is_unconfirmed || outcome.unconfirmed > 0;
  if (outcome.result == Result::success) {
    follower.last_success.set(unix_seconds(loop_.clock.wall()));
  }
  tell(follower, outcome, look);
  if (outcome.is_changed) {
    membership_.set_discovered(follower.group, follower.key, follower.last_good.members());
  }
  watch_hold(follower);
  show(follower);
}

// A second, and twice as long each time, for a source that is ill is not asked more often; what has
// to be confirmed is asked again soon.
void Discovery::Implementation::schedule(Job& job, const Look& look, bool is_good,
                                         bool is_unconfirmed) {
  const Milliseconds refresh = std::clamp(job.source->refresh(), least_wait, longest_wait);
  Milliseconds wait{};
  if (is_good) {
    job.failures = 0;
    wait = std::clamp(look.valid_for.value_or(refresh), least_wait, longest_wait);
    const Milliseconds part = health::any_part(wait / 10, random_.next());
    // Before its time is over the same answer would come again, out of somebody's cache.
    wait += look.valid_for ? part : -part;
    if (is_unconfirmed) {
      wait = std::min(wait, look.valid_for ? confirm_cached_after : confirm_after);
    }
  } else {
    const std::uint32_t doublings = std::min(job.failures++, doublings_max);
    wait = std::min({first_retry * (1U << doublings), longest_retry, refresh});
    if (look.retry_after) wait = std::max(wait, std::min(*look.retry_after, longest_retry_after));
    wait = health::jittered(wait, retry_jitter_percent, random_.next());
  }
  job.timer.set(job.is_asked_again ? Milliseconds(1) : wait);
}

// --- what becomes of the set --------------------------------------------------------------------

void Discovery::Implementation::on_hold(void* context) {
  Follower& follower = *static_cast<Follower*>(context);
  auto& self = *static_cast<Implementation*>(follower.context);
  if (follower.last_good.expire(self.loop_.clock.now())) {
    self.let_go(follower);
  } else {
    self.watch_hold(follower);
  }
}

void Discovery::Implementation::watch_hold(Follower& follower) {
  const std::optional<base::SteadyTime> until = follower.last_good.held_until();
  if (!until.has_value()) {
    follower.hold_timer.clear();
    return;
  }
  const auto left = std::chrono::ceil<Milliseconds>(*until - loop_.clock.now());
  follower.hold_timer.set(std::max(left, Milliseconds(1)));
}

void Discovery::Implementation::let_go(Follower& follower) {
  observe::log(Level::error, follower.label() + "no good answer for as long as `hold` says; its " +
                                 "targets are no longer used");
  tell_hold(follower, event_type::discovery_let_go, "hold");
  membership_.set_discovered(follower.group, follower.key, nullptr);
  show(follower);
}

void Discovery::Implementation::show(const Follower& follower) {
  follower.targets.set(static_cast<std::int64_t>(size_of(follower.last_good.members())));
  follower.held.set(follower.last_good.is_held() ? 1 : 0);
}

void Discovery::Implementation::tell_hold(const Follower& follower, std::string_view type,
                                          std::string_view reason) {
  Event event{.at = loop_.clock.wall(),
              .type = type,
              .target_group = follower.group,
              .target = {},
              .fields = {}};
  event.fields = {{"source", follower.source},
                  {"targets", static_cast<std::int64_t>(size_of(follower.last_good.members()))},
                  {"reason", std::string(reason)}};
  events_.add(std::move(event));
}

// A fault that lasts is said once.
void Discovery::Implementation::tell(Follower& follower, const LastGood::Outcome& outcome,
                                     const Look& look) {
  const std::size_t count = size_of(follower.last_good.members());
  if (outcome.result != Result::success) {
    const std::string note = look.note.empty() ? "" : " (" + look.note + ")";
    const std::string what =
        outcome.result == Result::failure ? look.error : "names no target" + note;
    const bool is_first = std::exchange(follower.said_fault, what) != what;
    const std::string then = count == 0 ? "; there are no targets from it"
                                        : "; the " + count_text(count) + " found before stay";
    observe::log(is_first || outcome.begins_hold ? Level::warning : Level::debug,
                 follower.label() + what + then);
    if (outcome.begins_hold) tell_hold(follower, event_type::discovery_held, what);
  } else if (!std::exchange(follower.said_fault, {}).empty()) {
    observe::log(Level::info, follower.label() + "answers again, " + count_text(count));
  }
  const std::string note = outcome.result == Result::success ? look.note : "";
  if (std::exchange(follower.said_note, note) != note && !note.empty()) {
    observe::log(Level::warning, follower.label() + note);
  }
  if (std::exchange(follower.said_refused, outcome.refused) != outcome.refused &&
      outcome.refused > 0) {
    observe::log(Level::warning, follower.label() + "refused " + std::to_string(outcome.refused) +
                                     " addresses that never are targets, such as " +
                                     observe::escaped(outcome.refused_sample));
  }
  if (outcome.result == Result::failure) return;
  if (std::exchange(follower.said_surplus, outcome.surplus) != outcome.surplus &&
      outcome.surplus > 0) {
    observe::log(Level::warning, follower.label() + "names " + std::to_string(outcome.surplus) +
                                     " more than max_targets; they are passed over");
  }
  if (outcome.unconfirmed > 0) {
    observe::log(Level::warning,
                 follower.label() + "lacks " + std::to_string(outcome.unconfirmed) + " of " +
                     count_text(count) +
                     ", more than shrink_percent; they stay until a second answer lacks them too");
  }
}

// --- the contract -------------------------------------------------------------------------------

Discovery::Discovery(net::Loop& loop, observe::Cells& cells, Events& events, Membership& membership)
    : implementation_(std::make_unique<Implementation>(loop, cells, events, membership)) {}

Discovery::~Discovery() = default;

Discovery::SharedPlan Discovery::prepare(const config::Model& model, config::Problems& problems) {
  auto plan = std::make_shared<discovery::Plan>();
  for (const config::TargetGroup& group : model.target_groups) {
    if (group.discovery.empty()) continue;
    plan->groups[group.name] = discovery::read_entries(group.discovery, problems);
  }
  return plan;
}

std::vector<Membership::Source> Discovery::sources_of(const SharedPlan& plan,
                                                      const std::string& group) {
  std::vector<Membership::Source> sources;
  const auto known = plan->groups.find(group);
  if (known == plan->groups.end()) return sources;
  for (const discovery::Entry& entry : known->second) {
    sources.push_back({entry.key(), std::string(entry.source->kind())});
  }
  return sources;
}

void Discovery::apply(const SharedPlan& plan) { implementation_->apply(*plan); }

bool Discovery::has_looked() const { return implementation_->has_looked(); }

void Discovery::stop() { implementation_->stop(); }

}  // namespace sluice::control
