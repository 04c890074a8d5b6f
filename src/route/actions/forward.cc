// forward: GROUP - one target group takes the request.
// forward: { groups: [ { group: blue, weight: 90 }, { group: green, weight: 10 } ],
//            stickiness: { duration: 1h }, fallback: true } - one of several, by weight.
#include <algorithm>

#include "route/actions/makers.h"
#include "route/group_name.h"
#include "route/kind.h"
#include "sluice/base/hash.h"
#include "sluice/base/text.h"
#include "sluice/config/stickiness.h"

namespace sluice::route {
namespace {

using NodeKind = config::Node::Kind;

constexpr std::uint32_t weight_max = 999;  // as in ALB

std::optional<Forward::To> read_group(const config::Node& value, const GroupLookup& groups,
                                      config::Problems& problems) {
  auto named = read_group_name(value, groups, problems);
  if (!named) return std::nullopt;
  return Forward::To{.group = named->index, .name = std::move(named->name)};
}

// One of several. False when a problem was recorded.
bool add_group(const config::Node& item, const GroupLookup& groups, Forward& forward,
               config::Problems& problems) {
  if (item.kind() != NodeKind::mapping) {
    item.error("must be a mapping such as { group: blue, weight: 90 }, not " + item.quoted(),
               problems);
    return false;
  }
  item.allow_keys({"group", "weight"}, problems);
  const auto weight_node = item.get("weight");
  const auto weight = weight_node ? weight_node->as_integer(0, weight_max, problems) : 1;
  const auto name = item.get("group");
  if (!name) {
    problems.error(item.position(), item.path_of("group"),
                   "missing; it must be the name of a target group");
  }
  auto to = name ? read_group(*name, groups, problems) : std::nullopt;
  if (!to || !weight) return false;
  if (forward.find(to->name)) {
    name->error("duplicate target group '" + to->name + "'; its weight stands in one place",
                problems);
    return false;
  }
  const std::uint64_t before = forward.groups.empty() ? 0 : forward.groups.back().up_to;
  to->weight = static_cast<std::uint32_t>(*weight);
  to->up_to = before + *weight;
  forward.groups.push_back(*std::move(to));
  return true;
}

bool read_groups(const config::Node& value, const GroupLookup& groups, Forward& forward,
                 config::Problems& problems) {
  const auto list = value.get("groups");
  if (!list) {
    problems.error(value.position(), value.path_of("groups"),
                   "missing; it must be a list such as [ { group: blue, weight: 90 }, { group: "
                   "green, weight: 10 } ]");
    return false;
  }
  if (list->kind() != NodeKind::sequence || list->items().empty()) {
    list->error("must be a list of at least one group such as { group: blue, weight: 90 }, not " +
                    (list->kind() == NodeKind::sequence ? "an empty list" : list->quoted()),
                problems);
    return false;
  }
  bool good = true;
  for (const config::Node& item : list->items()) {
    if (!add_group(item, groups, forward, problems)) good = false;
  }
  if (good && forward.groups.back().up_to == 0) {
    list->error(
        "must have a group with a weight from 1 to 999: with 0 alone nobody takes new "
        "sessions",
        problems);
    good = false;
  }
  return good;
}

// Each request would find a group that does not know its session. ALB refuses such a rule; here the
// sessions may be mere caches.
void warn_of_lost_sessions(const config::Node& value, const GroupLookup& groups,
                           const Forward& forward, config::Problems& problems) {
  if (forward.stickiness || forward.groups.size() < 2) return;
  const auto sticky = std::ranges::find_if(
      forward.groups, [&](const Forward::To& to) { return groups.is_sticky(to.group); });
  if (sticky == forward.groups.end()) return;
  value.warning("target group '" + sticky->name +
                    "' has stickiness, but each request may go to another group: add stickiness "
                    "here, too",
                problems);
}

}  // namespace

std::optional<Action> make_forward(const config::Node& value, const GroupLookup& groups,
                                   config::Problems& problems) {
  Forward forward;
  if (value.kind() == NodeKind::sequence) {
    value.error(
        "must be the name of a target group, or a mapping such as { groups: [ { group: blue, "
        "weight: 90 }, { group: green, weight: 10 } ] }, not a list",
        problems);
    return std::nullopt;
  }
  if (value.kind() != NodeKind::mapping) {
    auto only = read_group(value, groups, problems);
    if (!only) return std::nullopt;
    forward.groups.push_back(*std::move(only));
    return forward;
  }
  value.allow_keys({"groups", "stickiness", "fallback"}, problems);
  const bool good = read_groups(value, groups, forward, problems);
  if (const auto stickiness = value.get_section("stickiness")) {
    config::read_group_stickiness(*stickiness, forward.stickiness.emplace(), problems);
  }
  if (const auto fallback = value.get("fallback")) {
    forward.fallback = fallback->as_bool(problems).value_or(false);
  }
  if (!good) return std::nullopt;
  warn_of_lost_sessions(value, groups, forward, problems);
  return forward;
}

std::size_t Forward::draw(std::uint64_t random) const {
  if (groups.size() == 1) return 0;
  // The sum is far below 2^32: a configuration file has some 100,000 groups at most.
  const std::uint64_t point = (random >> 32) * groups.back().up_to >> 32;
  const auto drawn = std::ranges::upper_bound(groups, point, {}, &To::up_to);
  return static_cast<std::size_t>(drawn - groups.begin());
}

std::optional<std::size_t> Forward::find(std::string_view name) const {
  const auto found = std::ranges::find(groups, name, &To::name);
  if (found == groups.end()) return std::nullopt;
  return static_cast<std::size_t>(found - groups.begin());
}

void name_group_cookie(Forward& forward, std::string_view listener, std::string_view rule) {
  if (!forward.stickiness || !forward.stickiness->cookie.cookie_name.empty()) return;
  std::string text(listener);
  text.append("/").append(rule);  // neither name has a slash
  std::string name = "SLUICETG-";
  base::append_hex(name, base::hash(text));
  forward.stickiness->cookie.cookie_name = std::move(name);
}

}  // namespace sluice::route
