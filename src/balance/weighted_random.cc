// Each pick by chance, as likely as the weights say, whatever came before and whatever is under
// way: workers and processes that know nothing of each other spread the work all the same.
#include "balance/makers.h"
#include "balance/weighted_draw.h"

namespace sluice::balance {
namespace {

class WeightedRandom final : public Balancer {
 public:
  std::optional<std::size_t> pick(const target::TargetSet& set, const PickHint& hint) override {
    RandomBits random(hint.random);
    return draw_.draw(set, hint.excluded, random);
  }
  void reset(const target::TargetSet& set) override { draw_.reset(set); }

 private:
  WeightedDraw draw_;
};

}  // namespace

std::unique_ptr<Balancer> make_weighted_random() { return std::make_unique<WeightedRandom>(); }

}  // namespace sluice::balance
