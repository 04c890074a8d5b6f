#include "balance/weighted_draw.h"

namespace sluice::balance {
namespace {

// What of a column of size `whole` its own member takes, of 2^32.
std::uint32_t part_of(std::uint64_t own, std::uint64_t whole) {
  constexpr double unit = 4294967296.0;
  return static_cast<std::uint32_t>(static_cast<double>(own) / static_cast<double>(whole) * unit);
}

}  // namespace

void WeightedDraw::reset(const target::TargetSet& set) {
  columns_.clear();
  std::uint64_t whole = 0;  // the sum of the weights; that many units are in each column
  for (std::uint32_t i = 0; i < set.members.size(); ++i) {
    if (set.members[i].weight == 0) continue;
    columns_.push_back({.own_part = 0, .own = i, .other = i});
    whole += set.members[i].weight;
  }
  // A member has n units for each of its weight; what does not fill its column is filled up from
  // one that has more than a column.
  const std::uint64_t n = columns_.size();
  std::vector<std::uint64_t> units(n);
  std::vector<std::size_t> small;
  std::vector<std::size_t> large;
  for (std::size_t i = 0; i < n; ++i) {
    units[i] = set.members[columns_[i].own].weight * n;
    (units[i] < whole ? small : large).push_back(i);
  }
  while (!small.empty()) {
    const std::size_t filled = small.back();
    const std::size_t giver = large.back();  // what is left fills whole columns: there is one
    small.pop_back();
    columns_[filled].own_part = part_of(units[filled], whole);
    columns_[filled].other = columns_[giver].own;
    units[giver] -= whole - units[filled];
    if (units[giver] < whole) {
      large.pop_back();
      small.push_back(giver);
    }
  }
}

std::optional<std::size_t> WeightedDraw::draw(const target::TargetSet& set, Excluded excluded,
                                              RandomBits& random,
                                              std::optional<std::size_t> besides) const {
  const auto may_be_drawn = [&](std::size_t index) {
    return index != besides && !is_excluded(set.members[index], excluded);
  };
  // Drawing again until it fits does not shift the odds of those that fit. After a few draws in
  // vain they are looked up, so that there is always an end.
  constexpr int tries = 4;
  for (int i = 0; i < tries && !columns_.empty(); ++i) {
    const std::uint64_t bits = random.next();
    const Column& column = columns_[(bits >> 32) * columns_.size() >> 32];
    const bool is_own = static_cast<std::uint32_t>(bits) < column.own_part;
    const std::size_t index = is_own ? column.own : column.other;
    if (may_be_drawn(index)) return index;
  }
  std::uint64_t whole = 0;
  for (const Column& column : columns_) {
    if (may_be_drawn(column.own)) whole += set.members[column.own].weight;
  }
  if (whole == 0) return std::nullopt;
  std::uint64_t point = random.next() % whole;  // `whole` is so small that the bias is, too
  for (const Column& column : columns_) {
    if (!may_be_drawn(column.own)) continue;
    const std::uint32_t weight = set.members[column.own].weight;
    if (point < weight) return column.own;
    point -= weight;
  }
  return std::nullopt;
}

std::optional<WeightedDraw::Pair> WeightedDraw::draw_two(const target::TargetSet& set,
                                                         Excluded excluded,
                                                         RandomBits& random) const {
  const std::optional<std::size_t> first = draw(set, excluded, random);
  if (!first.has_value()) return std::nullopt;
  return Pair{.first = *first, .second = draw(set, excluded, random, first).value_or(*first)};
}

}  // namespace sluice::balance
