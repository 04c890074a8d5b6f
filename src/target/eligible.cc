#include "sluice/target/eligible.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>

namespace sluice::target {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;
constexpr std::uint32_t first_percent = 10;
constexpr std::uint32_t percent_step = 5;
constexpr std::chrono::milliseconds least_notice{100};

using std::chrono::nanoseconds;

// What a member is to the choice, read once: its cells may change meanwhile.
enum class Standing : std::uint8_t { out, registered, probing, well };

Standing standing_of(const TargetSet::Member& member) {
  if (member.weight == 0) return Standing::out;
  switch (member.target->state.load(relaxed)) {
    case State::draining: return Standing::out;
    // No rule forwards there any more, but exchanges that began with the former ones still choose.
    case State::unused:
    case State::initial:
    case State::unhealthy: return Standing::registered;
    case State::healthy: break;
  }
  switch (member.target->ejection.load(relaxed)) {
    case Ejection::none: return Standing::well;
    case Ejection::probing: return Standing::probing;
    case Ejection::ejected: break;
  }
  return Standing::registered;
}

bool fails_open(const std::vector<Standing>& standings, const config::FailOpen& settings) {
  const auto out = std::count(standings.begin(), standings.end(), Standing::out);
  const std::size_t registered = standings.size() - static_cast<std::size_t>(out);
  const auto well =
      static_cast<std::size_t>(std::count(standings.begin(), standings.end(), Standing::well));
  return well < std::min<std::size_t>(settings.minimum_healthy_count, registered) ||
         well * 100 < settings.minimum_healthy_percent * registered;
}

nanoseconds ramp_elapsed(const Target& target, base::SteadyTime now) {
  return now.time_since_epoch() - nanoseconds{target.ramp_began.load(relaxed)};
}

// When the ramp of a target that has `percent` reaches the next whole step.
base::SteadyTime next_step(const Target& target, std::uint32_t percent,
                           std::chrono::milliseconds slow_start, base::SteadyTime now) {
  const std::uint32_t next = (percent / percent_step + 1) * percent_step;
  constexpr std::int64_t span = 100 - first_percent;
  const std::int64_t rise = next - first_percent;
  const std::int64_t whole = nanoseconds{slow_start}.count();
  const nanoseconds until{(rise * whole + span - 1) / span};
  const base::SteadyTime step = now - ramp_elapsed(target, now) + until;
  return std::max(step, now + least_notice);
}

// One full share of weight 1 is a hundred; the least is one.
std::uint32_t hundredfold(const TargetSet::Member& member, std::uint32_t percent,
                          std::uint32_t share) {
  const std::uint64_t thousandths = std::uint64_t{member.weight} * percent * share;
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, (thousandths + 500) / 1000));
}

// Smaller weights give shorter schedules.
void divide_by_common_divisor(TargetSet& set) {
  std::uint32_t divisor = 0;
  for (const TargetSet::Member& member : set.members) divisor = std::gcd(divisor, member.weight);
  if (divisor > 1) {
    for (TargetSet::Member& member : set.members) member.weight /= divisor;
  }
}

// Slow start and anomaly mitigation: `result.set` has its configured weights before.
void reduce_weights(Eligible& result, std::chrono::milliseconds slow_start, base::SteadyTime now) {
  std::vector<std::uint32_t> weights;
  weights.reserve(result.set.members.size());
  bool reduced = false;
  for (const TargetSet::Member& member : result.set.members) {
    const std::uint32_t percent = ramp_percent(*member.target, slow_start, now);
    const std::uint32_t share = member.target->share.load(relaxed);
    if (percent < 100) {
      const base::SteadyTime step = next_step(*member.target, percent, slow_start, now);
      result.changes_at = std::min(result.changes_at.value_or(step), step);
    }
    reduced = reduced || percent < 100 || share < 1000;
    weights.push_back(hundredfold(member, percent, share));
  }
  if (!reduced) return;
  for (std::size_t i = 0; i < weights.size(); ++i) result.set.members[i].weight = weights[i];
  divide_by_common_divisor(result.set);
}

}  // namespace

std::uint32_t ramp_percent(const Target& target, std::chrono::milliseconds slow_start,
                           base::SteadyTime now) {
  const nanoseconds whole = slow_start;
  if (whole.count() <= 0 || target.ramp_began.load(relaxed) == 0) return 100;
  const nanoseconds elapsed = std::clamp(ramp_elapsed(target, now), nanoseconds{0}, whole);
  constexpr std::int64_t span = 100 - first_percent;
  return first_percent + static_cast<std::uint32_t>(elapsed.count() * span / whole.count());
}

Eligible eligible(const TargetSet& all, const EligibleSettings& settings, base::SteadyTime now) {
  std::vector<Standing> standings;
  standings.reserve(all.members.size());
  for (const TargetSet::Member& member : all.members) standings.push_back(standing_of(member));

  Eligible result;
  result.fails_open = fails_open(standings, settings.fail_open);
  for (std::size_t i = 0; i < standings.size(); ++i) {
    const TargetSet::Member& member = all.members[i];
    if (standings[i] == Standing::probing) result.probes.push_back(member.target);
    const bool open = result.fails_open && standings[i] != Standing::out;
    if (open || standings[i] == Standing::well) result.set.members.push_back(member);
  }
  if (!result.fails_open) reduce_weights(result, settings.slow_start, now);
  return result;
}

bool begins_ramp(const TargetSet& all, const Target& target, std::chrono::milliseconds slow_start,
                 base::SteadyTime now) {
  if (slow_start.count() <= 0) return false;
  return std::any_of(all.members.begin(), all.members.end(), [&](const TargetSet::Member& member) {
    return member.target.get() != &target && standing_of(member) == Standing::well &&
           ramp_percent(*member.target, slow_start, now) == 100;
  });
}

}  // namespace sluice::target
