// The targets of one group at one time, in the order of the configuration.
//
// Immutable once published, as shared_ptr<const TargetSet>; a change is a new set. Indices into
// `members` are what balancers return; they mean nothing for another set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/target/target.h"

namespace sluice::target {

struct TargetSet {
  struct Member {
    std::shared_ptr<Target> target;  // never null
    // 0..999, 0: takes no new work; in an eligible set (eligible.h) 1..99,900.
    std::uint32_t weight = 1;

    bool operator==(const Member&) const = default;
  };
  // Who named a member, and where it is; for status alone.
  struct Origin {
    std::string sources;  // `config`, `api` and kinds of discovery, as `config,dns`
    std::string zone;     // availability zone; empty: unknown

    bool operator==(const Origin&) const = default;
  };
  std::vector<Member> members;       // a target is in it once
  std::vector<Origin> origins = {};  // one for each of `members`, or none at all

  // Of the `index`-th member; empty when they are not known.
  [[nodiscard]] Origin origin(std::size_t index) const {
    return index < origins.size() ? origins[index] : Origin{};
  }

  bool operator==(const TargetSet&) const = default;
};

}  // namespace sluice::target
