// How many retries a group may add to its requests, so that a failing target does not get the load
// of all others' second and third tries on top of its own.
//
// A bucket of tokens: each request puts in a share of one, each retry takes one out. It begins
// full, so that a target that dies under a small load costs nobody an error. One per group and
// worker.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice::upstream {

class RetryBudget {
 public:
  // `percent`: retries that a hundred requests pay for; `burst`: the most that are kept at hand.
  void apply(std::uint32_t percent, std::uint32_t burst) {
    percent_ = percent;
    const std::uint64_t most = std::uint64_t{burst} * whole;
    hundredths_ = is_new_ ? most : std::min(hundredths_, most);
    most_ = most;
    is_new_ = false;
  }
  void add_request() { hundredths_ = std::min(hundredths_ + percent_, most_); }
  [[nodiscard]] bool take_retry() {
    if (hundredths_ < whole) return false;
    hundredths_ -= whole;
    return true;
  }
  // Nobody was there to be asked instead: nothing was added to anybody's load.
  void give_back() { hundredths_ = std::min(hundredths_ + whole, most_); }

 private:
  static constexpr std::uint64_t whole = 100;
  std::uint64_t hundredths_ = 0;
  std::uint64_t most_ = 0;
  std::uint32_t percent_ = 0;
  bool is_new_ = true;
};

}  // namespace sluice::upstream
