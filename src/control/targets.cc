#include "sluice/control/targets.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "sluice/observe/log.h"
#include "sluice/target/eligible.h"
#include "sluice/target/latency.h"

namespace sluice::control {

namespace {

using observe::Level;
using observe::Metric;
using target::Change;
using target::State;
using target::StateReason;

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::chrono::seconds counts_interval{1};

using Members = std::unordered_set<const target::Target*>;

Members members_of(const target::TargetSet& set) {
  Members members;
  members.reserve(set.members.size());
  for (const target::TargetSet::Member& member : set.members) members.insert(member.target.get());
  return members;
}

std::string text_of(StateReason reason) { return std::string(target::text(reason)); }
std::string text_of(State state) { return std::string(target::text(state)); }

Event::Value value_of(StateReason reason) {
  return reason == StateReason::none ? Event::Value(nullptr) : Event::Value(text_of(reason));
}

std::string label_of(const target::Target& target) {
  return "target " + target.group() + " " + observe::escaped(target.id());
}

Event event_of(const target::Target& target, std::string_view type, base::WallTime at) {
  return {.at = at, .type = type, .target_group = target.group(), .target = target.id()};
}

// Nobody asks how these are, so their states say nothing new: a start of a thousand targets is not
// a thousand lines.
bool is_by_configuration(StateReason reason) {
  return reason == StateReason::health_check_disabled || reason == StateReason::not_in_use;
}

Level level_of(const Change& change) {
  if (change.kind == Change::Kind::ejected) return Level::warning;
  if (change.kind != Change::Kind::state) return Level::info;
  if (change.state == State::unhealthy) return Level::warning;
  return is_by_configuration(change.reason) ? Level::debug : Level::info;
}

std::string seconds_text(std::chrono::milliseconds time) {
  return std::to_string(time.count() / 1000) + "." + std::to_string(time.count() % 1000 / 100) +
         " s";
}

std::string line_of(const Change& change) {
  std::string line = label_of(*change.target);
  const std::string reason = text_of(change.reason);
  switch (change.kind) {
    case Change::Kind::state:
      line += " is " + text_of(change.state);
      if (!reason.empty()) line += ": " + reason;
      return line + " (was " + text_of(change.former) + ")";
    case Change::Kind::ejected:
      return line + " is ejected for " + seconds_text(change.ejected_for) + ": " + reason;
    case Change::Kind::probing: return line + " is tried out (was ejected: " + reason + ")";
    case Change::Kind::restored: return line + " is back (was ejected: " + reason + ")";
  }
  return line;
}

Event event_of(const Change& change) {
  const target::Target& target = *change.target;
  Event event = event_of(target, event_type::target_state, change.at);
  switch (change.kind) {
    case Change::Kind::state:
      event.fields = {{"state", text_of(change.state)},
                      {"former", text_of(change.former)},
                      {"reason", value_of(change.reason)}};
      return event;
    case Change::Kind::ejected:
      event.type = event_type::target_ejected;
      event.fields = {{"reason", value_of(change.reason)},
                      {"ejected_for_ms", std::int64_t{change.ejected_for.count()}}};
      return event;
    case Change::Kind::probing: event.type = event_type::target_probing; break;
    case Change::Kind::restored: event.type = event_type::target_restored; break;
  }
  event.fields = {{"reason", value_of(change.reason)}};
  return event;
}

// Of many changes those that would have been a line of information each.
void log_counts(const std::string& group, const std::vector<Change>& changes) {
  std::array<std::size_t, target_states> counts{};
  std::size_t others = 0;
  for (const Change& change : changes) {
    if (level_of(change) != Level::info) continue;
    ++(change.kind == Change::Kind::state ? counts[static_cast<std::size_t>(change.state)]
                                          : others);
  }
  std::string line;
  const auto add = [&line](std::size_t count, std::string_view what) {
    if (count == 0) return;
    line += (line.empty() ? "" : ", ") + std::to_string(count) + " are " + std::string(what);
  };
  for (std::size_t i = 0; i < counts.size(); ++i) {
    add(counts[i], target::text(static_cast<State>(i)));
  }
  add(others, "tried out or back");
  if (!line.empty()) observe::log(Level::info, "targets of " + group + ": " + line);
}

template <std::size_t... index>
std::array<observe::Gauge*, target_states> state_gauges(observe::Cells& cells,
                                                        const std::string& group,
                                                        std::index_sequence<index...> /*all*/) {
  return {&cells.gauge(Metric::targets, {group, target::text(static_cast<State>(index))})...};
}

}  // namespace

Targets::Group::Group(observe::Cells& cells, const std::string& name)
    : targets_by_state(state_gauges(cells, name, std::make_index_sequence<target_states>())),
      targets_ejected(cells.gauge(Metric::targets_ejected, {name})) {}

Targets::Targets(net::Loop& loop, observe::Cells& cells, Events& events)
    : loop_(loop),
      cells_(cells),
      events_(events),
      timer_(
          loop.deadlines,
          [](void* context) {
            auto& self = *static_cast<Targets*>(context);
            self.timer_.set(interval);
            self.advance();
          },
          this),
      checker_(loop, cells) {}

Targets::~Targets() = default;

TargetsPlan Targets::prepare(const proxy::Snapshot& snapshot, config::Problems& problems) {
  return {.groups = snapshot.groups, .health = HealthChecker::prepare(snapshot, problems)};
}

// --- a new configuration ------------------------------------------------------------------------

std::uint64_t Targets::apply(const TargetsPlan& plan) {
  ++change_;
  if (is_stopped_) return change_;
  Groups former = std::exchange(groups_, {});
  order_.clear();
  for (const auto& settings : plan.groups) {
    if (auto known = former.extract(settings->name)) {
      groups_.insert(std::move(known));
    } else {
      groups_.try_emplace(settings->name, cells_, settings->name);
    }
    register_group(groups_.find(settings->name)->second, settings);
    order_.push_back(settings->name);
  }
  for (auto& [name, group] : former) {
    if (std::exchange(group.is_registered, false)) {
      const std::size_t count = group.settings->targets->members.size();
      for (std::size_t i = 0; i < count; ++i) leave(group, i);
    }
  }
  groups_.merge(former);
  checker_.apply(plan.health);
  for (auto& [name, group] : groups_) {
    take_changes(group);
    show_counts(group);
  }
  if (!timer_.is_set()) timer_.set(interval);
  return change_;
}

std::uint64_t Targets::apply(const std::shared_ptr<const upstream::GroupSettings>& settings) {
  ++change_;
  const auto known = groups_.find(settings->name);
  if (is_stopped_ || known == groups_.end() || !known->second.is_registered) return change_;
  register_group(known->second, settings);
  checker_.apply(settings);
  take_changes(known->second);
  show_counts(known->second);
  return change_;
}

void Targets::register_group(Group& group,
                             const std::shared_ptr<const upstream::GroupSettings>& settings) {
  // Nothing moved: the workers' turns go on.
  if (group.is_registered && group.settings == settings) return;
  settings->state->apply(settings->targets, settings->passive_health, settings->slow_start,
                         settings->fail_open);
  const Members members = members_of(*settings->targets);
  std::erase_if(group.leaving,
                [&](const Leaving& leaving) { return members.contains(leaving.target.get()); });
  std::erase_if(group.ejected_until,
                [&](const auto& ejected) { return !members.contains(ejected.first); });
  if (group.is_registered) {
    const auto& former = group.settings->targets->members;
    for (std::size_t i = 0; i < former.size(); ++i) {
      if (!members.contains(former[i].target.get())) leave(group, i);
    }
  }
  if (!settings->anomaly_mitigation) {
    group.anomaly = {};
    if (target::AnomalyMitigation::release(*settings->targets)) settings->state->shares_changed();
  }
  group.settings = settings;
  group.is_registered = true;
}

void Targets::leave(Group& group, std::size_t index) const {
  const target::TargetSet& set = *group.settings->targets;
  group.leaving.push_back({.target = set.members[index].target,
                           .origin = set.origin(index),
                           .change = change_,
                           .delay = group.settings->deregistration_delay});
}

void Targets::in_force(std::uint64_t change) {
  if (is_stopped_) return;
  for (auto& [name, group] : groups_) {
    begin_draining(group, change);
    take_changes(group);
  }
}

void Targets::begin_draining(Group& group, std::uint64_t change) {
  const base::SteadyTime now = loop_.clock.now();
  std::vector<target::StateChange> draining;
  for (Leaving& leaving : group.leaving) {
    if (leaving.is_draining || leaving.change > change) continue;
    leaving.is_draining = true;
    leaving.until = now + leaving.delay;
    draining.push_back({.target = leaving.target.get(),
                        .state = State::draining,
                        .reason = StateReason::deregistration_in_progress});
  }
  if (draining.empty()) return;
  target::GroupState& state = *group.settings->state;
  // Of a group that was removed nobody is a member any more.
  if (!group.is_registered) {
    state.apply(std::make_shared<const target::TargetSet>(), group.settings->passive_health,
                group.settings->slow_start);
  }
  state.set_states(draining, now, loop_.clock.wall());
}

void Targets::stop() {
  is_stopped_ = true;
  timer_.clear();
  checker_.stop();
}

// --- time ---------------------------------------------------------------------------------------

void Targets::advance() {
  const base::SteadyTime now = loop_.clock.now();
  for (auto& [name, group] : groups_) advance(group);
  if (now - counts_shown_ >= counts_interval) {
    counts_shown_ = now;
    for (auto& [name, group] : groups_) show_counts(group);
  }
  std::erase_if(groups_, [](const auto& item) {
    return !item.second.is_registered && item.second.leaving.empty();
  });
}

void Targets::advance(Group& group) {
  const base::SteadyTime now = loop_.clock.now();
  const upstream::GroupSettings& settings = *group.settings;
  settings.state->advance(now);
  if (group.is_registered && settings.anomaly_mitigation &&
      group.anomaly.advance(*settings.targets, now)) {
    settings.state->shares_changed();
  }
  take_changes(group);
  forget_left(group);
}

// A target goes at once when it is idle, but not between two tries: idle twice in a row.
void Targets::forget_left(Group& group) {
  const base::SteadyTime now = loop_.clock.now();
  std::vector<Leaving> over;
  std::erase_if(group.leaving, [&](Leaving& leaving) {
    if (!leaving.is_draining) return false;
    const std::int32_t active = std::max(0, leaving.target->active_requests.load(relaxed));
    const bool is_idle = active == 0 && leaving.active == 0;
    const bool is_over = now >= leaving.until || is_idle;
    // At the end of the delay the workers may have cut already: what was there before counts.
    leaving.active = is_over && !is_idle ? std::max(active, leaving.active) : active;
    if (is_over) over.push_back(std::move(leaving));
    return is_over;
  });
  if (over.empty()) return;
  const bool are_many = over.size() > told_singly_max;
  for (const Leaving& gone : over) tell_gone(*gone.target, gone.active, are_many);
  if (are_many) {
    observe::log(Level::info, "targets of " + group.settings->name + ": " +
                                  std::to_string(over.size()) + " are gone");
  }
  show_counts(group);
}

// --- what happened ------------------------------------------------------------------------------

void Targets::take_changes(Group& group) {
  const std::vector<Change> changes = group.settings->state->take_changes();
  const bool are_many = changes.size() > told_singly_max;
  for (const Change& change : changes) tell(group, change, are_many);
  if (are_many) log_counts(group.settings->name, changes);
  if (!changes.empty()) show_counts(group);
}

void Targets::tell(Group& group, const Change& change, bool is_one_of_many) {
  const std::string& name = change.target->group();
  if (change.kind == Change::Kind::state) {
    cells_.counter(Metric::target_state_changes_total, {name, target::text(change.state)}).add();
  }
  if (change.kind == Change::Kind::ejected) {
    cells_.counter(Metric::target_ejections_total, {name, target::text(change.reason)}).add();
    group.ejected_until.insert_or_assign(change.target.get(), change.at + change.ejected_for);
  } else {
    group.ejected_until.erase(change.target.get());
  }
  Level level = level_of(change);
  if (level == Level::info && is_one_of_many) level = Level::debug;
  if (observe::log_enabled(level)) observe::log(level, line_of(change));
  events_.add(event_of(change));
}

void Targets::tell_gone(const target::Target& target, std::int32_t active, bool is_one_of_many) {
  const bool is_idle = active == 0;
  // Requests that are cut are always worth a line.
  const Level level = is_one_of_many && is_idle ? Level::debug : Level::info;
  if (observe::log_enabled(level))
    observe::log(level, label_of(target) + " is gone: " +
                            (is_idle ? "nothing was under way"
                                     : "its deregistration delay is over, and " +
                                           std::to_string(active) + " requests are cut"));
  Event event = event_of(target, event_type::target_gone, loop_.clock.wall());
  event.fields = {{"reason", is_idle ? "idle" : "deregistration_delay"},
                  {"active_requests", std::int64_t{active}}};
  events_.add(std::move(event));
}

std::array<std::size_t, target_states> Targets::counts_of(const Group& group) {
  std::array<std::size_t, target_states> counts{};
  const auto count = [&counts](const target::Target& target) {
    ++counts[static_cast<std::size_t>(target.state.load(relaxed))];
  };
  for (const Leaving& leaving : group.leaving) count(*leaving.target);
  if (!group.is_registered) return counts;
  for (const target::TargetSet::Member& member : group.settings->targets->members) {
    count(*member.target);
  }
  return counts;
}

void Targets::show_counts(Group& group) {
  const std::array<std::size_t, target_states> counts = counts_of(group);
  for (std::size_t i = 0; i < target_states; ++i) {
    group.targets_by_state[i]->set(static_cast<std::int64_t>(counts[i]));
  }
  group.targets_ejected.set(static_cast<std::int64_t>(group.settings->state->ejected_count()));
}

// --- status -------------------------------------------------------------------------------------

std::vector<GroupStatus> Targets::groups() const {
  std::vector<GroupStatus> all;
  for (const std::string& name : order_) all.push_back(status_of(groups_.find(name)->second));
  for (const auto& [name, group] : groups_) {
    if (!group.is_registered) all.push_back(status_of(group));
  }
  return all;
}

std::optional<GroupStatus> Targets::group(std::string_view name) const {
  const auto found = groups_.find(name);
  if (found == groups_.end()) return std::nullopt;
  return status_of(found->second);
}

std::optional<std::vector<TargetStatus>> Targets::targets(std::string_view name) const {
  const auto found = groups_.find(name);
  if (found == groups_.end()) return std::nullopt;
  const Group& group = found->second;
  std::vector<TargetStatus> all;
  if (group.is_registered) {
    const target::TargetSet& set = *group.settings->targets;
    for (std::size_t i = 0; i < set.members.size(); ++i) {
      all.push_back(status_of(group, *set.members[i].target, set.origin(i)));
    }
  }
  const base::SteadyTime now = loop_.clock.now();
  for (const Leaving& leaving : group.leaving) all.push_back(status_of(group, leaving, now));
  return all;
}

TargetStatus Targets::status_of(const Group& group, const Leaving& leaving,
                                base::SteadyTime now) const {
  TargetStatus status = status_of(group, *leaving.target, leaving.origin);
  if (leaving.is_draining) {
    const auto left = std::chrono::ceil<std::chrono::seconds>(leaving.until - now);
    status.deregistration_remaining = std::max(left, std::chrono::seconds(0));
  }
  return status;
}

std::optional<TargetStatus> Targets::target(std::string_view name, std::string_view id) const {
  const auto found = groups_.find(name);
  if (found == groups_.end()) return std::nullopt;
  const Group& group = found->second;
  if (group.is_registered) {
    const target::TargetSet& set = *group.settings->targets;
    for (std::size_t i = 0; i < set.members.size(); ++i) {
      if (set.members[i].target->id() != id) continue;
      return status_of(group, *set.members[i].target, set.origin(i));
    }
  }
  const auto leaving = std::ranges::find_if(
      group.leaving, [&](const Leaving& each) { return each.target->id() == id; });
  if (leaving == group.leaving.end()) return std::nullopt;
  return status_of(group, *leaving, loop_.clock.now());
}

GroupStatus Targets::status_of(const Group& group) const {
  const upstream::GroupSettings& settings = *group.settings;
  GroupStatus status{.name = settings.name,
                     .is_https = settings.tls != nullptr,
                     .protocol_version = settings.is_grpc ? config::ProtocolVersion::grpc
                                         : settings.http2.is_enabled
                                             ? config::ProtocolVersion::http2
                                             : config::ProtocolVersion::http1,
                     .algorithm = settings.algorithm,
                     .stickiness = settings.stickiness.type,
                     .by_state = counts_of(group),
                     .ejected = settings.state->ejected_count(),
                     .in_use = group.is_registered && settings.in_use};
  if (group.is_registered) {
    const target::Eligible eligible = target::eligible(
        *settings.targets, {.fail_open = settings.fail_open, .slow_start = settings.slow_start},
        loop_.clock.now());
    status.fails_open = eligible.fails_open;
  }
  return status;
}

TargetStatus Targets::status_of(const Group& group, const target::Target& target,
                                const target::TargetSet::Origin& origin) const {
  const base::SteadyTime now = loop_.clock.now();
  TargetStatus status{
      .id = target.id(),
      .address = target.endpoint().text(),
      .weight = target.weight.load(relaxed),
      .sources = origin.sources.empty() ? "config" : origin.sources,
      .zone = origin.zone,
      .state = target.state.load(relaxed),
      .reason = target.reason.load(relaxed),
      .ejection = target.ejection.load(relaxed),
      .ejection_reason = target.ejection_reason.load(relaxed),
      .slow_start_percent = target::ramp_percent(target, group.settings->slow_start, now),
      .share_percent = target.share.load(relaxed) / 10,
      .active_requests = std::max(0, target.active_requests.load(relaxed)),
      .connections = std::max(0, target.connections.load(relaxed))};
  const std::int64_t since = target.state_since.load(relaxed);
  if (since != 0) status.since = base::WallTime(std::chrono::seconds(since));
  const auto ejected = group.ejected_until.find(&target);
  if (status.ejection == target::Ejection::ejected && ejected != group.ejected_until.end()) {
    status.ejected_until = ejected->second;
  }
  const std::chrono::nanoseconds latency = target::latency_of(target, now);
  if (latency.count() != 0) status.latency = latency;
  const HealthChecker::Detail* check = checker_.detail(target);
  if (check != nullptr && check->last_check != base::WallTime{}) {
    status.last_check = {check->last_check, check->took, check->text};
  }
  return status;
}

}  // namespace sluice::control
