// The member with the fewest requests under way, over all workers, for its weight.
//
// A member of weight w has w turns in each unit of virtual time, and the time is that of the turn
// taken last (start-time fair queueing, Goyal 1996). A member's standing is
//
//     active_requests / w + (its next turn - now, or 0 when it is due)
//
// and the least is chosen. As the next turn is less than 1/w away, this lies between active / w and
// (active + 1) / w: of equal weights the one with fewer requests always wins, and of equals the one
// chosen longest ago. Idle members are chosen as in weighted round robin. With (active + 1) / w for
// everybody a light member would get nothing before the heavy ones are busy.
//
// Standings are kept in two tournaments, so that none changes when time passes: those whose turn is
// to come by load + turn, those that are due by load. Counts are changed by all workers, so what is
// known here is old: the winner's count is read again until it is what was known. That finds every
// count that has risen. Those that have fallen are found by reading a few members with each pick,
// in turn: all within n/4 picks. A pick is O(log n) for each member found to have changed.
#include <algorithm>
#include <vector>

#include "balance/makers.h"
#include "balance/member.h"
#include "balance/tournament.h"

namespace sluice::balance {
namespace {

// With each pick, besides the winner.
constexpr std::size_t refreshes_per_pick = 4;
// How many old counts of winners a pick puts right before it takes the next as it is. More are
// rare: each stands for a request that somebody sent there since the last look.
constexpr int repairs_max = 32;
// Of 1/w: a little less, so that rounding cannot make a turn worth a request.
constexpr double turn_length = 0.999;
// Of 1/w: time passes by so much at least, so that no two turns are due at the same time and what
// was chosen later comes later.
constexpr double least_step = 1e-5;
// Virtual time starts again before it would be too coarse for that.
constexpr double latest_time = 1 << 16;

class LeastOutstandingRequests final : public Balancer {
 public:
  std::optional<std::size_t> pick(const target::TargetSet& set, const PickHint& hint) override;
  void reset(const target::TargetSet& set) override;

 private:
  struct Entry {
    std::uint32_t member = 0;  // index into TargetSet::members
    bool is_due = false;       // in due_, else in waiting_
    double cost = 0;           // of one request: 1 / weight
    double turn = 0;           // the next one
    double load = 0;           // active_requests / weight as last read
  };

  void start(const target::TargetSet& set, std::uint64_t random);
  void set_clock_back();
  bool refresh(const target::TargetSet& set, std::uint32_t entry);
  void refresh_some(const target::TargetSet& set);
  void place(std::uint32_t entry);
  void withdraw(std::uint32_t entry);
  [[nodiscard]] std::optional<std::uint32_t> winner();
  [[nodiscard]] std::optional<std::uint32_t> true_winner(const target::TargetSet& set,
                                                         Excluded excluded);
  void take_turn(std::uint32_t entry);

  std::vector<Entry> entries_;  // of positive weight
  Tournament waiting_;
  Tournament due_;
  std::vector<std::uint32_t> withdrawn_;  // excluded ones that won during this pick
  double now_ = 0;
  std::size_t next_refreshed_ = 0;
  bool started_ = false;
};

void LeastOutstandingRequests::reset(const target::TargetSet& set) {
  entries_.clear();
  for (std::uint32_t i = 0; i < set.members.size(); ++i) {
    const std::uint32_t weight = set.members[i].weight;
    if (weight > 0) entries_.push_back({.member = i, .cost = 1.0 / weight});
  }
  waiting_.reset(entries_.size());
  due_.reset(entries_.size());
  withdrawn_.clear();
  withdrawn_.reserve(entries_.size());
  started_ = false;
}

// At a random place of the schedule, or all workers would begin with the same member.
void LeastOutstandingRequests::start(const target::TargetSet& set, std::uint64_t random) {
  const auto n = static_cast<double>(entries_.size());
  const double offset = static_cast<double>(random >> 11) / static_cast<double>(1ULL << 53);
  now_ = 0;
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    Entry& entry = entries_[i];
    const double phase = i / n + offset;
    entry.turn = (phase < 1 ? phase : phase - 1) * entry.cost * turn_length;
    entry.load = active_requests(set.members[entry.member]) * entry.cost;
    place(i);
  }
  started_ = true;
}

// At least 65,536 picks lie between two of these.
void LeastOutstandingRequests::set_clock_back() {
  if (now_ < latest_time) return;
  for (std::uint32_t i = 0; i < entries_.size(); ++i) {
    entries_[i].turn -= now_;
    place(i);
  }
  now_ = 0;
}

void LeastOutstandingRequests::place(std::uint32_t entry) {
  const Entry& placed = entries_[entry];
  if (placed.is_due) {
    due_.set(entry, {.first = placed.load, .second = placed.turn});
  } else {
    waiting_.set(entry, {.first = placed.load + placed.turn, .second = placed.turn});
  }
}

void LeastOutstandingRequests::withdraw(std::uint32_t entry) {
  (entries_[entry].is_due ? due_ : waiting_).remove(entry);
}

// True when its count was not what was known.
bool LeastOutstandingRequests::refresh(const target::TargetSet& set, std::uint32_t entry) {
  Entry& known = entries_[entry];
  const double load = active_requests(set.members[known.member]) * known.cost;
  if (load == known.load) return false;
  known.load = load;
  place(entry);
  return true;
}

void LeastOutstandingRequests::refresh_some(const target::TargetSet& set) {
  const std::size_t count = std::min(refreshes_per_pick, entries_.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (next_refreshed_ >= entries_.size()) next_refreshed_ = 0;
    (void)refresh(set, static_cast<std::uint32_t>(next_refreshed_++));
  }
}

// By what is known. One whose turn has come while it waited goes over to those that are due, at
// most once for each time that it is chosen.
std::optional<std::uint32_t> LeastOutstandingRequests::winner() {
  for (;;) {
    const std::optional<std::uint32_t> waiting = waiting_.winner();
    const std::optional<std::uint32_t> due = due_.winner();
    if (!waiting.has_value()) return due;
    Entry& entry = entries_[*waiting];
    if (entry.turn > now_) {
      const bool is_behind =
          due.has_value() && entries_[*due].load + now_ <= entry.load + entry.turn;
      return is_behind ? due : waiting;
    }
    withdraw(*waiting);
    entry.is_due = true;
    place(*waiting);
  }
}

std::optional<std::uint32_t> LeastOutstandingRequests::true_winner(const target::TargetSet& set,
                                                                   Excluded excluded) {
  int repairs = 0;
  for (;;) {
    const std::optional<std::uint32_t> found = winner();
    if (!found.has_value()) return std::nullopt;
    if (is_excluded(set.members[entries_[*found].member], excluded)) {
      withdraw(*found);
      withdrawn_.push_back(*found);
    } else if (repairs == repairs_max || !refresh(set, *found)) {
      return found;
    } else {
      ++repairs;
    }
  }
}

// One that was passed over has not saved up turns: it would be flooded when it is well again.
void LeastOutstandingRequests::take_turn(std::uint32_t entry) {
  Entry& chosen = entries_[entry];
  if (chosen.is_due) due_.remove(entry);
  now_ = std::max(now_ + chosen.cost * least_step, chosen.turn);
  chosen.turn = now_ + chosen.cost * turn_length;
  chosen.is_due = false;
  place(entry);
}

std::optional<std::size_t> LeastOutstandingRequests::pick(const target::TargetSet& set,
                                                          const PickHint& hint) {
  if (!started_) start(set, hint.random);
  set_clock_back();
  refresh_some(set);
  const std::optional<std::uint32_t> chosen = true_winner(set, hint.excluded);
  if (chosen.has_value()) take_turn(*chosen);
  for (const std::uint32_t entry : withdrawn_) place(entry);
  withdrawn_.clear();
  if (!chosen.has_value()) return std::nullopt;
  return entries_[*chosen].member;
}

}  // namespace

std::unique_ptr<Balancer> make_least_outstanding_requests() {
  return std::make_unique<LeastOutstandingRequests>();
}

}  // namespace sluice::balance
