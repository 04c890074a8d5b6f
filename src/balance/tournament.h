// A tree of matches over a fixed number of entries, of which each may have a key: the entry with
// the least key is the winner. Changing one key is O(log n).
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace sluice::balance {

class Tournament {
 public:
  struct Key {
    double first;
    double second;  // decides when the first are equal; then the lower entry
  };

  // n entries without keys. The only call that allocates.
  void reset(std::size_t n) {
    keys_.assign(n, none);
    winners_.resize(2 * n);
    for (std::size_t i = 0; i < n; ++i) winners_[n + i] = static_cast<std::uint32_t>(i);
    for (std::size_t node = n; node-- > 1;) play(node);
  }

  void set(std::uint32_t entry, Key key) {
    keys_[entry] = key;
    // All the way up, though the winner seldom changes: leaving early is a branch that nothing can
    // predict, and took a quarter to a half more time per pick.
    for (std::size_t node = (keys_.size() + entry) / 2; node >= 1; node /= 2) play(node);
  }
  void remove(std::uint32_t entry) { set(entry, none); }

  // Nothing when no entry has a key.
  [[nodiscard]] std::optional<std::uint32_t> winner() const {
    if (keys_.empty() || keys_[winners_[1]].first == none.first) return std::nullopt;
    return winners_[1];
  }

 private:
  static constexpr Key none{.first = std::numeric_limits<double>::infinity(), .second = 0};

  [[nodiscard]] bool goes_before(std::uint32_t a, std::uint32_t b) const {
    const Key& one = keys_[a];
    const Key& other = keys_[b];
    // Without branches, for the same reason.
    const unsigned first = unsigned{one.first < other.first};
    const unsigned first_equal = unsigned{one.first == other.first};
    const unsigned second = unsigned{one.second < other.second};
    const unsigned second_equal = unsigned{one.second == other.second};
    return (first | (first_equal & (second | (second_equal & unsigned{a < b})))) != 0;
  }

  void play(std::size_t node) {
    const std::uint32_t left = winners_[2 * node];
    const std::uint32_t right = winners_[2 * node + 1];
    winners_[node] = goes_before(right, left) ? right : left;
  }

  std::vector<Key> keys_;
  // A heap of matches: node i is won by the better winner of nodes 2i and 2i + 1, and node n + k is
  // entry k. Right for any n, not only powers of two: each entry is below node 1.
  std::vector<std::uint32_t> winners_;
};

}  // namespace sluice::balance
