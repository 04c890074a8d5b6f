// The targets of one group at one time, in the order of the configuration.
//
// Immutable once published, as shared_ptr<const TargetSet>; a change is a new set. Indices into
// `members` are what balancers return; they mean nothing for another set.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sluice/target/target.h"

namespace sluice::target {

struct TargetSet {
  struct Member {
    std::shared_ptr<Target> target;  // never null
    // 0..999, 0: takes no new work; in an eligible set (eligible.h) 1..99,900.
    std::uint32_t weight = 1;
  };
  std::vector<Member> members;  // a target is in it once
};

}  // namespace sluice::target
