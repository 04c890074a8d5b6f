// How long a target takes to answer, as a moving average that believes bad news at once and good
// news slowly (peak EWMA, as in Finagle).
//
// A slower answer than the average replaces it; a faster one pulls it down by the share of the
// decay time that has passed since the last. Without answers it decays towards zero too, so that a
// target which was slow once is asked again before long and never starves. Cells are relaxed: two
// workers may overwrite each other's update, which loses one sample and nothing else.
#pragma once

#include <chrono>

#include "sluice/base/clock.h"
#include "sluice/target/target.h"

namespace sluice::target {

inline constexpr std::chrono::seconds latency_decay{10};

// One more answer, after `time`; counts in Target::total_latency, too. Any worker.
void record_latency(Target& target, std::chrono::nanoseconds time, base::SteadyTime now);

// The average as it is worth now; zero: nothing is known.
[[nodiscard]] std::chrono::nanoseconds latency_of(const Target& target, base::SteadyTime now);

}  // namespace sluice::target
