#include "sluice/control/health_checker.h"

#include <algorithm>
#include <coroutine>
#include <exception>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "control/health/job.h"
#include "control/health/plan.h"
#include "control/health/schedule.h"
#include "control/health/slots.h"
#include "sluice/observe/log.h"
#include "sluice/proxy/random.h"
#include "sluice/target/eligible.h"

namespace sluice::control {

namespace {

using config::Milliseconds;
using health::Job;
using observe::Level;
using observe::Metric;
using target::State;
using target::StateReason;

// The loop of the control thread may stand still while a file or a name server is slow. Checks that
// time out meanwhile may have had their answers.
constexpr Milliseconds pulse_interval{250};
constexpr Milliseconds stall_least{250};  // beyond the interval

}  // namespace

health::HealthCells::HealthCells(observe::Cells& cells, const std::string& group)
    : successes(cells.counter(Metric::health_checks_total, {group, "success"})),
      failures(cells.counter(Metric::health_checks_total, {group, "failure"})),
      seconds(cells.histogram(Metric::health_check_seconds, {group})) {}

class HealthChecker::Implementation {
 public:
  Implementation(net::Loop& loop, observe::Cells& cells);

  void apply(std::shared_ptr<const HealthPlan> plan);
  void apply(const std::shared_ptr<const upstream::GroupSettings>& settings);
  void stop();
  [[nodiscard]] const Detail* detail(const target::Target& target) const;
  [[nodiscard]] std::size_t under_way() const { return slots_.taken(); }

 private:
  using Jobs = std::unordered_map<const target::Target*, std::unique_ptr<Job>>;

  // Who turned out to be new while a plan is applied.
  struct New {
    std::vector<Job*> jobs;
    std::vector<std::pair<const HealthPlan::Group*, target::Target*>> unchecked;
    std::vector<std::pair<const HealthPlan::Group*, target::Target*>> unused;
  };
  // Changes of state that go to their groups together: those of a group follow each other.
  struct States {
    const HealthPlan::Group* planned = nullptr;
    std::vector<target::StateChange> changes;
  };

  void place(const HealthPlan::Group& planned, Jobs& former, New& found);
  [[nodiscard]] std::unique_ptr<Job> make_job(const HealthPlan::Group& planned,
                                              const std::shared_ptr<target::Target>& target);
  void keep_job(Job& job, const HealthPlan::Group& planned);
  void give_up(const Jobs& former);
  void share_slots();
  void begin(const New& found);
  void set_state(const HealthPlan::Group& planned, target::Target& target, State state,
                 StateReason reason, bool ramps);
  void add_state(States& states, const HealthPlan::Group& planned,
                 const target::StateChange& change);
  void set_states(States& states);
  [[nodiscard]] bool would_ramp(const HealthPlan::Group& planned,
                                const target::Target& target) const;

  static void on_due(void* job);
  static void on_room(void* self);
  static void on_pulse(void* self);
  void schedule(Job& job);
  void make_room();
  void start(Job& job);
  net::Task<> run(Job& job);
  void finish(Job& job, health::Finding finding);
  void judge(Job& job, StateReason reason);
  [[nodiscard]] bool is_excused(const Job& job, StateReason reason) const;
  void log_failure(const Job& job, StateReason reason) const;

  net::Loop& loop_;
  observe::Cells& cells_;
  proxy::Random random_;
  std::unordered_map<std::string, std::unique_ptr<health::HealthCells>> cells_of_;
  std::shared_ptr<const HealthPlan> plan_;
  // Groups that have other members than the plan says, by name: these hold in its place.
  std::map<std::string, std::unique_ptr<const HealthPlan::Group>> changed_;
  health::Slots slots_{checks_max};
  net::Deadline room_;  // set: some that wait can start
  net::Deadline pulse_;
  base::SteadyTime last_pulse_;
  base::SteadyTime last_stall_{};
  bool stopped_ = false;
  Jobs jobs_;  // last: destroying them gives up what is under way
};

HealthChecker::Implementation::Implementation(net::Loop& loop, observe::Cells& cells)
    : loop_(loop),
      cells_(cells),
      room_(loop.deadlines, on_room, this),
      pulse_(loop.deadlines, on_pulse, this) {}

// --- a new plan ---------------------------------------------------------------------------------

void HealthChecker::Implementation::apply(std::shared_ptr<const HealthPlan> plan) {
  if (stopped_) return;
  Jobs former = std::exchange(jobs_, {});
  New found;
  for (const HealthPlan::Group& planned : plan->groups) place(planned, former, found);
  give_up(former);
  former.clear();
  plan_ = std::move(plan);
  changed_.clear();
  share_slots();
  begin(found);
}

void HealthChecker::Implementation::apply(
    const std::shared_ptr<const upstream::GroupSettings>& settings) {
  if (stopped_ || plan_ == nullptr) return;
  const auto planned = std::ranges::find_if(plan_->groups, [&](const HealthPlan::Group& each) {
    return each.group->name == settings->name;
  });
  if (planned == plan_->groups.end()) return;
  std::unique_ptr<const HealthPlan::Group>& changed = changed_[settings->name];
  const HealthPlan::Group& last = changed != nullptr ? *changed : *planned;
  auto next = std::make_unique<HealthPlan::Group>(last);
  next->group = settings;
  Jobs former;
  for (const target::TargetSet::Member& member : last.group->targets->members) {
    if (auto job = jobs_.extract(member.target.get())) former.insert(std::move(job));
  }
  New found;
  place(*next, former, found);
  give_up(former);
  former.clear();
  changed = std::move(next);
  begin(found);
  make_room();
}

void HealthChecker::Implementation::give_up(const Jobs& former) {
  for (const auto& [target, job] : former) {
    if (job->running) slots_.give_back(*job);
  }
  slots_.drop_waiting([this](const Job& job) { return !jobs_.contains(job.target.get()); });
}

// Slots that were given up, or belong to others now, must not stay empty: nothing else would wake
// those that wait.
void HealthChecker::Implementation::share_slots() {
  std::unordered_set<std::string> groups;
  for (const HealthPlan::Group& planned : plan_->groups) {
    if (planned.group->in_use && planned.check != nullptr) groups.insert(planned.group->name);
  }
  slots_.share_among(groups);
  make_room();
}

void HealthChecker::Implementation::place(const HealthPlan::Group& planned, Jobs& former,
                                          New& found) {
  for (const target::TargetSet::Member& member : planned.group->targets->members) {
    target::Target& target = *member.target;
    if (!planned.group->in_use) {
      found.unused.emplace_back(&planned, &target);
    } else if (planned.check == nullptr) {
      found.unchecked.emplace_back(&planned, &target);
    } else if (auto kept = former.extract(&target)) {
      keep_job(*kept.mapped(), planned);
      jobs_.insert(std::move(kept));
    } else {
      auto job = make_job(planned, member.target);
      found.jobs.push_back(job.get());
      jobs_.emplace(&target, std::move(job));
    }
  }
}

std::unique_ptr<Job> HealthChecker::Implementation::make_job(
    const HealthPlan::Group& planned, const std::shared_ptr<target::Target>& target) {
  auto job = std::make_unique<Job>(loop_.deadlines, on_due, this, target);
  auto& cells = cells_of_[planned.group->name];
  if (cells == nullptr) {
    cells = std::make_unique<health::HealthCells>(cells_, planned.group->name);
  }
  job->planned = &planned;
  job->cells = cells.get();
  job->lane = &slots_.lane(planned.group->name);
  return job;
}

void HealthChecker::Implementation::keep_job(Job& job, const HealthPlan::Group& planned) {
  const State state = job.target->state.load(std::memory_order_relaxed);
  const Milliseconds former = job.planned->settings.interval_in(state);
  const Milliseconds interval = planned.settings.interval_in(state);
  job.planned = &planned;
  // A shorter interval holds at once: nobody wants to wait for the end of a long one. Most targets
  // would be due now: they are spread over the interval, and stay so.
  if (interval >= former || job.running || job.waiting || !job.has_begun()) return;
  const base::SteadyTime now = loop_.clock.now();
  if (health::next_due(job.started, interval, now) >= job.due) return;
  job.due = std::min(job.due, now + health::any_part(interval, random_.next()));
  schedule(job);
}

// All slow starts are decided before the first state changes: of targets that are registered
// together none has the others as a reason to start slowly.
void HealthChecker::Implementation::begin(const New& found) {
  // Of a group all that are not well themselves have the same reason: it is looked for once.
  std::unordered_map<const HealthPlan::Group*, bool> of_groups;
  const auto ramps_of = [&](const HealthPlan::Group& planned, const target::Target& target) {
    if (target.state.load(std::memory_order_relaxed) == State::healthy) {
      return would_ramp(planned, target);
    }
    const auto [known, is_new] = of_groups.try_emplace(&planned, false);
    if (is_new) known->second = would_ramp(planned, target);
    return known->second;
  };
  std::vector<bool> ramps;
  ramps.reserve(found.unchecked.size());
  for (const auto& [planned, target] : found.unchecked) {
    ramps.push_back(ramps_of(*planned, *target));
  }
  for (Job* job : found.jobs) job->ramps = ramps_of(*job->planned, *job->target);
  States states;
  for (const auto& [planned, target] : found.unused) {
    add_state(states, *planned,
              {.target = target, .state = State::unused, .reason = StateReason::not_in_use});
  }
  set_states(states);
  for (std::size_t i = 0; i < found.unchecked.size(); ++i) {
    const auto& [planned, target] = found.unchecked[i];
    add_state(states, *planned,
              {.target = target,
               .state = State::healthy,
               .reason = StateReason::health_check_disabled,
               .ramps = ramps[i]});
  }
  set_states(states);
  const base::SteadyTime now = loop_.clock.now();
  for (std::size_t i = 0; i < found.jobs.size(); ++i) {
    Job& job = *found.jobs[i];
    // Who serves already because nobody asked goes on until a check says otherwise.
    const State state = job.target->state.load(std::memory_order_relaxed);
    if (state == State::healthy) {
      add_state(states, *job.planned, {.target = job.target.get(), .state = State::healthy});
    } else if (state != State::unhealthy) {
      add_state(states, *job.planned,
                {.target = job.target.get(),
                 .state = State::initial,
                 .reason = StateReason::initial_health_checking});
    }
    const Milliseconds interval = job.planned->settings.unhealthy_interval;
    job.due = now + health::first_delay(i, found.jobs.size(), interval);
    schedule(job);
  }
  set_states(states);
  if (jobs_.empty() || pulse_.is_set()) return;
  last_pulse_ = now;
  pulse_.set(pulse_interval);
}

bool HealthChecker::Implementation::would_ramp(const HealthPlan::Group& planned,
                                               const target::Target& target) const {
  return target::begins_ramp(*planned.group->targets, target, planned.group->slow_start,
                             loop_.clock.now());
}

void HealthChecker::Implementation::set_state(const HealthPlan::Group& planned,
                                              target::Target& target, State state,
                                              StateReason reason, bool ramps) {
  if (target.state.load(std::memory_order_relaxed) == state &&
      target.reason.load(std::memory_order_relaxed) == reason) {
    return;
  }
  planned.group->state->set_state(target, state, reason, ramps, loop_.clock.now(),
                                  loop_.clock.wall());
}

void HealthChecker::Implementation::add_state(States& states, const HealthPlan::Group& planned,
                                              const target::StateChange& change) {
  if (change.target->state.load(std::memory_order_relaxed) == change.state &&
      change.target->reason.load(std::memory_order_relaxed) == change.reason) {
    return;
  }
  if (states.planned != &planned) set_states(states);
  states.planned = &planned;
  states.changes.push_back(change);
}

void HealthChecker::Implementation::set_states(States& states) {
  if (states.changes.empty()) return;
  states.planned->group->state->set_states(states.changes, loop_.clock.now(), loop_.clock.wall());
  states.changes.clear();
}

void HealthChecker::Implementation::stop() {
  stopped_ = true;
  jobs_.clear();
  slots_.clear();
  room_.clear();
  pulse_.clear();
}

const HealthChecker::Detail* HealthChecker::Implementation::detail(
    const target::Target& target) const {
  const auto found = jobs_.find(&target);
  return found == jobs_.end() ? nullptr : &found->second->detail;
}

// --- time ---------------------------------------------------------------------------------------

void HealthChecker::Implementation::schedule(Job& job) {
  const auto wait = std::chrono::ceil<Milliseconds>(job.due - loop_.clock.now());
  job.timer.set(std::max(wait, Milliseconds(1)));  // zero would be never
}

// Checks begin from the wheel alone, never from the end of another: one that ends at once would
// begin the next one inside itself, and that the one after it.
void HealthChecker::Implementation::on_due(void* context) {
  Job& job = *static_cast<Job*>(context);
  auto& self = *static_cast<Implementation*>(job.checker);
  job.waiting = !self.slots_.take_or_wait(job);
  if (!job.waiting) self.start(job);
}

void HealthChecker::Implementation::on_room(void* context) {
  auto& self = *static_cast<Implementation*>(context);
  while (Job* job = self.slots_.next()) {
    job->waiting = false;
    self.start(*job);
  }
}

void HealthChecker::Implementation::make_room() {
  if (!room_.is_set() && slots_.has_next()) room_.set(Milliseconds(1));
}

void HealthChecker::Implementation::on_pulse(void* context) {
  auto& self = *static_cast<Implementation*>(context);
  const base::SteadyTime now = self.loop_.clock.now();
  if (now - self.last_pulse_ >= pulse_interval + stall_least) self.last_stall_ = now;
  self.last_pulse_ = now;
  self.pulse_.set(pulse_interval);
}

// --- one check ----------------------------------------------------------------------------------

void HealthChecker::Implementation::start(Job& job) {  // it has its slot
  job.running = true;
  job.started = loop_.clock.now();
  job.task.emplace(run(job));
  job.task->await_suspend(std::noop_coroutine()).resume();
}

net::Task<> HealthChecker::Implementation::run(Job& job) {
  // A reload may change the plan meanwhile; this check ends as it began.
  const std::shared_ptr<const health::Check> check = job.planned->check;
  const base::SteadyTime began = base::Steady::now();
  const base::WallTime wall = loop_.clock.wall();
  health::Subject subject = health::subject_of(*job.target, job.planned->settings.port);
  health::Finding finding;
  try {
    net::Task<health::Finding> probe =
        check->probe(loop_, std::move(subject), job.planned->settings.timeout);
    finding = co_await std::move(probe);
  } catch (const std::exception& exception) {  // memory is short
    finding = {StateReason::internal_error, observe::escaped(exception.what())};
  }
  job.detail.last_check = wall;
  job.detail.took = base::Steady::now() - began;
  finish(job, std::move(finding));
}

void HealthChecker::Implementation::finish(Job& job, health::Finding finding) {
  slots_.give_back(job);
  make_room();
  job.running = false;
  job.detail.text = std::move(finding.detail);
  if (finding.reason != StateReason::none) log_failure(job, finding.reason);
  job.was_excused = is_excused(job, finding.reason);
  // What we could not ask, or did not look at in time, says nothing about the target.
  if (finding.reason != StateReason::internal_error && !job.was_excused) {
    judge(job, finding.reason);
  }
  const health::Settings& settings = job.planned->settings;
  const State state = job.target->state.load(std::memory_order_relaxed);
  const Milliseconds interval =
      health::jittered(settings.interval_in(state), settings.jitter_percent, random_.next());
  job.due = health::next_due(job.due, interval, loop_.clock.now());
  schedule(job);
}

// One in a row: a control thread that never keeps up must not hide that a target is dead.
bool HealthChecker::Implementation::is_excused(const Job& job, StateReason reason) const {
  if (reason != StateReason::timeout || job.was_excused) return false;
  return last_stall_ > job.started ||
         loop_.clock.now() - last_pulse_ >= pulse_interval + stall_least;
}

void HealthChecker::Implementation::judge(Job& job, StateReason reason) {
  const bool passed = reason == StateReason::none;
  (passed ? job.cells->successes : job.cells->failures).add();
  job.cells->seconds.record(job.detail.took);
  target::Target& target = *job.target;
  const HealthPlan::Group& planned = *job.planned;
  const State state = target.state.load(std::memory_order_relaxed);
  const auto next = job.count.after(state, reason, planned.settings.thresholds);
  if (next == State::healthy) {
    const bool ramps = state == State::initial ? job.ramps : would_ramp(planned, target);
    set_state(planned, target, State::healthy, StateReason::none, ramps);
  } else if (next.has_value() || (state == State::unhealthy && !passed)) {
    set_state(planned, target, State::unhealthy, reason, false);  // the reason may be another
  }
  if (passed) planned.group->state->check_passed(target, loop_.clock.now());
}

void HealthChecker::Implementation::log_failure(const Job& job, StateReason reason) const {
  if (!observe::log_enabled(Level::debug)) return;
  std::string line = "health_check: target " + job.target->id() + " of group " +
                     job.target->group() + ": " + std::string(target::text(reason));
  if (!job.detail.text.empty()) line += ": " + job.detail.text;
  observe::log(Level::debug, line);
}

// --- the contract -------------------------------------------------------------------------------

HealthChecker::HealthChecker(net::Loop& loop, observe::Cells& cells)
    : implementation_(std::make_unique<Implementation>(loop, cells)) {}

HealthChecker::~HealthChecker() = default;

void HealthChecker::apply(std::shared_ptr<const HealthPlan> plan) {
  implementation_->apply(std::move(plan));
}

void HealthChecker::apply(const std::shared_ptr<const upstream::GroupSettings>& settings) {
  implementation_->apply(settings);
}

void HealthChecker::stop() { implementation_->stop(); }

const HealthChecker::Detail* HealthChecker::detail(const target::Target& target) const {
  return implementation_->detail(target);
}

std::size_t HealthChecker::under_way() const { return implementation_->under_way(); }

}  // namespace sluice::control
