// Of two members drawn by weight the one that will probably answer sooner: its average time to an
// answer, times the requests that it then has (peak EWMA with two choices, as Finagle's).
//
// The average is that of target/latency.h. It decays without answers, so a member that was slow
// once is asked again before long; and as only two are compared, no member draws all requests to
// itself and the worst of all is never the last word for the others.
#include <limits>

#include "balance/makers.h"
#include "balance/weighted_draw.h"
#include "sluice/target/latency.h"

namespace sluice::balance {
namespace {

class LeastTime final : public Balancer {
 public:
  std::optional<std::size_t> pick(const target::TargetSet& set, const PickHint& hint) override;
  void reset(const target::TargetSet& set) override;

 private:
  [[nodiscard]] double cost(const target::TargetSet::Member& member, base::SteadyTime now) const;

  WeightedDraw draw_;
  double mean_weight_ = 1;
};

void LeastTime::reset(const target::TargetSet& set) {
  draw_.reset(set);
  double sum = 0;
  std::size_t count = 0;
  for (const target::TargetSet::Member& member : set.members) {
    sum += member.weight;
    if (member.weight > 0) ++count;
  }
  mean_weight_ = count > 0 ? sum / static_cast<double>(count) : 1;
}

std::optional<std::size_t> LeastTime::pick(const target::TargetSet& set, const PickHint& hint) {
  RandomBits random(hint.random);
  const auto pair = draw_.draw_two(set, hint.excluded, random);
  if (!pair.has_value()) return std::nullopt;
  const double first = cost(set.members[pair->first], hint.now);
  const double second = cost(set.members[pair->second], hint.now);
  return second < first ? pair->second : pair->first;
}

// The requests under way count by the member's weight, the one to come counts the same for all:
// the draw has seen to the weights already, and an idle light member must not lose against every
// idle heavy one.
double LeastTime::cost(const target::TargetSet::Member& member, base::SteadyTime now) const {
  const std::uint32_t active = active_requests(member);
  const double requests = 1 + active * mean_weight_ / member.weight;
  const auto latency = static_cast<double>(target::latency_of(*member.target, now).count());
  if (latency > 0) return latency * requests;
  // One that nothing is known about is tried, by one request; until that is answered it comes
  // after all that are known, lest everybody runs to a new member that may be slow or dead.
  constexpr double longest = static_cast<double>(std::numeric_limits<std::int64_t>::max());
  return active == 0 ? 0 : longest * requests;
}

}  // namespace

std::unique_ptr<Balancer> make_least_time() { return std::make_unique<LeastTime>(); }

}  // namespace sluice::balance
