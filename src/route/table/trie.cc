#include "route/table/trie.h"

#include <algorithm>

namespace sluice::route {

Trie::Trie(std::vector<Entry> entries, Direction direction, Case letters)
    : direction_(direction), letters_(letters) {
  if (entries.empty()) return;
  if (direction == Direction::backward) {
    for (Entry& entry : entries) std::ranges::reverse(entry.first);
  }
  std::ranges::sort(entries);
  nodes_.emplace_back();
  first_bytes_ += '\0';  // the root is nobody's child
  fill(0, entries.data(), entries.data() + entries.size(), 0);
}

// The entries, which are sorted and alike before `from`, below `node`. As deep as the longest text
// at most.
void Trie::fill(std::uint32_t node, const Entry* begin, const Entry* end, std::size_t from) {
  // Sorted: what the first and the last have in common, all have.
  const std::string& first = begin->first;
  const std::string& last = (end - 1)->first;
  std::size_t to = from;
  while (to < first.size() && to < last.size() && first[to] == last[to]) ++to;
  nodes_[node].label = static_cast<std::uint32_t>(labels_.size());
  nodes_[node].label_size = static_cast<std::uint32_t>(to - from);
  if (to - from <= nodes_[node].short_label.size()) {
    first.copy(nodes_[node].short_label.data(), to - from, from);
  } else {
    labels_.append(first, from, to - from);
  }
  if (first.size() == to) nodes_[node].number = (begin++)->second;

  std::vector<const Entry*> groups;
  for (const Entry* entry = begin; entry != end; ++entry) {
    if (groups.empty() || entry->first[to] != groups.back()->first[to]) groups.push_back(entry);
  }
  const auto children = static_cast<std::uint32_t>(nodes_.size());
  nodes_[node].first_child = children;
  nodes_[node].children = static_cast<std::uint32_t>(groups.size());
  for (const Entry* group : groups) first_bytes_ += group->first[to];
  nodes_.resize(nodes_.size() + groups.size());
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    fill(children + i, groups[i], i + 1 < groups.size() ? groups[i + 1] : end, to);
  }
}

}  // namespace sluice::route
