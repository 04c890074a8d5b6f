#include "control/discovery/last_good.h"

#include <algorithm>
#include <initializer_list>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "sluice/base/cidr.h"

namespace sluice::control::discovery {

namespace {

Member member_of(const Found& found) {
  Member member;
  member.id = found.id;
  member.endpoint = found.endpoint;
  member.weight = found.weight;
  member.zone = found.zone;
  member.is_leaving = found.is_leaving;
  return member;
}

std::unordered_set<std::string_view> ids_of(const std::vector<Member>& members) {
  std::unordered_set<std::string_view> ids;
  ids.reserve(members.size());
  for (const Member& member : members) ids.insert(member.id);
  return ids;
}

std::vector<base::Cidr> ranges_of(std::initializer_list<const char*> texts) {
  std::vector<base::Cidr> all;
  for (const char* text : texts) all.push_back(base::Cidr::parse(text).value());
  return all;
}

}  // namespace

bool is_refused_address(const net::Endpoint& endpoint, bool may_be_loopback) {
  static const auto ranges =
      ranges_of({"0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3", "::/128", "fe80::/10", "ff00::/8"});
  static const auto loopback = ranges_of({"127.0.0.0/8", "::1/128"});
  if (endpoint.family() != AF_INET && endpoint.family() != AF_INET6) return true;
  if (endpoint.port() == 0 || net::is_metadata_address(endpoint)) return true;
  const base::IpAddress address = endpoint.address();
  const auto holds = [&](const base::Cidr& range) { return range.contains(address); };
  return std::ranges::any_of(ranges, holds) ||
         (!may_be_loopback && std::ranges::any_of(loopback, holds));
}

LastGood::LastGood(Rule rule, SharedMembers inherited)
    : rule_(rule), members_(std::move(inherited)) {}

LastGood::Outcome LastGood::take(const Look& look, base::SteadyTime now) {
  Outcome outcome;
  if (!look.error.empty()) {
    outcome.result = Result::failure;
    hold(outcome, now);
    return outcome;
  }
  std::vector<Member> members = wanted(look, outcome);
  if (members.empty()) {
    outcome.result = Result::empty;
    hold(outcome, now);
    return outcome;
  }
  outcome.ends_hold = std::exchange(held_since_, std::nullopt).has_value();
  replace(std::move(members), outcome);
  return outcome;
}

// A target that one entry wants drained and another wants used is used.
std::vector<Member> LastGood::wanted(const Look& look, Outcome& outcome) const {
  std::vector<Member> members;
  std::unordered_map<std::string_view, std::size_t> places;
  for (const Found& found : look.targets) {
    if (is_refused_address(found.endpoint, rule_.may_be_loopback)) {
      if (outcome.refused++ == 0) outcome.refused_sample = found.id;
      continue;
    }
    const auto [place, is_new] = places.try_emplace(found.id, members.size());
    if (is_new) {
      members.push_back(member_of(found));
    } else if (members[place->second].is_leaving && !found.is_leaving) {
      members[place->second] = member_of(found);
    }
  }
  pass_over_surplus(members, outcome);
  return members;
}

// When there are too many, those that are there already come first: a target that serves is not
// taken away for one that is new.
void LastGood::pass_over_surplus(std::vector<Member>& members, Outcome& outcome) const {
  if (members.size() <= rule_.max_targets) return;
  outcome.surplus += members.size() - rule_.max_targets;
  std::unordered_set<std::string_view> known;
  if (members_ != nullptr) known = ids_of(*members_);
  std::ranges::sort(members, [&](const Member& one, const Member& other) {
    const bool is_one_known = known.contains(one.id);
    const bool is_other_known = known.contains(other.id);
    return is_one_known != is_other_known ? is_one_known : one.id < other.id;
  });
  members.erase(members.begin() + static_cast<std::ptrdiff_t>(rule_.max_targets), members.end());
}

void LastGood::replace(std::vector<Member> members, Outcome& outcome) {
  std::vector<std::string> lacking;
  if (members_ != nullptr) {
    const auto named = ids_of(members);
    std::size_t base = 0;
    std::vector<const Member*> lost;
    std::vector<const Member*> unconfirmed;
    for (const Member& member : *members_) {
      base += member.is_leaving ? 0 : 1;  // of one that was leaving nobody asks where it is
      if (named.contains(member.id) || member.is_leaving) continue;
      lost.push_back(&member);
      if (!std::ranges::binary_search(lacking_, member.id)) unconfirmed.push_back(&member);
    }
    if (lost.size() * 100 > base * rule_.shrink_percent) {
      for (const Member* member : unconfirmed) {
        lacking.push_back(member->id);
        members.push_back(*member);
      }
      pass_over_surplus(members, outcome);
    }
  }
  outcome.unconfirmed = lacking.size();
  // By id: name servers turn the order of their answers round, and that is no change.
  std::ranges::sort(members, {}, &Member::id);
  std::ranges::sort(lacking);
  lacking_ = std::move(lacking);
  if (members_ != nullptr && *members_ == members) return;
  members_ = std::make_shared<const std::vector<Member>>(std::move(members));
  outcome.is_changed = true;
}

void LastGood::hold(Outcome& outcome, base::SteadyTime now) {
  if (members_ == nullptr || members_->empty() || held_since_.has_value()) return;
  held_since_ = now;
  outcome.begins_hold = true;
}

std::optional<base::SteadyTime> LastGood::held_until() const {
  if (!held_since_.has_value() || rule_.hold.count() == 0) return std::nullopt;
  return *held_since_ + rule_.hold;
}

bool LastGood::expire(base::SteadyTime now) {
  const std::optional<base::SteadyTime> until = held_until();
  if (!until.has_value() || now < *until) return false;
  held_since_.reset();
  members_.reset();
  return true;
}

}  // namespace sluice::control::discovery
