#include "sluice/target/group_state.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <unordered_map>

#include "sluice/target/eligible.h"

namespace sluice::target {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

// A line that all workers read is written only when it changes.
void clear(std::atomic<std::uint32_t>& run) {
  if (run.load(relaxed) != 0) run.store(0, relaxed);
}

void clear_runs(Target& target) {
  clear(target.failures_in_a_row);
  clear(target.timeouts_in_a_row);
  clear(target.server_errors_in_a_row);
}

bool lengthens_to(std::atomic<std::uint32_t>& run, std::uint32_t threshold) {
  const std::uint32_t length = run.fetch_add(1, relaxed) + 1;
  return threshold != 0 && length >= threshold;
}

std::chrono::milliseconds ejection_time(const config::PassiveHealth& settings,
                                        std::uint32_t ejections) {
  std::chrono::milliseconds time = settings.ejection_time;
  // 64 doublings exceed every limit, so the time cannot overflow and the loop ends.
  for (std::uint32_t i = 0; i < std::min(ejections, 64u); ++i) {
    if (time >= settings.max_ejection_time) break;
    time *= 2;
  }
  return std::min(time, settings.max_ejection_time);
}

Ejection ejection_of(const Target& target) { return target.ejection.load(relaxed); }

}  // namespace

// --- any worker ---------------------------------------------------------------------------------

void GroupState::report(Target& target, Outcome outcome, bool was_probe, base::SteadyTime now) {
  target.total_requests.fetch_add(1, relaxed);
  if (outcome != Outcome::success) target.total_errors.fetch_add(1, relaxed);
  if (was_probe) {
    const std::lock_guard lock(mutex_);
    if (end_probe(target, outcome, now)) return;
  }
  if (ejection_of(target) != Ejection::none) return;
  const StateReason reason = count_in_runs(target, outcome);
  if (reason == StateReason::none || !may_eject_.load(relaxed)) return;
  const std::lock_guard lock(mutex_);
  if (Record* record = find(target)) eject_if_allowed(*record, reason, now);
  note_may_eject();
}

// Why the target's runs now ask for its ejection; none: they do not. An answer of 5xx shows that it
// can be reached and answers in time, so it ends the runs of failures and of timeouts; both
// lengthen the run of 5xx, for a run of mixed faults is a run.
StateReason GroupState::count_in_runs(Target& target, Outcome outcome) const {
  bool is_out = false;
  switch (outcome) {
    case Outcome::success: clear_runs(target); return StateReason::none;
    case Outcome::failure:
      is_out = lengthens_to(target.failures_in_a_row, failures_to_eject_.load(relaxed));
      break;
    case Outcome::timeout:
      is_out = lengthens_to(target.timeouts_in_a_row, timeouts_to_eject_.load(relaxed));
      break;
    case Outcome::server_error:
      clear(target.failures_in_a_row);
      clear(target.timeouts_in_a_row);
      break;
  }
  const bool server_errors =
      lengthens_to(target.server_errors_in_a_row, server_errors_to_eject_.load(relaxed));
  if (is_out) return StateReason::ejected_failures;
  return server_errors ? StateReason::ejected_5xx : StateReason::none;
}

// Only who has the right gives it back, or two could have it. What its holder did to the target
// before it gave it back is seen by the next.
bool GroupState::take_probe(Target& target) {
  if (ejection_of(target) != Ejection::probing || target.probe_taken.load(relaxed)) return false;
  if (target.probe_taken.exchange(true, std::memory_order_acquire)) return false;
  if (ejection_of(target) == Ejection::probing) return true;
  give_up_probe(target);
  return false;
}

void GroupState::give_up_probe(Target& target) {
  target.probe_taken.store(false, std::memory_order_release);
}

// False: the probing has ended meanwhile (its health changed, or nobody may be out any more), and
// the result is one like any other.
bool GroupState::end_probe(Target& target, Outcome outcome, base::SteadyTime now) {
  Record* record = find(target);
  const bool counts = record != nullptr && ejection_of(target) == Ejection::probing;
  // Who does not count 5xx against a target does not want it ejected for one.
  const bool server_errors_count =
      settings_.consecutive_5xx != 0 || settings_.error_rate_percent != 0;
  const bool failed = outcome == Outcome::failure || outcome == Outcome::timeout;
  if (counts && failed) {
    eject(*record, StateReason::ejected_failures, now);
  } else if (counts && outcome == Outcome::server_error && server_errors_count) {
    eject(*record, StateReason::ejected_5xx, now);
  } else if (counts) {
    restore(*record, now);
  }
  give_up_probe(target);
  note_may_eject();
  return counts;
}

// --- ejection and its end -----------------------------------------------------------------------

GroupState::Record* GroupState::find(const Target& target) {
  const auto found = index_of_.find(&target);
  return found == index_of_.end() ? nullptr : &records_[found->second];
}

bool GroupState::in_service(const Record& record) {
  return record.weight != 0 && record.target->state.load(relaxed) == State::healthy &&
         ejection_of(*record.target) == Ejection::none;
}

GroupState::Counts GroupState::counts() const {
  Counts counts;
  for (const Record& record : records_) {
    const State state = record.target->state.load(relaxed);
    if (record.weight == 0 || state == State::draining || state == State::unused) continue;
    ++(in_service(record) ? counts.well : counts.out);
  }
  return counts;
}

// A small group may lose one however small the percentage is, but never its last. Whoever else is
// unwell counts: an ejection on top of it would make the group fail open onto targets that are
// dead.
bool GroupState::is_within_limits(const Counts& counts) const {
  if (!settings_.enabled || settings_.max_ejected_percent == 0) return counts.out == 0;
  const std::size_t registered = counts.well + counts.out;
  const std::size_t most =
      std::max<std::size_t>(1, registered * settings_.max_ejected_percent / 100);
  const std::size_t least = std::clamp<std::size_t>(fail_open_.minimum_healthy_count, 1,
                                                    std::max<std::size_t>(1, registered));
  return counts.out <= most && counts.well >= least &&
         counts.well * 100 >= registered * fail_open_.minimum_healthy_percent;
}

bool GroupState::may_eject_one() const {
  const Counts now = counts();
  return now.well != 0 && is_within_limits({.well = now.well - 1, .out = now.out + 1});
}

void GroupState::eject_if_allowed(Record& record, StateReason reason, base::SteadyTime now) {
  if (in_service(record) && may_eject_one()) eject(record, reason, now);
}

void GroupState::eject(Record& record, StateReason reason, base::SteadyTime now) {
  Target& target = *record.target;
  if (ejection_of(target) == Ejection::none) {
    ++ejected_;
    if (now - record.well_since >= settings_.max_ejection_time) record.ejections = 0;
  }
  const std::chrono::milliseconds time = ejection_time(settings_, record.ejections);
  ++record.ejections;
  record.until = now + time;
  target.ramp_began.store(0, relaxed);
  target.ejection_reason.store(reason, relaxed);
  target.ejection.store(Ejection::ejected, relaxed);
  add_ejection_change(record, Change::Kind::ejected, reason, time);
}

void GroupState::begin_probing(Record& record, base::SteadyTime now) {
  Target& target = *record.target;
  record.until = now + settings_.ejection_time;
  target.ejection.store(Ejection::probing, relaxed);
  add_ejection_change(record, Change::Kind::probing, target.ejection_reason.load(relaxed), {});
}

void GroupState::restore(Record& record, base::SteadyTime now) {
  Target& target = *record.target;
  const StateReason reason = target.ejection_reason.load(relaxed);
  if (begins_ramp(*members_, target, slow_start_, now)) begin_ramp(target, now);
  end_ejection(record, now);
  add_ejection_change(record, Change::Kind::restored, reason, {});
}

void GroupState::end_ejection(Record& record, base::SteadyTime now) {
  --ejected_;
  record.well_since = now;
  begin_anew(record);
}

// What was counted before says nothing about the target as it is now.
void GroupState::begin_anew(Record& record) {
  Target& target = *record.target;
  clear_runs(target);
  target.ejection_reason.store(StateReason::none, relaxed);
  target.ejection.store(Ejection::none, relaxed);
  begin_window(record);
}

void GroupState::begin_window(Record& record) {
  record.window_requests = record.target->total_requests.load(relaxed);
  record.window_errors = record.target->total_errors.load(relaxed);
  record.window_answers = record.target->total_answers.load(relaxed);
  record.window_latency = record.target->total_latency.load(relaxed);
}

void GroupState::begin_ramp(Target& target, base::SteadyTime now) {
  const std::int64_t began = std::chrono::nanoseconds(now.time_since_epoch()).count();
  target.ramp_began.store(std::max<std::int64_t>(1, began), relaxed);  // 0 means none
}

// --- control thread -----------------------------------------------------------------------------

void GroupState::apply(std::shared_ptr<const TargetSet> members,
                       const config::PassiveHealth& settings, std::chrono::milliseconds slow_start,
                       const config::FailOpen& fail_open) {
  const std::lock_guard lock(mutex_);
  std::unordered_map<const Target*, Record> former;
  for (Record& record : records_) {
    const Target* target = record.target.get();
    former.emplace(target, std::move(record));
  }
  records_.clear();
  index_of_.clear();
  for (const TargetSet::Member& member : members->members) {
    if (auto kept = former.extract(member.target.get())) {
      records_.push_back(std::move(kept.mapped()));
    } else {
      records_.push_back(Record{.target = member.target});
      begin_anew(records_.back());
    }
    records_.back().weight = member.weight;
    index_of_.emplace(member.target.get(), records_.size() - 1);
  }
  for (auto& [target, record] : former) {
    if (ejection_of(*target) != Ejection::none) --ejected_;
    begin_anew(record);
  }
  members_ = std::move(members);
  settings_ = settings;
  slow_start_ = slow_start;
  fail_open_ = fail_open;
  failures_to_eject_.store(settings.enabled ? settings.consecutive_failures : 0, relaxed);
  timeouts_to_eject_.store(settings.enabled ? settings.consecutive_timeouts : 0, relaxed);
  server_errors_to_eject_.store(settings.enabled ? settings.consecutive_5xx : 0, relaxed);
  note_may_eject();
  move();
}

void GroupState::set_state(Target& target, State state, StateReason reason, bool ramps,
                           base::SteadyTime now, base::WallTime wall) {
  const StateChange change{.target = &target, .state = state, .reason = reason, .ramps = ramps};
  set_states({&change, 1}, now, wall);
}

void GroupState::set_states(std::span<const StateChange> changes, base::SteadyTime now,
                            base::WallTime wall) {
  const std::lock_guard lock(mutex_);
  bool is_any = false;
  for (const StateChange& change : changes) is_any = change_state(change, now, wall) || is_any;
  if (!is_any) return;
  if (ejected_ != 0) restore_surplus(now);
  note_may_eject();
}

bool GroupState::change_state(const StateChange& change, base::SteadyTime now,
                              base::WallTime wall) {
  Target& target = *change.target;
  const State state = change.state;
  target.reason.store(change.reason, relaxed);
  const State former = target.state.load(relaxed);
  if (state != former || target.state_since.load(relaxed) == 0) {
    const auto since = std::chrono::floor<std::chrono::seconds>(wall.time_since_epoch());
    target.state_since.store(since.count(), relaxed);
  }
  if (state == former) return false;
  target.state.store(state, relaxed);
  Record* record = find(target);
  if (former == State::healthy) {
    target.ramp_began.store(0, relaxed);
    if (record != nullptr && ejection_of(target) != Ejection::none) end_ejection(*record, now);
  }
  if (state == State::healthy) {
    clear_runs(target);
    if (record != nullptr) begin_window(*record);
    if (change.ramps) begin_ramp(target, now);
  }
  add_change({.kind = Change::Kind::state,
              .target = target.shared_from_this(),
              .state = state,
              .former = former,
              .reason = change.reason,
              .at = wall});
  return true;
}

void GroupState::check_passed(Target& target, base::SteadyTime now) {
  const std::lock_guard lock(mutex_);
  Record* record = find(target);
  if (record == nullptr || ejection_of(target) != Ejection::ejected) return;
  if (target.ejection_reason.load(relaxed) == StateReason::ejected_failures) {
    begin_probing(*record, now);
  }
}

void GroupState::advance(base::SteadyTime now) {
  const std::lock_guard lock(mutex_);
  if (ejected_ != 0) {
    restore_surplus(now);
    advance_ejections(now);
  }
  judge_window(now);
  complete_ramps(now);
  note_may_eject();
}

// Fewer may be out than before: members left or fell ill, or the settings changed. Those whose time
// ends first come back, and whoever has no weight any more, for it counts for nothing.
void GroupState::restore_surplus(base::SteadyTime now) {
  Counts left = counts();
  std::vector<Record*> out;
  for (Record& record : records_) {
    if (ejection_of(*record.target) != Ejection::none) out.push_back(&record);
  }
  std::sort(out.begin(), out.end(),
            [](const Record* one, const Record* other) { return one->until < other->until; });
  for (Record* record : out) {
    if (record->weight != 0) {
      if (is_within_limits(left)) continue;
      ++left.well;
      --left.out;
    }
    restore(*record, now);
  }
}

void GroupState::advance_ejections(base::SteadyTime now) {
  for (Record& record : records_) {
    const Ejection ejection = ejection_of(*record.target);
    if (ejection == Ejection::none || now < record.until) continue;
    if (ejection == Ejection::ejected) {
      begin_probing(record, now);
    } else if (!record.target->probe_taken.load(relaxed)) {
      // Nobody had a request that may be a probe, and it cannot be found out by waiting.
      restore(record, now);
    }
  }
}

void GroupState::complete_ramps(base::SteadyTime now) {
  for (const Record& record : records_) {
    Target& target = *record.target;
    if (target.ramp_began.load(relaxed) == 0) continue;
    if (ramp_percent(target, slow_start_, now) < 100) continue;
    target.ramp_began.store(0, relaxed);
    move();
  }
}

// --- judging by windows -------------------------------------------------------------------------

void GroupState::judge_window(base::SteadyTime now) {
  if (window_began_.has_value()) {
    if (now - *window_began_ < settings_.window) return;
    judge_errors(now);
    judge_latency(now);
  }
  window_began_ = now;
  for (Record& record : records_) begin_window(record);
}

std::uint64_t GroupState::window_requests(const Record& record) {
  return record.target->total_requests.load(relaxed) - record.window_requests;
}

bool GroupState::is_enough(std::uint64_t requests) const {
  return requests >= std::max(1u, settings_.minimum_requests);
}

// The worst first, for not all may go.
void GroupState::judge_errors(base::SteadyTime now) {
  if (settings_.error_rate_percent == 0) return;
  std::vector<std::pair<double, Record*>> suspects;
  for (Record& record : records_) {
    const std::uint64_t requests = window_requests(record);
    if (!in_service(record) || !is_enough(requests)) continue;
    const std::uint64_t errors = record.target->total_errors.load(relaxed) - record.window_errors;
    if (errors * 100 < settings_.error_rate_percent * requests) continue;
    suspects.emplace_back(static_cast<double>(errors) / static_cast<double>(requests), &record);
  }
  std::sort(suspects.begin(), suspects.end(), std::greater<>{});
  for (const auto& [rate, record] : suspects) {
    eject_if_allowed(*record, StateReason::ejected_error_rate, now);
  }
}

// The slowest first, each against the median of all others, by the window's own means: the average
// that balancers use believes one slow answer at once, which is no reason to eject.
void GroupState::judge_latency(base::SteadyTime now) {
  constexpr std::size_t least_members = 3;
  constexpr std::chrono::milliseconds least_excess{1};  // nobody is ejected for microseconds
  if (settings_.latency_factor == 0) return;
  std::vector<std::pair<std::chrono::nanoseconds, Record*>> known;
  for (Record& record : records_) {
    const std::uint64_t answers =
        record.target->total_answers.load(relaxed) - record.window_answers;
    if (!in_service(record) || !is_enough(answers)) continue;
    const std::uint64_t sum = record.target->total_latency.load(relaxed) - record.window_latency;
    known.emplace_back(sum / answers, &record);
  }
  if (known.size() < least_members) return;
  std::sort(known.begin(), known.end());
  for (std::size_t i = known.size(); i-- > 0;) {
    const auto of_others = [&](std::size_t k) { return known[k < i ? k : k + 1].first; };
    const std::size_t others = known.size() - 1;
    const auto median = (of_others((others - 1) / 2) + of_others(others / 2)) / 2;
    const auto latency = known[i].first;
    if (latency > median * settings_.latency_factor && latency > median + least_excess) {
      eject_if_allowed(*known[i].second, StateReason::ejected_latency, now);
    }
  }
}

// --- what happened ------------------------------------------------------------------------------

void GroupState::add_ejection_change(const Record& record, Change::Kind kind, StateReason reason,
                                     std::chrono::milliseconds time) {
  const State state = record.target->state.load(relaxed);
  add_change({.kind = kind,
              .target = record.target,
              .state = state,
              .former = state,
              .reason = reason,
              .ejected_for = time,
              .at = base::Wall::now()});
}

void GroupState::add_change(Change change) {
  if (changes_.size() == changes_max) changes_.pop_front();
  changes_.push_back(std::move(change));
  move();
}

std::vector<Change> GroupState::take_changes() {
  const std::lock_guard lock(mutex_);
  std::vector<Change> taken(std::make_move_iterator(changes_.begin()),
                            std::make_move_iterator(changes_.end()));
  changes_.clear();
  return taken;
}

std::size_t GroupState::ejected_count() const {
  const std::lock_guard lock(mutex_);
  return ejected_;
}

}  // namespace sluice::target
