// Sources of targets besides the configuration: reads their settings, asks them when it is time,
// and tells the membership what they found.
//
// Equal sources of several groups are asked once. One look at a time: at the start, every `refresh`
// less up to a tenth (many processes must not ask at once) or when the answer is no longer good,
// sooner after a failure and later with each that follows, and when the source says that something
// changed. What an answer means for the group is decided by discovery/last_good.h, the same for all
// kinds. Control thread only.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/control/events.h"
#include "sluice/control/membership.h"
#include "sluice/net/loop.h"
#include "sluice/observe/metrics.h"

namespace sluice::control {

namespace discovery {
struct Plan;
}

class Discovery {
 public:
  using SharedPlan = std::shared_ptr<const discovery::Plan>;

  // All outlive it. Loop, cells: the control thread's.
  Discovery(net::Loop& loop, observe::Cells& cells, Events& events, Membership& membership);
  ~Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // Everything that can be wrong about `discovery` of any group goes to `problems`. Changes
  // nothing. Also what `sluice check` uses. Not null.
  [[nodiscard]] static SharedPlan prepare(const config::Model& model, config::Problems& problems);
  // Of one group, in the order of its configuration.
  [[nodiscard]] static std::vector<Membership::Source> sources_of(const SharedPlan& plan,
                                                                  const std::string& group);

  // The plan is in force, and the membership has taken it over. Sources that stay are left alone.
  void apply(const SharedPlan& plan);

  // Every source has ended a look since it was configured, good or not.
  [[nodiscard]] bool has_looked() const;
  // What is under way is given up, and `apply` does nothing afterwards.
  void stop();

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace sluice::control
