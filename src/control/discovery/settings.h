// The settings of `discovery` of all groups of one configuration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "control/discovery/last_good.h"
#include "control/discovery/provider.h"

namespace sluice::control::discovery {

// One source of one group.
struct Entry {
  std::shared_ptr<const Source> source;
  Rule rule;

  // Equal: the same source.
  [[nodiscard]] std::string key() const {
    return std::string(source->kind()) + ' ' + source->fingerprint();
  }
};

struct Plan {
  std::map<std::string, std::vector<Entry>, std::less<>> groups;  // with discovery alone
};

// Reports everything that is wrong; what is wrong is left out.
[[nodiscard]] std::vector<Entry> read_entries(const std::vector<config::Node>& items,
                                              config::Problems& problems);

}  // namespace sluice::control::discovery
