// Which rules may match a request, found in a time that does not depend on how many there are.
//
// Each rule has ways: sets of anchors (anchor.h), one of which is in every request that the rule
// matches. The index takes one way of each rule, the one that it shares with the fewest others, and
// keeps the rule under each anchor of it: texts in hash tables, beginnings, ends, segments and
// address ranges in tries, expressions in one set per subject. Where many rules share an anchor
// they have an index of their own, by their other ways. Rules without any way are candidates
// for every request.
//
// Built on the control thread, then constant and asked by all workers. No allocation, but when a
// set of expressions finds one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "route/anchor.h"
#include "sluice/route/condition.h"
#include "sluice/route/match_input.h"

namespace sluice::route {

class IndexNode;

// A rule in a list: its number, and whether what led to the list proves that it matches.
struct ListedRule {
  std::uint32_t number_and_proof = 0;  // in the order of numbers
  ListedRule() = default;
  ListedRule(std::uint32_t number, bool is_proven)
      : number_and_proof(number * 2 + static_cast<std::uint32_t>(is_proven)) {}
  [[nodiscard]] std::uint32_t number() const { return number_and_proof / 2; }
  [[nodiscard]] bool is_proven() const { return number_and_proof % 2 != 0; }
  friend auto operator<=>(const ListedRule&, const ListedRule&) = default;
};

// The candidates of one request, as lists of rules, each in order. When a request has something of
// very many different rules, it is cheaper to try all rules than to collect.
class Candidates {
 public:
  void add_list(std::span<const ListedRule> rules);
  void add_node(const IndexNode* node);
  [[nodiscard]] bool is_overfull() const { return overfull_; }
  [[nodiscard]] const IndexNode* next_node() {
    return nodes_done_ < node_count_ ? nodes_[nodes_done_++] : nullptr;
  }
  // The next rule in order, each once; false when there is none.
  [[nodiscard]] bool take(ListedRule& rule);

 private:
  static constexpr std::size_t most = 64;
  struct List {
    const ListedRule* next;
    const ListedRule* end;
  };
  std::array<List, most> lists_;
  std::array<const IndexNode*, most> nodes_;
  std::size_t list_count_ = 0;
  std::size_t node_count_ = 0;
  std::size_t nodes_done_ = 0;
  std::int64_t last_ = -1;
  bool overfull_ = false;
};

class TableIndex {
 public:
  // `ways[i]` are those of rule i, in the order in which rules are tried. An anchor that `proves`
  // does so of the whole rule.
  explicit TableIndex(const std::vector<std::vector<Anchors>>& ways);
  ~TableIndex();
  TableIndex(const TableIndex&) = delete;
  TableIndex& operator=(const TableIndex&) = delete;

  // The first rule for which `holds(i)` is true, among those that may match; `count` when there is
  // none. `holds` is asked in the order of the rules, and neither for all that do not match nor for
  // those that are proven.
  template <typename Holds>
  [[nodiscard]] std::size_t first(const MatchInput& input, Holds holds) const {
    Candidates candidates;
    collect(input, candidates);
    if (candidates.is_overfull()) {
      for (std::size_t rule = 0; rule < count_; ++rule) {
        if (holds(rule)) return rule;
      }
      return count_;
    }
    ListedRule rule;
    while (candidates.take(rule)) {
      if (rule.is_proven() || holds(rule.number())) return rule.number();
    }
    return count_;
  }

 private:
  void collect(const MatchInput& input, Candidates& candidates) const;

  std::size_t count_;
  std::unique_ptr<const IndexNode> root_;
};

}  // namespace sluice::route
