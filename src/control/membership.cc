#include "sluice/control/membership.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <utility>

namespace sluice::control {

// Every target that somebody names, in the order of those who do.
struct Membership::Merged {
  struct Entry {
    const Member* member;  // as the first that names it has it
    target::TargetSet::Origin origin;
    std::uint32_t weight = 1;
    bool is_leaving = false;
  };

  void add(const Member& member, std::string_view source);
  static void apply(Entry& entry, const MemberOverride& value);

  std::vector<Entry> entries;
  std::unordered_map<std::string_view, std::size_t> index_of;
};

void Membership::Merged::add(const Member& member, std::string_view source) {
  const auto [known, is_new] = index_of.try_emplace(member.id, entries.size());
  if (is_new) {
    entries.push_back({.member = &member,
                       .origin = {std::string(source), member.zone},
                       .weight = member.weight,
                       .is_leaving = member.is_leaving});
    return;
  }
  Entry& entry = entries[known->second];
  std::string& sources = entry.origin.sources;
  // Two sources of one kind are named once: the sources of a group are few, and come in order.
  const std::size_t last = sources.rfind(',');
  const std::string_view last_source =
      std::string_view(sources).substr(last == std::string::npos ? 0 : last + 1);
  if (last_source != source) sources.append(1, ',').append(source);
  if (entry.origin.zone.empty()) entry.origin.zone = member.zone;
  entry.is_leaving = entry.is_leaving && member.is_leaving;
}

void Membership::Merged::apply(Entry& entry, const MemberOverride& value) {
  entry.weight = value.weight.value_or(entry.weight);
  entry.is_leaving = entry.is_leaving || value.is_draining;
}

Membership::Merged Membership::merge(const std::vector<Member>& configured, const ApiMembers& api,
                                     const std::vector<Found>& discovered,
                                     const Overrides& overrides) {
  Merged merged;
  for (const Member& member : configured) merged.add(member, "config");
  for (const auto& [id, member] : api) merged.add(member, "api");
  for (const Found& found : discovered) {
    if (found.members == nullptr) continue;
    for (const Member& member : *found.members) merged.add(member, found.source.kind);
  }
  for (const auto& [id, value] : overrides) {
    const auto known = merged.index_of.find(id);
    if (known == merged.index_of.end()) continue;
    Merged::apply(merged.entries[known->second], value);
  }
  return merged;
}

std::shared_ptr<const target::TargetSet> Membership::make_set(const std::string& group,
                                                              const Merged& merged) {
  auto set = std::make_shared<target::TargetSet>();
  set->members.reserve(merged.entries.size());
  set->origins.reserve(merged.entries.size());
  for (const Merged::Entry& entry : merged.entries) {
    if (entry.is_leaving) continue;
    set->members.push_back(
        {registry_.find_or_make(group, entry.member->id, entry.member->endpoint), entry.weight});
    set->origins.push_back(entry.origin);
  }
  return set;
}

const Membership::State* Membership::find(std::string_view group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? nullptr : &found->second;
}

void Membership::changed(const std::string& group, const State& state) const {
  if (state.is_configured && on_change_) on_change_(group);
}

// --- the configuration --------------------------------------------------------------------------

// A source whose settings changed goes on with what the former one of its kind has found: a reload
// empties no group. The pairs are those that are left over, in order.
std::vector<Membership::Found> Membership::adopt(const std::vector<Found>& former,
                                                 const std::vector<Source>& sources) {
  std::vector<Found> adopted;
  std::vector<bool> is_taken(former.size(), false);
  for (const Source& source : sources) {
    adopted.push_back({source, nullptr});
    const auto known = std::ranges::find_if(
        former, [&](const Found& one) { return one.source.key == source.key; });
    if (known == former.end()) continue;
    adopted.back().members = known->members;
    is_taken[static_cast<std::size_t>(known - former.begin())] = true;
  }
  for (Found& one : adopted) {
    const bool is_new = std::ranges::none_of(
        former, [&](const Found& known) { return known.source.key == one.source.key; });
    for (std::size_t i = 0; is_new && i < former.size(); ++i) {
      if (is_taken[i] || former[i].source.kind != one.source.kind) continue;
      one.members = former[i].members;
      is_taken[i] = true;
      break;
    }
  }
  return adopted;
}

void Membership::take_over(Plan plan) {
  for (auto& [name, state] : groups_) {
    if (plan.contains(name)) continue;
    state.is_configured = false;
    state.configured.clear();
    state.discovered.clear();
  }
  for (auto& [name, group] : plan) {
    State& state = groups_[name];
    state.is_configured = true;
    state.configured = std::move(group.configured);
    state.discovered = adopt(state.discovered, group.sources);
  }
  std::erase_if(groups_, [](const auto& item) {
    const State& state = item.second;
    return !state.is_configured && state.api.empty() && state.overrides.empty();
  });
}

bool Membership::is_configured(std::string_view group) const {
  const State* const state = find(group);
  return state != nullptr && state->is_configured;
}

// --- discovery ----------------------------------------------------------------------------------

void Membership::set_discovered(const std::string& group, std::string_view key,
                                SharedMembers members) {
  const auto known = groups_.find(group);
  if (known == groups_.end()) return;
  auto& all = known->second.discovered;
  const auto found =
      std::ranges::find_if(all, [&](const Found& one) { return one.source.key == key; });
  if (found == all.end()) return;
  found->members = std::move(members);
  changed(group, known->second);
}

SharedMembers Membership::discovered(std::string_view group, std::string_view key) const {
  const State* const state = find(group);
  if (state == nullptr) return nullptr;
  for (const Found& one : state->discovered) {
    if (one.source.key == key) return one.members;
  }
  return nullptr;
}

// --- the admin API ------------------------------------------------------------------------------

void Membership::set_api(const std::string& group, std::vector<Member> members) {
  ApiMembers all;
  for (Member& member : members) {
    std::string id = member.id;
    all.insert_or_assign(std::move(id), std::move(member));
  }
  State& state = groups_[group];
  if (state.api == all) return;
  state.api = std::move(all);
  changed(group, state);
}

void Membership::put_api(const std::string& group, Member member) {
  State& state = groups_[group];
  const auto [known, is_new] = state.api.try_emplace(member.id, member);
  if (!is_new) {
    if (known->second == member) return;
    known->second = std::move(member);
  }
  changed(group, state);
}

bool Membership::remove_api(const std::string& group, std::string_view id) {
  const auto known = groups_.find(group);
  if (known == groups_.end()) return false;
  const auto member = known->second.api.find(id);
  if (member == known->second.api.end()) return false;
  known->second.api.erase(member);
  changed(group, known->second);
  return true;
}

const Membership::ApiMembers& Membership::api(std::string_view group) const {
  static const ApiMembers none;
  const State* const state = find(group);
  return state == nullptr ? none : state->api;
}

void Membership::set_override(const std::string& group, const std::string& id,
                              std::optional<MemberOverride> value) {
  State& state = groups_[group];
  if (value.has_value()) {
    const auto [known, is_new] = state.overrides.try_emplace(id, *value);
    if (!is_new && known->second == *value) return;
    known->second = *value;
  } else if (state.overrides.erase(id) == 0) {
    return;
  }
  changed(group, state);
}

const Membership::Overrides& Membership::overrides(std::string_view group) const {
  static const Overrides none;
  const State* const state = find(group);
  return state == nullptr ? none : state->overrides;
}

// Looks at the lists as they are: adding up a group of thousands for each request would cost more
// than the request.
std::optional<Membership::Named> Membership::named(std::string_view group,
                                                   std::string_view id) const {
  const State* const state = find(group);
  if (state == nullptr) return std::nullopt;
  Merged merged;
  const auto add_from = [&](const std::vector<Member>& members, std::string_view source) {
    const auto member = std::ranges::find(members, id, &Member::id);
    if (member != members.end()) merged.add(*member, source);
  };
  add_from(state->configured, "config");
  const auto registered = state->api.find(id);
  if (registered != state->api.end()) merged.add(registered->second, "api");
  for (const Found& found : state->discovered) {
    if (found.members != nullptr) add_from(*found.members, found.source.kind);
  }
  if (merged.entries.empty()) return std::nullopt;
  Merged::Entry& entry = merged.entries.front();
  const auto value = state->overrides.find(id);
  if (value != state->overrides.end()) merged.apply(entry, value->second);
  return Named{.sources = entry.origin.sources,
               .zone = entry.origin.zone,
               .endpoint = entry.member->endpoint,
               .weight = entry.weight,
               .is_leaving = entry.is_leaving};
}

std::vector<std::string> Membership::groups_of_api() const {
  std::vector<std::string> groups;
  for (const auto& [name, state] : groups_) {
    if (!state.api.empty() || !state.overrides.empty()) groups.push_back(name);
  }
  return groups;
}

// --- what it adds up to -------------------------------------------------------------------------

std::shared_ptr<const target::TargetSet> Membership::set_of(const std::string& group) {
  const State* const state = find(group);
  if (state == nullptr) return std::make_shared<const target::TargetSet>();
  return make_set(group, merge(state->configured, state->api, state->discovered, state->overrides));
}

std::shared_ptr<const target::TargetSet> Membership::set_of(const std::string& group,
                                                            const GroupPlan& plan) {
  static const State none;
  const State* const known = find(group);
  const State& state = known == nullptr ? none : *known;
  const std::vector<Found> discovered = adopt(state.discovered, plan.sources);
  return make_set(group, merge(plan.configured, state.api, discovered, state.overrides));
}

void Membership::add_held_back(std::string_view group, std::vector<TargetStatus>& all) const {
  const State* const state = find(group);
  if (state == nullptr || !state->is_configured) return;
  const Merged merged = merge(state->configured, state->api, state->discovered, state->overrides);
  for (const Merged::Entry& entry : merged.entries) {
    if (!entry.is_leaving) continue;
    const auto same = [&](const TargetStatus& status) { return status.id == entry.member->id; };
    if (std::ranges::any_of(all, same)) continue;  // something is under way there
    TargetStatus status;
    status.id = entry.member->id;
    status.address = entry.member->endpoint.text();
    status.weight = entry.weight;
    status.sources = entry.origin.sources;
    status.zone = entry.origin.zone;
    status.state = target::State::draining;
    status.reason = target::StateReason::deregistration_in_progress;
    status.deregistration_remaining = std::chrono::seconds(0);
    all.push_back(std::move(status));
  }
}

}  // namespace sluice::control
