#include "sluice/control/member_publisher.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <unordered_map>
#include <utility>

#include "sluice/observe/log.h"

namespace sluice::control {

using observe::Level;
using std::chrono::milliseconds;

namespace {

// Each has a line and an event of its own; more are told of by one line and one event.
constexpr std::size_t told_singly_max = 20;

milliseconds interval_of(std::size_t members) {
  return std::clamp(milliseconds(members / 10), MemberPublisher::least_interval,
                    MemberPublisher::longest_interval);
}

using Members = target::TargetSet;

std::unordered_map<const target::Target*, std::size_t> indices_of(const Members& set) {
  std::unordered_map<const target::Target*, std::size_t> indices;
  indices.reserve(set.members.size());
  for (std::size_t i = 0; i < set.members.size(); ++i) {
    indices.emplace(set.members[i].target.get(), i);
  }
  return indices;
}

// Indices of members of the first set that are not in the second.
std::vector<std::size_t> missing_in(const Members& set, const Members& other) {
  const auto known = indices_of(other);
  std::vector<std::size_t> missing;
  for (std::size_t i = 0; i < set.members.size(); ++i) {
    if (!known.contains(set.members[i].target.get())) missing.push_back(i);
  }
  return missing;
}

}  // namespace

MemberPublisher::MemberPublisher(Parts parts)
    : parts_(std::move(parts)),
      timer_(
          parts_.loop.deadlines,
          [](void* context) { static_cast<MemberPublisher*>(context)->publish_due(); }, this) {
  parts_.membership.on_change([this](const std::string& group) { changed(group); });
}

void MemberPublisher::took_over(const proxy::Snapshot& snapshot) {
  in_force_.clear();
  for (const auto& group : snapshot.groups) in_force_.emplace(group->name, group);
  waiting_.clear();  // it is all in there
  timer_.clear();
}

std::shared_ptr<const upstream::GroupSettings> MemberPublisher::in_force(
    const std::string& group) const {
  const auto known = in_force_.find(group);
  return known == in_force_.end() ? nullptr : known->second;
}

void MemberPublisher::stop() {
  is_stopped_ = true;
  waiting_.clear();
  timer_.clear();
}

void MemberPublisher::changed(const std::string& group) {
  if (is_stopped_ || waiting_.contains(group)) return;
  const base::SteadyTime now = parts_.loop.clock.now();
  const auto last = not_before_.find(group);
  const base::SteadyTime due = last == not_before_.end() ? now : std::max(now, last->second);
  waiting_.emplace(group, due);
  schedule();
}

void MemberPublisher::schedule() {
  if (waiting_.empty()) return;
  const base::SteadyTime next =
      std::ranges::min_element(waiting_, {}, [](const auto& one) { return one.second; })->second;
  const auto wait = std::chrono::ceil<milliseconds>(next - parts_.loop.clock.now());
  timer_.set(std::max(milliseconds(1), wait));
}

void MemberPublisher::publish_due() {
  const base::SteadyTime now = parts_.loop.clock.now();
  std::erase_if(not_before_, [&](const auto& item) { return item.second <= now; });
  for (auto one = waiting_.begin(); one != waiting_.end();) {
    if (one->second > now) {
      ++one;
      continue;
    }
    const std::string group = one->first;
    one = waiting_.erase(one);
    if (publish(group)) {
      not_before_[group] = now + interval_of(in_force_[group]->targets->members.size());
    }
  }
  schedule();
}

bool MemberPublisher::publish(const std::string& group) {
  const auto known = in_force_.find(group);
  if (known == in_force_.end()) return false;
  std::shared_ptr<const target::TargetSet> set = parts_.membership.set_of(group);
  const std::shared_ptr<const upstream::GroupSettings> former = known->second;
  if (*set == *former->targets) return false;
  for (const target::TargetSet::Member& member : set->members) {
    member.target->weight.store(member.weight, std::memory_order_relaxed);
  }
  auto settings = std::make_shared<upstream::GroupSettings>(*former);
  settings->targets = std::move(set);
  known->second = settings;
  tell(*former->targets, *settings->targets, group);
  send(settings);
  return true;
}

void MemberPublisher::send(const std::shared_ptr<const upstream::GroupSettings>& settings) {
  const std::uint64_t change = parts_.targets.apply(settings);
  ++under_way_;
  auto remaining = std::make_shared<std::size_t>(parts_.worker_count);
  const auto one_done = [this, remaining, change] {
    if (--*remaining > 0) return;
    --under_way_;
    parts_.targets.in_force(change);
  };
  for (std::size_t worker = 0; worker < parts_.worker_count; ++worker) {
    parts_.post(worker, [settings, one_done, &context = parts_.loop.context](proxy::Worker& on) {
      on.apply(settings);
      boost::asio::post(context, one_done);
    });
  }
}

void MemberPublisher::tell(const target::TargetSet& former, const target::TargetSet& next,
                           const std::string& group) {
  const std::vector<std::size_t> added = missing_in(next, former);
  const std::vector<std::size_t> removed = missing_in(former, next);
  if (added.empty() && removed.empty()) {
    observe::log(Level::debug, "target group " + group + ": weights or zones changed");
    return;
  }
  observe::log(Level::info, "target group " + group + ": " + std::to_string(next.members.size()) +
                                " targets, " + std::to_string(added.size()) + " new, " +
                                std::to_string(removed.size()) + " leave");
  const bool is_told_singly = added.size() + removed.size() <= told_singly_max;
  const base::WallTime now = parts_.loop.clock.wall();
  const Level level = is_told_singly ? Level::info : Level::debug;
  const auto tell_one = [&](const target::TargetSet& set, std::size_t index, bool is_new) {
    const target::Target& target = *set.members[index].target;
    const std::string sources = set.origin(index).sources;
    if (observe::log_enabled(level)) {
      observe::log(level, "target " + group + " " + observe::escaped(target.id()) +
                              (is_new ? " is registered" : " leaves") + " (" + sources + ")");
    }
    if (!is_told_singly) return;
    Event event{.at = now,
                .type = is_new ? event_type::target_registered : event_type::target_deregistered,
                .target_group = group,
                .target = target.id()};
    event.fields = {{"source", sources}};
    parts_.events.add(std::move(event));
  };
  for (const std::size_t index : added) tell_one(next, index, true);
  for (const std::size_t index : removed) tell_one(former, index, false);
  if (is_told_singly) return;
  Event event{.at = now,
              .type = event_type::targets_changed,
              .target_group = group,
              .target = {},
              .fields = {}};
  event.fields = {{"registered", static_cast<std::int64_t>(added.size())},
                  {"deregistered", static_cast<std::int64_t>(removed.size())},
                  {"targets", static_cast<std::int64_t>(next.members.size())}};
  parts_.events.add(std::move(event));
}

}  // namespace sluice::control
