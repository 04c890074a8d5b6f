// Which member of a target set takes the next exchange: the interface of all algorithms.
//
// A Balancer belongs to one group in one worker and is used by that thread only; workers share
// nothing but the targets' live cells. To add an algorithm: one file in src/balance, one row in
// balancers.cc, one test named after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/target/target_set.h"

namespace sluice::balance {

struct PickHint {
  // Targets that must not be chosen: those that this exchange has tried. Few, for it is searched.
  std::span<const target::Target* const> excluded;
  // Fresh random bits for each pick.
  std::uint64_t random = 0;
  // Of the request's key, evenly spread over all 64 bits; for consistent_hash. Absent: the request
  // has none, any member will do.
  std::optional<std::uint64_t> hash;
  // The hash stands for a session, which no load may move: consistent_hash then bounds nothing.
  bool is_session = false;
  base::SteadyTime now{};  // the loop's clock
};

class Balancer {
 public:
  virtual ~Balancer() = default;

  // An index into set.members, of positive weight and not excluded; nothing when there is none.
  // `set` is the one last given to reset. An excluded member keeps its turn.
  [[nodiscard]] virtual std::optional<std::size_t> pick(const target::TargetSet& set,
                                                        const PickHint& hint) = 0;

  // The set has changed. To be called before the first pick, too; the set is not kept.
  virtual void reset(const target::TargetSet& set) = 0;
};

// Null when no algorithm has that name.
[[nodiscard]] std::unique_ptr<Balancer> make_balancer(std::string_view name);

// In the order of the table.
[[nodiscard]] std::vector<std::string_view> balancer_names();

}  // namespace sluice::balance
