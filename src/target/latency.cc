#include "sluice/target/latency.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace sluice::target {
namespace {

constexpr auto relaxed = std::memory_order_relaxed;

std::int64_t nanoseconds_of(base::SteadyTime time) {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

// What is left of an average after `elapsed`, 0..1. Clocks of two workers may differ by a turn of
// their loops, so `elapsed` may be negative.
double remainder_after(std::int64_t elapsed) {
  if (elapsed <= 0) return 1;
  constexpr std::chrono::nanoseconds decay = latency_decay;
  return std::exp(-static_cast<double>(elapsed) / static_cast<double>(decay.count()));
}

}  // namespace

void record_latency(Target& target, std::chrono::nanoseconds time, base::SteadyTime now) {
  // 0 means unknown.
  const std::int64_t sample = std::max<std::int64_t>(1, time.count());
  const std::int64_t at = nanoseconds_of(now);
  const std::int64_t average = target.latency.load(relaxed);
  std::int64_t next = sample;
  if (sample < average) {
    const double rest = remainder_after(at - target.latency_at.load(relaxed));
    // Cut off, not rounded: at a million answers per second each pulls by less than a nanosecond,
    // and rounding would leave the average where it is for ever.
    const double excess = static_cast<double>(average - sample) * rest;
    next = std::min(average - 1, sample + static_cast<std::int64_t>(excess));
  }
  target.latency.store(next, relaxed);
  target.latency_at.store(at, relaxed);
  target.total_latency.fetch_add(static_cast<std::uint64_t>(sample), relaxed);
  target.total_answers.fetch_add(1, relaxed);
}

std::chrono::nanoseconds latency_of(const Target& target, base::SteadyTime now) {
  const std::int64_t average = target.latency.load(relaxed);
  if (average == 0) return std::chrono::nanoseconds{0};
  const std::int64_t elapsed = nanoseconds_of(now) - target.latency_at.load(relaxed);
  const double worth = static_cast<double>(average) * remainder_after(elapsed);
  // Known stays known: what decayed to nothing is the least, not unknown.
  return std::chrono::nanoseconds{std::max<std::int64_t>(1, static_cast<std::int64_t>(worth))};
}

}  // namespace sluice::target
