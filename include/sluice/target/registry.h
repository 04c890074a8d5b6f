// Finds the Target of a (group, address, endpoint), and the state of a group, again, so that a
// reload keeps what lives.
//
// Owns nothing: a target lives as long as a set, an exchange or a pool holds it, and is then
// forgotten. Control thread only.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <tuple>

#include "sluice/target/group_state.h"
#include "sluice/target/target.h"

namespace sluice::target {

class Registry {
 public:
  // The living target of that group, address and endpoint, or a new one. Where the endpoint differs
  // (the name resolves to another address now) it is another machine: a Target of its own. The
  // former one is found again as long as it lives, for the configuration that asked may be refused.
  [[nodiscard]] std::shared_ptr<Target> find_or_make(const std::string& group,
                                                     const std::string& id,
                                                     const net::Endpoint& endpoint);

  // The living state of that group, or a new one; it lives as long as somebody holds it.
  [[nodiscard]] std::shared_ptr<GroupState> group(const std::string& name);

  // Entries kept, dead ones included; at most twice the living ones, or 64. For tests and status.
  [[nodiscard]] std::size_t size() const { return targets_.size(); }

 private:
  void forget_dead();

  // Group, address as configured, endpoint.
  std::map<std::tuple<std::string, std::string, net::Endpoint>, std::weak_ptr<Target>> targets_;
  std::map<std::string, std::weak_ptr<GroupState>> groups_;
  std::size_t forget_at_ = 64;  // size at which dead entries are looked for
};

}  // namespace sluice::target
