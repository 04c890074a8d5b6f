// When a target is asked: plain arithmetic, without a clock of its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sluice/base/clock.h"
#include "sluice/config/model.h"

namespace sluice::control::health {

using config::Milliseconds;

// `interval` up to `percent` (0..50) shorter or longer, evenly spread, so that checks which began
// together do not stay together. Never zero.
[[nodiscard]] constexpr Milliseconds jittered(Milliseconds interval, std::uint32_t percent,
                                              std::uint64_t random) {
  const std::int64_t most = interval.count() * percent / 100;
  const auto span = static_cast<std::uint64_t>(2 * most + 1);
  const std::int64_t shift = static_cast<std::int64_t>(random % span) - most;
  return std::max(interval + Milliseconds(shift), Milliseconds(1));
}

// Of nothing to `interval`, evenly spread: when the next checks of many would fall together.
[[nodiscard]] constexpr Milliseconds any_part(Milliseconds interval, std::uint64_t random) {
  return Milliseconds(
      static_cast<std::int64_t>(random % static_cast<std::uint64_t>(interval.count())));
}

// How long the first check of the `index`-th of `count` new targets waits: not at all, unless there
// are so many that asking them all at once would be a burst of its own.
inline constexpr std::size_t at_once_max = 100;
[[nodiscard]] constexpr Milliseconds first_delay(std::size_t index, std::size_t count,
                                                 Milliseconds interval) {
  if (count <= at_once_max) return Milliseconds(0);
  const Milliseconds span = std::min(interval, Milliseconds(1000));
  return span * static_cast<std::int64_t>(index) / static_cast<std::int64_t>(count);
}

// From the time a check was due to the time the next one is, so that answers however slow, and
// ticks however late, do not shift the grid. A time that has passed is now: what was missed is not
// made up for.
[[nodiscard]] constexpr base::SteadyTime next_due(base::SteadyTime due, Milliseconds interval,
                                                  base::SteadyTime now) {
  return std::max(due + interval, now);
}

}  // namespace sluice::control::health
