// Of two members drawn by weight the one with less to do (the power of two choices, Mitzenmacher
// 2001): nearly as even as asking all, for the price of two, and workers that decide at the same
// time do not all run to the same member.
//
// The second is taken when, with the request, it has no more to do for its weight than the first
// has without it. For equal weights that is the one with fewer requests. Comparing both with the
// request would count the weights twice, once in the draw and once in the comparison, and a light
// member would get nothing before the heavy ones are busy.
#include "balance/makers.h"
#include "balance/weighted_draw.h"

namespace sluice::balance {
namespace {

class RandomTwo final : public Balancer {
 public:
  std::optional<std::size_t> pick(const target::TargetSet& set, const PickHint& hint) override;
  void reset(const target::TargetSet& set) override { draw_.reset(set); }

 private:
  WeightedDraw draw_;
};

std::optional<std::size_t> RandomTwo::pick(const target::TargetSet& set, const PickHint& hint) {
  RandomBits random(hint.random);
  const auto pair = draw_.draw_two(set, hint.excluded, random);
  if (!pair.has_value()) return std::nullopt;
  const target::TargetSet::Member& first = set.members[pair->first];
  const target::TargetSet::Member& second = set.members[pair->second];
  const std::uint64_t without_it = std::uint64_t{active_requests(first)} * second.weight;
  const std::uint64_t with_it = (std::uint64_t{active_requests(second)} + 1) * first.weight;
  return with_it <= without_it ? pair->second : pair->first;
}

}  // namespace

std::unique_ptr<Balancer> make_random_two() { return std::make_unique<RandomTwo>(); }

}  // namespace sluice::balance
