#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

#include "route/table/index_node.h"

namespace sluice::route {
namespace {

// Fewer rules than this are tried one after the other.
constexpr std::size_t few = 8;
constexpr unsigned depth_max = 8;
// In the indexes below the first a way of more anchors would copy its rule too often.
constexpr std::size_t nested_way_max = 32;

std::string key_of(const Subject& subject) {
  return std::string(1, static_cast<char>('a' + static_cast<int>(subject.kind))) + subject.name;
}

std::string key_of(const Anchor& anchor) {
  std::string key = key_of(anchor.subject);
  key += '\0';
  key += static_cast<char>('a' + static_cast<int>(anchor.kind));
  return key += anchor.text;
}

using Frequencies = std::unordered_map<std::string, std::size_t>;

Frequencies count_anchors(const std::vector<IndexEntry>& entries) {
  Frequencies frequencies;
  for (const IndexEntry& entry : entries) {
    for (const Anchors* way : entry.ways) {
      for (const Anchor& anchor : *way) ++frequencies[key_of(anchor)];
    }
  }
  return frequencies;
}

// A search is made in every request, so it is the last that is chosen: behind a literal that many
// rules share it is made only in the requests that have that.
constexpr std::size_t search_cost = 1 << 20;

// How many other rules a request that has this anchor brings with it, roughly. What is short is in
// many requests that have nothing to do with the rule.
std::size_t cost_of(const Anchor& anchor, const Frequencies& frequencies) {
  const std::size_t sharing = frequencies.at(key_of(anchor));
  const std::size_t shortness = anchor.text.size() < 4 ? 32 : 4;
  switch (anchor.kind) {
    case Anchor::Kind::exact: return sharing;
    case Anchor::Kind::segments: return sharing + 1;
    case Anchor::Kind::start:
    case Anchor::Kind::end: return sharing + shortness;
    case Anchor::Kind::present: return sharing + 64;
    case Anchor::Kind::regex: return search_cost;
  }
  return sharing;
}

std::size_t cost_of(const Anchors& way, const Frequencies& frequencies) {
  std::size_t most = 0;
  for (const Anchor& anchor : way) most = std::max(most, cost_of(anchor, frequencies));
  return most + way.size() / 4;
}

// Collects anchors by subject, and makes the tables out of them.
class NodeBuilder {
 public:
  explicit NodeBuilder(unsigned depth) : depth_(depth) {}

  void add(IndexEntry entry, const Frequencies& frequencies) {
    std::erase_if(entry.ways, [&](const Anchors* way) {
      return way->empty() || (depth_ > 0 && way->size() > nested_way_max);
    });
    if (entry.ways.empty()) {
      always_.push_back(entry.listed());
      return;
    }
    const auto best = std::ranges::min_element(
        entry.ways, {}, [&](const Anchors* way) { return cost_of(*way, frequencies); });
    const Anchors* const way = *best;
    entry.ways.erase(best);
    for (const Anchor& anchor : *way) {
      std::vector<IndexEntry>& sharing = subjects_[key_of(anchor.subject)].add(anchor);
      // The same anchor may stand in a way twice.
      if (!sharing.empty() && sharing.back().rule == entry.rule) continue;
      sharing.push_back(entry);
      sharing.back().is_proven |= anchor.proves;
    }
  }

  std::unique_ptr<const IndexNode> build() {
    Names headers;
    Names parameters;
    Names cookies;
    for (auto& [key, collected] : subjects_) {
      std::unique_ptr<const SubjectIndex> index = make(collected);
      const auto number = static_cast<std::uint32_t>(node_->named.size());
      switch (collected.subject.kind) {
        case SubjectKind::header: headers.emplace_back(collected.subject.name, number); break;
        case SubjectKind::query: parameters.emplace_back(collected.subject.name, number); break;
        case SubjectKind::cookie: cookies.emplace_back(collected.subject.name, number); break;
        default:
          node_->nameless[static_cast<std::size_t>(collected.subject.kind)] = std::move(index);
          continue;
      }
      node_->named.push_back(std::move(index));
    }
    node_->headers = TextTable(headers, Case::ignored);
    node_->parameters = TextTable(parameters, Case::ignored);
    node_->cookies = TextTable(cookies, Case::counts);
    std::ranges::sort(always_);
    always_.erase(std::ranges::unique(always_).begin(), always_.end());
    node_->always = std::move(always_);
    return std::move(node_);
  }

 private:
  using Names = std::vector<std::pair<std::string, std::uint32_t>>;
  using ByText = std::map<std::string, std::vector<IndexEntry>>;

  struct Collected {
    Subject subject;
    std::map<Anchor::Kind, ByText> by_kind;
    std::vector<IndexEntry>& add(const Anchor& anchor) {
      subject = anchor.subject;
      return by_kind[anchor.kind][anchor.text];
    }
  };

  // The number of a new bucket with these.
  std::uint32_t put(std::vector<IndexEntry> entries) {
    Bucket bucket;
    const bool has_ways =
        std::ranges::any_of(entries, [](const IndexEntry& entry) { return !entry.ways.empty(); });
    if (entries.size() > few && has_ways && depth_ < depth_max) {
      bucket.narrower = build_index_node(std::move(entries), depth_ + 1);
    } else {
      bucket.only = entries.front().listed();
      bucket.count = static_cast<std::uint32_t>(entries.size());
      bucket.begin = static_cast<std::uint32_t>(node_->lists.size());
      if (bucket.count > 1) {
        for (const IndexEntry& entry : entries) node_->lists.push_back(entry.listed());
      }
    }
    node_->buckets.push_back(std::move(bucket));
    return static_cast<std::uint32_t>(node_->buckets.size() - 1);
  }

  Names put_all(ByText& texts) {
    Names names;
    for (auto& [text, entries] : texts) names.emplace_back(text, put(std::move(entries)));
    return names;
  }

  std::unique_ptr<const SubjectIndex> make(Collected& collected) {
    using enum Anchor::Kind;
    auto index = std::make_unique<SubjectIndex>();
    const Case letters = case_of(collected.subject.kind);
    for (auto& [text, entries] : collected.by_kind[present]) {
      index->present = put(std::move(entries));
    }
    index->exact = TextTable(put_all(collected.by_kind[exact]), letters);
    index->ends = Trie(put_all(collected.by_kind[end]), Direction::backward, letters);

    std::map<std::string, SubjectIndex::Beginning> beginnings;
    for (const auto& [text, bucket] : put_all(collected.by_kind[start])) {
      beginnings[text].start = bucket;
    }
    for (const auto& [text, bucket] : put_all(collected.by_kind[segments])) {
      beginnings[text].segments = bucket;
    }
    Names numbered;
    for (const auto& [text, beginning] : beginnings) {
      numbered.emplace_back(text, static_cast<std::uint32_t>(index->beginning_buckets.size()));
      index->beginning_buckets.push_back(beginning);
    }
    index->beginnings = Trie(std::move(numbered), Direction::forward, letters);
    make_set(collected.by_kind[regex], *index);
    return index;
  }

  void make_set(ByText& searches, SubjectIndex& index) {
    if (searches.empty()) return;
    std::vector<std::string> texts;
    for (const auto& search : searches) texts.push_back(search.first);
    index.set = RegexSet::compile(texts);
    for (auto& [text, entries] : searches) {
      if (index.set) {
        index.set_buckets.push_back(put(std::move(entries)));
      } else {
        // More than a set may hold: tried for every request.
        for (const IndexEntry& entry : entries) always_.push_back({entry.rule, false});
      }
    }
  }

  unsigned depth_;
  std::unique_ptr<IndexNode> node_ = std::make_unique<IndexNode>();
  std::vector<ListedRule> always_;
  std::map<std::string, Collected> subjects_;
};

}  // namespace

std::unique_ptr<const IndexNode> build_index_node(std::vector<IndexEntry> entries, unsigned depth) {
  const Frequencies frequencies = count_anchors(entries);
  NodeBuilder builder(depth);
  for (IndexEntry& entry : entries) builder.add(std::move(entry), frequencies);
  return builder.build();
}

}  // namespace sluice::route
