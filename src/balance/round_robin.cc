// Smooth weighted round robin by earliest deadline: a member of weight w has w turns in each unit
// of virtual time, evenly spaced, and the member whose next turn is due first is picked.
//
// The i-th of n members has its turns at (i/n + k) / w for k = 0, 1, 2, ... Each unit of time thus
// holds exactly w turns of every member wherever it begins, so any run of picks as long as the sum
// of the weights is distributed exactly; and members of equal weight follow each other in order.
// Times are fractions (i + k*n) / (w*n), compared crosswise in integers: nothing drifts.
//
// A pick is O(log n). Every worker enters the schedule at a random time, for otherwise all of them
// would send their first requests to the same member after every reload.
#include <algorithm>
#include <cassert>
#include <vector>

#include "balance/makers.h"

namespace sluice::balance {
namespace {

// The next turn of a member, due at position / (weight * n).
struct Turn {
  std::uint64_t position;
  std::uint32_t weight;
  std::uint32_t member;  // index into TargetSet::members
};

// Orders a heap of std::push_heap so that the earliest turn is at its front; ties by index, so that
// the order within a round is the same in every round.
bool is_later(const Turn& a, const Turn& b) {
  const std::uint64_t time_a = a.position * b.weight;
  const std::uint64_t time_b = b.position * a.weight;
  return time_a != time_b ? time_a > time_b : a.member > b.member;
}

class RoundRobin final : public Balancer {
 public:
  std::optional<std::size_t> pick(const target::TargetSet& set, const PickHint& hint) override;
  void reset(const target::TargetSet& set) override;

 private:
  void start(std::uint64_t random);
  void set_clock_back();
  void catch_up(Turn& skipped, const Turn& chosen) const;

  std::vector<Turn> turns_;  // a heap once started
  bool started_ = false;
};

void RoundRobin::reset(const target::TargetSet& set) {
  turns_.clear();
  started_ = false;
  for (std::uint32_t i = 0; i < set.members.size(); ++i) {
    const std::uint32_t weight = set.members[i].weight;
    if (weight > 0) turns_.push_back({.position = turns_.size(), .weight = weight, .member = i});
  }
}

// Moves every member to its first turn at or after a random time in [0, 1).
void RoundRobin::start(std::uint64_t random) {
  constexpr std::uint64_t unit = std::uint64_t{1} << 32;
  const std::uint64_t time = random >> 32;
  const std::uint64_t n = turns_.size();
  for (Turn& turn : turns_) {
    const std::uint64_t due = (time * turn.weight * n + unit - 1) / unit;
    if (due > turn.position) turn.position += (due - turn.position + n - 1) / n * n;
  }
  std::ranges::make_heap(turns_, is_later);
  started_ = true;
}

std::optional<std::size_t> RoundRobin::pick(const target::TargetSet& set, const PickHint& hint) {
  if (!started_) start(hint.random);
  set_clock_back();
  const auto is_excluded = [&](const Turn& turn) {
    assert(turn.member < set.members.size());
    return std::ranges::find(hint.excluded, set.members[turn.member].target.get()) !=
           hint.excluded.end();
  };

  // Turns leave the heap for its tail, earliest first, until one may be taken.
  const auto begin = turns_.begin();
  auto heap_end = turns_.end();
  bool found = false;
  while (!found && heap_end != begin) {
    std::pop_heap(begin, heap_end, is_later);
    --heap_end;
    found = !is_excluded(*heap_end);
  }

  std::optional<std::size_t> chosen;
  if (found) {
    chosen = heap_end->member;
    for (auto skipped = heap_end + 1; skipped != turns_.end(); ++skipped) {
      catch_up(*skipped, *heap_end);
    }
    heap_end->position += turns_.size();
  }
  while (heap_end != turns_.end()) std::push_heap(begin, ++heap_end, is_later);
  return chosen;
}

// After a unit of time, everything moves a unit back, so that positions stay small. As a unit has
// at least one pick for each member, this is one step per pick.
void RoundRobin::set_clock_back() {
  const std::uint64_t n = turns_.size();
  if (turns_.empty() || turns_.front().position < turns_.front().weight * n) return;
  for (Turn& turn : turns_) turn.position -= turn.weight * n;
}

// An excluded member keeps its turn and is first in line afterwards. Of several turns missed while
// it was excluded, only the last is kept: it must not be flooded when it comes back.
void RoundRobin::catch_up(Turn& skipped, const Turn& chosen) const {
  const std::uint64_t n = turns_.size();
  const std::uint64_t now = chosen.position * skipped.weight / chosen.weight;
  if (now > skipped.position) skipped.position += (now - skipped.position) / n * n;
}

}  // namespace

std::unique_ptr<Balancer> make_round_robin() { return std::make_unique<RoundRobin>(); }

}  // namespace sluice::balance
