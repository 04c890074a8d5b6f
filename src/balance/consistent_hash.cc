// The member to which the request's key belongs: the same one in every worker, process and restart,
// and when members come or go, only their share of the keys moves.
//
// A ring (Karger 1997) with points for each member, at places that its id alone decides; a key
// belongs to the next point. The heaviest members have the most points and a member of half their
// weight has half as many, so points stay where they are when the weights of others are lowered for
// a while. As many are given out as make 80 to 160 for a member of mean weight, fewer when there
// are more than 1,024 members.
//
// Loads are bounded (Mirrokni 2018): a member with more than 1.25 times its share of all requests
// under way is passed over for the next on the ring, and so is an excluded one. But nobody with
// fewer than a handful is: a client with some connections to a quiet site would see other targets
// for no gain. All counts are of all workers; their sum is kept up to date by reading a few with
// each pick.
//
// The hash is no secret. Who chooses his key can send all his requests to one target, up to the
// bound.
#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "balance/makers.h"
#include "balance/weighted_draw.h"
#include "sluice/base/hash.h"

namespace sluice::balance {
namespace {

constexpr std::uint64_t points_of_mean = 160;     // at most
constexpr std::uint64_t points_max = 160 * 1024;  // of a ring: 1.3 MB in each worker
constexpr std::uint32_t room_always = 8;          // requests
constexpr std::size_t refreshes_per_pick = 4;
// Members that are full have at most four fifths of the ring, as long as counts are right: 64 in a
// row mean that they are not, and the first is taken.
constexpr int judged_max = 64;

struct Point {
  std::uint32_t place;   // on the ring
  std::uint32_t member;  // index into TargetSet::members
};

// Radix sort, stable. With std::sort a ring of 1,000 members took 10 ms, for which the worker would
// serve nobody each time that a target's health changes.
void sort_by_place(std::vector<Point>& points) {
  constexpr unsigned digit_bits = 11;
  constexpr std::size_t digits = std::size_t{1} << digit_bits;
  std::vector<Point> sorted(points.size());
  for (unsigned shift = 0; shift < 32; shift += digit_bits) {
    const auto digit_of = [shift](const Point& point) { return (point.place >> shift) % digits; };
    std::array<std::uint32_t, digits> next{};  // where the next point of each digit goes
    for (const Point& point : points) ++next[digit_of(point)];
    std::exclusive_scan(next.begin(), next.end(), next.begin(), std::uint32_t{0});
    for (const Point& point : points) sorted[next[digit_of(point)]++] = point;
    points.swap(sorted);
  }
}

class ConsistentHash final : public Balancer {
 public:
  std::optional<std::size_t> pick(const target::TargetSet& set, const PickHint& hint) override;
  void reset(const target::TargetSet& set) override;

 private:
  void make_ring(const target::TargetSet& set);
  void refresh(const target::TargetSet& set, std::size_t member);
  [[nodiscard]] bool has_room(const target::TargetSet& set, std::size_t member);
  [[nodiscard]] std::optional<std::size_t> walk(const target::TargetSet& set, const PickHint& hint);

  WeightedDraw draw_;  // for requests without a key
  std::vector<Point> ring_;
  std::uint64_t weights_ = 0;        // their sum
  std::vector<std::uint32_t> seen_;  // active_requests of each member when last read
  std::uint64_t seen_sum_ = 0;
  std::size_t next_refreshed_ = 0;
};

void ConsistentHash::reset(const target::TargetSet& set) {
  draw_.reset(set);
  seen_.assign(set.members.size(), 0);
  seen_sum_ = 0;
  weights_ = 0;
  for (std::size_t i = 0; i < set.members.size(); ++i) {
    weights_ += set.members[i].weight;
    refresh(set, i);
  }
  make_ring(set);
}

void ConsistentHash::make_ring(const target::TargetSet& set) {
  ring_.clear();
  std::uint64_t heaviest = 0;
  std::uint64_t count = 0;  // of members that take work
  for (const target::TargetSet::Member& member : set.members) {
    heaviest = std::max<std::uint64_t>(heaviest, member.weight);
    if (member.weight > 0) ++count;
  }
  if (heaviest == 0) return;
  // Of the heaviest. Powers of two, so that it seldom changes when members come and go.
  std::uint64_t points = points_of_mean;
  while (2 * points * weights_ <= points_of_mean * heaviest * count) points *= 2;
  while (points > 1 && points * weights_ > points_max * heaviest) points /= 2;

  for (std::uint32_t i = 0; i < set.members.size(); ++i) {
    const std::uint64_t weight = set.members[i].weight;
    if (weight == 0) continue;
    const std::uint64_t own =
        std::max<std::uint64_t>(1, (points * weight + heaviest / 2) / heaviest);
    const std::uint64_t seed = base::hash(set.members[i].target->id());
    for (std::uint64_t k = 0; k < own; ++k) {
      const std::uint64_t place = base::mix(seed + k * 0x9e3779b97f4a7c15U) >> 32;
      ring_.push_back({.place = static_cast<std::uint32_t>(place), .member = i});
    }
  }
  sort_by_place(ring_);
}

void ConsistentHash::refresh(const target::TargetSet& set, std::size_t member) {
  const std::uint32_t active = active_requests(set.members[member]);
  seen_sum_ += active;
  seen_sum_ -= seen_[member];
  seen_[member] = active;
}

// With this request it would have at most 1.25 times its share, rounded up so that the bounds of
// all have room for all.
bool ConsistentHash::has_room(const target::TargetSet& set, std::size_t member) {
  refresh(set, member);
  const std::uint64_t active = seen_[member];
  if (active < room_always) return true;
  return 4 * active * weights_ < 5 * (seen_sum_ + 1) * set.members[member].weight;
}

std::optional<std::size_t> ConsistentHash::walk(const target::TargetSet& set,
                                                const PickHint& hint) {
  auto point = std::ranges::lower_bound(ring_, static_cast<std::uint32_t>(*hint.hash >> 32), {},
                                        &Point::place);
  std::optional<std::size_t> first;
  int judged = 0;
  for (std::size_t i = 0; i < ring_.size() && judged < judged_max; ++i, ++point) {
    if (point == ring_.end()) point = ring_.begin();
    const std::size_t member = point->member;
    if (is_excluded(set.members[member], hint.excluded)) continue;
    if (hint.is_session || has_room(set, member)) return member;
    if (!first.has_value()) first = member;
    ++judged;
  }
  return first;
}

std::optional<std::size_t> ConsistentHash::pick(const target::TargetSet& set,
                                                const PickHint& hint) {
  for (std::size_t i = 0; i < std::min(refreshes_per_pick, seen_.size()); ++i) {
    if (next_refreshed_ >= seen_.size()) next_refreshed_ = 0;
    refresh(set, next_refreshed_++);
  }
  if (hint.hash.has_value()) return walk(set, hint);
  RandomBits random(hint.random);
  return draw_.draw(set, hint.excluded, random);
}

}  // namespace

std::unique_ptr<Balancer> make_consistent_hash() { return std::make_unique<ConsistentHash>(); }

}  // namespace sluice::balance
