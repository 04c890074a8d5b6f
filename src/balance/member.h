// What several algorithms ask about a member of the set.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/target/target_set.h"

namespace sluice::balance {

using Excluded = std::span<const target::Target* const>;

[[nodiscard]] inline bool is_excluded(const target::TargetSet::Member& member, Excluded excluded) {
  return std::ranges::find(excluded, member.target.get()) != excluded.end();
}

// Over all workers. Never negative: one who counts down may be seen before him who counted up.
[[nodiscard]] inline std::uint32_t active_requests(const target::TargetSet::Member& member) {
  const std::int32_t active = member.target->active_requests.load(std::memory_order_relaxed);
  return static_cast<std::uint32_t>(std::max(active, 0));
}

}  // namespace sluice::balance
