#include "control/discovery/settings.h"

#include <chrono>
#include <optional>
#include <string_view>

#include "control/discovery/kinds.h"

namespace sluice::control::discovery {

namespace {

using config::Node;
using config::Problems;

constexpr std::chrono::hours longest_hold{24 * 365};
constexpr std::size_t most_targets = 100'000;

std::string names_of_kinds() {
  std::string names;
  for (const Kind& kind : kinds()) {
    if (!names.empty()) names += ", ";
    names += kind.name;
  }
  return names;
}

// The one kind of an entry; null, reported, when there is none or more than one.
const Kind* find_kind(const Node& node, Problems& problems) {
  const Kind* found = nullptr;
  for (const Kind& kind : kinds()) {
    if (!node.get_section(kind.name)) continue;
    if (found != nullptr) {
      node.error("has both " + std::string(found->name) + " and " + std::string(kind.name) +
                     "; an entry has one kind of source, write two entries",
                 problems);
      return nullptr;
    }
    found = &kind;
  }
  if (found == nullptr) {
    node.error("names no source; an entry has one of " + names_of_kinds(), problems);
  }
  return found;
}

void read_rule(const Node& node, Rule& rule, Problems& problems) {
  if (const auto hold = node.get("hold")) {
    if (const auto value = hold->as_duration(config::Milliseconds(0), longest_hold, problems)) {
      rule.hold = *value;
    }
  }
  if (const auto shrink = node.get("shrink_percent")) {
    if (const auto value = shrink->as_integer(0, 100, problems)) {
      rule.shrink_percent = static_cast<std::uint32_t>(*value);
    }
  }
  if (const auto most = node.get("max_targets")) {
    if (const auto value = most->as_integer(1, most_targets, problems)) {
      rule.max_targets = static_cast<std::size_t>(*value);
    }
  }
}

std::optional<Entry> read_entry(const Node& node, Problems& problems) {
  if (node.kind() != Node::Kind::mapping) {
    node.error("must be a mapping with one of " + names_of_kinds() + ", not " + node.quoted(),
               problems);
    return std::nullopt;
  }
  std::vector<std::string_view> known;
  for (const Kind& kind : kinds()) known.push_back(kind.name);
  known.insert(known.end(), {"hold", "shrink_percent", "max_targets"});
  node.allow_keys(known, {}, problems);
  Entry entry;
  read_rule(node, entry.rule, problems);
  const Kind* const kind = find_kind(node, problems);
  if (kind == nullptr) return std::nullopt;
  const std::optional<Node> settings = node.get_section(kind->name);
  if (settings->kind() != Node::Kind::mapping) {
    settings->error("must be a mapping, not " + settings->quoted(), problems);
    return std::nullopt;
  }
  entry.source = kind->read(*settings, problems);
  if (entry.source == nullptr) return std::nullopt;
  entry.rule.may_be_loopback = entry.source->may_name_loopback();
  return entry;
}

}  // namespace

std::vector<Entry> read_entries(const std::vector<Node>& items, Problems& problems) {
  std::vector<Entry> entries;
  std::map<std::string, config::Position> first;
  for (const Node& item : items) {
    std::optional<Entry> entry = read_entry(item, problems);
    if (!entry.has_value()) continue;
    const auto [known, is_new] = first.try_emplace(entry->key(), item.position());
    if (is_new) {
      entries.push_back(std::move(*entry));
    } else {
      item.error("duplicate source; the same is at line " + std::to_string(known->second.line),
                 problems);
    }
  }
  return entries;
}

}  // namespace sluice::control::discovery
