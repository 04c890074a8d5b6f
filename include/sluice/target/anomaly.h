// Anomaly mitigation of weighted_random, as ALB's automatic target weights: a target whose share of
// errors stands out from its peers' gets less work, and its share back step by step when it is
// well.
//
// Each 5 seconds the errors (failures and 5xx) of the interval are compared, in groups of at least
// three healthy targets. Control thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <unordered_map>

#include "sluice/base/clock.h"
#include "sluice/target/target_set.h"

namespace sluice::target {

class AnomalyMitigation {
 public:
  static constexpr std::chrono::seconds interval{5};
  static constexpr std::uint32_t least_share = 100;    // thousandths
  static constexpr std::uint32_t recovery_step = 150;  // thousandths an interval
  static constexpr std::size_t least_members = 3;
  static constexpr std::uint32_t least_requests = 20;  // of a target, else it is not judged

  // Judges when an interval has passed and sets Target::share; true when a share changed, so that
  // the group's generation has to move.
  [[nodiscard]] bool advance(const TargetSet& members, base::SteadyTime now);
  // Switched off: everybody has the full share again. True when one had less.
  [[nodiscard]] static bool release(const TargetSet& members);

 private:
  struct Count {
    std::uint64_t requests = 0;
    std::uint64_t errors = 0;
  };
  std::unordered_map<const Target*, Count> former_;  // of Target::total_*, at the last judgement
  std::optional<base::SteadyTime> judged_at_;
};

}  // namespace sluice::target
