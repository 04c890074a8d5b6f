// Draws of members by chance, each as likely as its weight says: what the algorithms that choose
// by chance have in common.
//
// Alias method (Walker 1974, tables as Vose 1991): a column for each member, shared by it and one
// other, so that a draw is one look into one column, however many members there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "balance/member.h"
#include "sluice/base/hash.h"
#include "sluice/target/target_set.h"

namespace sluice::balance {

// As many random bits as a pick needs, out of the 64 that it is given (SplitMix64).
class RandomBits {
 public:
  explicit RandomBits(std::uint64_t random) : state_(random) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    return base::mix(state_);
  }

 private:
  std::uint64_t state_;
};

class WeightedDraw {
 public:
  // O(n).
  void reset(const target::TargetSet& set);

  // One that is not excluded, nor `besides` (an index); nothing when there is none. O(1), or O(n)
  // when most of the weight may not be drawn. `set` is the one last given to reset.
  [[nodiscard]] std::optional<std::size_t> draw(
      const target::TargetSet& set, Excluded excluded, RandomBits& random,
      std::optional<std::size_t> besides = std::nullopt) const;

  struct Pair {
    std::size_t first;   // drawn by weight
    std::size_t second;  // drawn by weight from the others; `first` when there are none
  };
  [[nodiscard]] std::optional<Pair> draw_two(const target::TargetSet& set, Excluded excluded,
                                             RandomBits& random) const;

 private:
  struct Column {
    std::uint32_t own_part;  // of 2^32
    std::uint32_t own;       // index into TargetSet::members
    std::uint32_t other;
  };

  std::vector<Column> columns_;  // one for each member of positive weight
};

}  // namespace sluice::balance
