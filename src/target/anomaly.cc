#include "sluice/target/anomaly.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace sluice::target {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::uint32_t full_share = 1000;

// A member's part in the judgement: healthy, and asked often enough.
struct Judged {
  Target* target = nullptr;
  double errors = 0;  // per hundred requests
};

// Twice the others' mean, and five points on top: among targets that hardly ever fail one error
// more is chance.
bool is_anomalous(double errors, double peers) { return errors > 2 * peers + 5; }

std::vector<const Target*> anomalous_of(const std::vector<Judged>& judged) {
  std::vector<const Target*> found;
  if (judged.size() < 2) return found;  // nobody to compare with
  double sum = 0;
  for (const Judged& one : judged) sum += one.errors;
  for (const Judged& one : judged) {
    const double peers = (sum - one.errors) / static_cast<double>(judged.size() - 1);
    if (is_anomalous(one.errors, peers)) found.push_back(one.target);
  }
  return found;
}

bool set_share(Target& target, std::uint32_t share) {
  return target.share.exchange(share, relaxed) != share;
}

}  // namespace

bool AnomalyMitigation::advance(const TargetSet& members, base::SteadyTime now) {
  if (judged_at_.has_value() && now - *judged_at_ < interval) return false;
  judged_at_ = now;

  std::unordered_map<const Target*, Count> counts;
  std::vector<Judged> judged;
  std::size_t healthy = 0;
  for (const TargetSet::Member& member : members.members) {
    Target& target = *member.target;
    const Count count{target.total_requests.load(relaxed), target.total_errors.load(relaxed)};
    counts.emplace(&target, count);
    if (target.state.load(relaxed) != State::healthy) continue;
    ++healthy;
    const auto former = former_.find(&target);
    // Less than before: another target at the address of one that has gone.
    if (former == former_.end() || count.requests < former->second.requests) continue;
    const std::uint64_t requests = count.requests - former->second.requests;
    const std::uint64_t errors = count.errors - std::min(count.errors, former->second.errors);
    if (requests < least_requests) continue;
    judged.push_back({&target, 100 * static_cast<double>(errors) / static_cast<double>(requests)});
  }
  former_ = std::move(counts);  // members that left are not in it

  std::vector<const Target*> anomalous;
  if (healthy >= least_members) anomalous = anomalous_of(judged);
  bool changed = false;
  for (const TargetSet::Member& member : members.members) {
    Target& target = *member.target;
    const bool cut = std::find(anomalous.begin(), anomalous.end(), &target) != anomalous.end();
    const std::uint32_t more = target.share.load(relaxed) + recovery_step;
    changed = set_share(target, cut ? least_share : std::min(full_share, more)) || changed;
  }
  return changed;
}

bool AnomalyMitigation::release(const TargetSet& members) {
  bool changed = false;
  for (const TargetSet::Member& member : members.members) {
    changed = set_share(*member.target, full_share) || changed;
  }
  return changed;
}

}  // namespace sluice::target
