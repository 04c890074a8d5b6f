#include "route/table/index.h"

#include "route/address_digits.h"
#include "route/table/index_node.h"

namespace sluice::route {

void Candidates::add_list(std::span<const ListedRule> rules) {
  if (rules.empty()) return;
  for (std::size_t i = 0; i < list_count_; ++i) {
    if (lists_[i].next == rules.data()) return;
  }
  if (list_count_ == most) {
    overfull_ = true;
    return;
  }
  lists_[list_count_++] = {rules.data(), rules.data() + rules.size()};
}

void Candidates::add_node(const IndexNode* node) {
  for (std::size_t i = 0; i < node_count_; ++i) {
    if (nodes_[i] == node) return;
  }
  if (node_count_ == most) {
    overfull_ = true;
    return;
  }
  nodes_[node_count_++] = node;
}

bool Candidates::take(ListedRule& rule) {
  while (list_count_ > 0) {
    std::size_t least = 0;
    for (std::size_t i = 1; i < list_count_; ++i) {
      if (*lists_[i].next < *lists_[least].next) least = i;
    }
    rule = *lists_[least].next++;
    if (lists_[least].next == lists_[least].end) lists_[least] = lists_[--list_count_];
    if (rule.number() == last_) continue;  // from another list, too
    last_ = rule.number();
    return true;
  }
  return false;
}

TableIndex::TableIndex(const std::vector<std::vector<Anchors>>& ways) : count_(ways.size()) {
  std::vector<IndexEntry> entries;
  entries.reserve(ways.size());
  for (std::uint32_t rule = 0; rule < ways.size(); ++rule) {
    IndexEntry& entry = entries.emplace_back(IndexEntry{rule, false, {}});
    for (const Anchors& way : ways[rule]) entry.ways.push_back(&way);
  }
  root_ = build_index_node(std::move(entries), 0);
}

TableIndex::~TableIndex() = default;

void TableIndex::collect(const MatchInput& input, Candidates& candidates) const {
  candidates.add_node(root_.get());
  while (const IndexNode* node = candidates.next_node()) {
    if (candidates.is_overfull()) return;
    node->collect(input, candidates);
  }
}

void IndexNode::add(std::uint32_t bucket, Candidates& candidates) const {
  if (bucket == nowhere) return;
  const Bucket& found = buckets[bucket];
  if (found.count == 0) {
    candidates.add_node(found.narrower.get());
  } else {
    const ListedRule* const first = found.count == 1 ? &found.only : &lists[found.begin];
    candidates.add_list({first, found.count});
  }
}

void IndexNode::look_up(const SubjectIndex& index, std::string_view value,
                        Candidates& candidates) const {
  add(index.present, candidates);
  add(index.exact.find(value), candidates);
  index.beginnings.walk(value, [&](std::uint32_t number, std::size_t size) {
    const SubjectIndex::Beginning& beginning = index.beginning_buckets[number];
    add(beginning.start, candidates);
    if (size == value.size() || value[size] == '/') add(beginning.segments, candidates);
  });
  index.ends.walk(value, [&](std::uint32_t bucket, std::size_t) { add(bucket, candidates); });
  if (!index.set) return;
  if (const std::vector<int>* found = index.set->find_in(value)) {
    for (const int place : *found) {
      add(index.set_buckets[static_cast<std::size_t>(place)], candidates);
    }
  } else {
    for (const std::uint32_t bucket : index.set_buckets) add(bucket, candidates);
  }
}

void IndexNode::look_up_client(const SubjectIndex& index, const MatchInput& input,
                               Candidates& candidates) const {
  const AddressDigits digits(input.client);
  index.beginnings.walk(digits.text(), [&](std::uint32_t number, std::size_t) {
    add(index.beginning_buckets[number].start, candidates);
  });
}

void IndexNode::collect_headers(const MatchInput& input, Candidates& candidates) const {
  for (const http::Field& field : input.head.fields) {
    const std::uint32_t number = headers.find(field.name);
    if (number != nowhere) look_up(*named[number], field.value, candidates);
    if (cookies.is_empty() || field.known != http::FieldName::cookie) continue;
    std::string_view rest = field.value;
    while (const auto cookie = http::take_cookie(rest)) {
      const std::uint32_t known = cookies.find(cookie->name);
      if (known != nowhere) look_up(*named[known], cookie->value, candidates);
    }
  }
}

void IndexNode::collect_query(const MatchInput& input, Candidates& candidates) const {
  const auto* any = nameless[static_cast<std::size_t>(SubjectKind::query_value)].get();
  if (any == nullptr && parameters.is_empty()) return;
  Parameters all(input.head.query);
  while (const auto parameter = all.next()) {
    if (any != nullptr) {
      look_up(*any, parameter->has_equals ? parameter->value : parameter->key, candidates);
    }
    const std::uint32_t number = parameters.find(parameter->key);
    if (number != nowhere) look_up(*named[number], parameter->value, candidates);
  }
}

void IndexNode::collect(const MatchInput& input, Candidates& candidates) const {
  candidates.add_list(always);
  for (std::size_t i = 0; i < nameless.size(); ++i) {
    const auto kind = static_cast<SubjectKind>(i);
    if (nameless[i] == nullptr || kind == SubjectKind::query_value) continue;
    if (kind == SubjectKind::client) {
      look_up_client(*nameless[i], input, candidates);
      continue;
    }
    (void)any_value(kind, {}, input, [&](std::string_view value) {
      look_up(*nameless[i], value, candidates);
      return false;
    });
  }
  if (!headers.is_empty() || !cookies.is_empty()) collect_headers(input, candidates);
  collect_query(input, candidates);
}

}  // namespace sluice::route
