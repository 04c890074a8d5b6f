// One level of an index: what it looks for, and the rules behind it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "route/subject.h"
#include "route/table/index.h"
#include "route/table/text_table.h"
#include "route/table/trie.h"
#include "sluice/route/regex.h"

namespace sluice::route {

// Rules that share an anchor: one, a list, or an index by something else. One is the usual case,
// and every step to other memory counts.
struct Bucket {
  ListedRule only;
  std::uint32_t count = 0;  // 1: `only`; 0: `narrower`
  std::uint32_t begin = 0;  // of others, in the node's `lists`, in order
  std::unique_ptr<const IndexNode> narrower;
};

// The anchors of one subject. Numbers are those of buckets in the node.
struct SubjectIndex {
  struct Beginning {
    std::uint32_t start = nowhere;
    std::uint32_t segments = nowhere;
  };
  std::uint32_t present = nowhere;
  TextTable exact;
  Trie beginnings;  // its numbers are those of `beginning_buckets`
  std::vector<Beginning> beginning_buckets;
  Trie ends;
  std::optional<RegexSet> set;
  std::vector<std::uint32_t> set_buckets;  // by place in the set
};

class IndexNode {
 public:
  void collect(const MatchInput& input, Candidates& candidates) const;

  // --- filled by index_builder.cc
  std::vector<Bucket> buckets;
  std::vector<ListedRule> lists;
  std::vector<ListedRule> always;  // rules that nothing is known of here, in order
  std::array<std::unique_ptr<const SubjectIndex>, nameless_subjects> nameless;
  // By name, in this order; numbers are those of `named`.
  TextTable headers{};
  TextTable parameters{};
  TextTable cookies{};
  std::vector<std::unique_ptr<const SubjectIndex>> named;

 private:
  void add(std::uint32_t bucket, Candidates& candidates) const;
  void look_up(const SubjectIndex& index, std::string_view value, Candidates& candidates) const;
  void look_up_client(const SubjectIndex& index, const MatchInput& input,
                      Candidates& candidates) const;
  void collect_headers(const MatchInput& input, Candidates& candidates) const;
  void collect_query(const MatchInput& input, Candidates& candidates) const;
};

// `rules` with the ways that are still to be used for each.
struct IndexEntry {
  std::uint32_t rule = 0;
  bool is_proven = false;  // by what led to this level
  std::vector<const Anchors*> ways;
  [[nodiscard]] ListedRule listed() const { return {rule, is_proven}; }
};
[[nodiscard]] std::unique_ptr<const IndexNode> build_index_node(std::vector<IndexEntry> entries,
                                                                unsigned depth);

}  // namespace sluice::route
