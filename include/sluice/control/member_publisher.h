// Brings changes of who is in a target group to the workers, without a new configuration.
//
// A change becomes new settings of the group, equal to those in force but for their targets, which
// every worker takes by a message; messages of changes and of configurations arrive in the order
// they were sent, so the two never mix. Changes of a group are put together: the first goes out
// with the next tick, those that follow wait up to a tenth of a second, or longer in a group of
// more than a thousand, whose sets cost each worker milliseconds. Control thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/control/events.h"
#include "sluice/control/membership.h"
#include "sluice/control/targets.h"
#include "sluice/net/deadline.h"
#include "sluice/net/loop.h"
#include "sluice/proxy/snapshot.h"
#include "sluice/proxy/worker.h"

namespace sluice::control {

// Runs `task` on worker `index`'s own thread.
using PostToWorker =
    std::function<void(std::size_t index, std::function<void(proxy::Worker&)> task)>;

class MemberPublisher {
 public:
  static constexpr std::chrono::milliseconds least_interval{100};
  static constexpr std::chrono::milliseconds longest_interval{1'000};

  // All outlive it. It becomes the one whom `membership` tells of changes.
  struct Parts {
    net::Loop& loop;
    Membership& membership;
    Targets& targets;
    Events& events;
    std::size_t worker_count;
    PostToWorker post;
  };
  explicit MemberPublisher(Parts parts);
  MemberPublisher(const MemberPublisher&) = delete;
  MemberPublisher& operator=(const MemberPublisher&) = delete;

  // A configuration is going to the workers, built from what the membership says now.
  void took_over(const proxy::Snapshot& snapshot);
  // Settings that the workers have, or will have before anything that is sent later. Null: there is
  // no such group.
  [[nodiscard]] std::shared_ptr<const upstream::GroupSettings> in_force(
      const std::string& group) const;

  // No change waits, and every worker has those that were sent.
  [[nodiscard]] bool is_idle() const { return waiting_.empty() && under_way_ == 0; }
  // Nothing is sent any more; for the end of the process.
  void stop();

 private:
  void changed(const std::string& group);
  void schedule();
  void publish_due();
  // False: there was nothing to tell.
  bool publish(const std::string& group);
  void tell(const target::TargetSet& former, const target::TargetSet& next,
            const std::string& group);
  void send(const std::shared_ptr<const upstream::GroupSettings>& settings);

  Parts parts_;
  std::map<std::string, std::shared_ptr<const upstream::GroupSettings>, std::less<>> in_force_;
  std::map<std::string, base::SteadyTime, std::less<>> waiting_;     // groups, until when
  std::map<std::string, base::SteadyTime, std::less<>> not_before_;  // groups published lately
  std::size_t under_way_ = 0;                                        // changes
  bool is_stopped_ = false;
  net::Deadline timer_;
};

}  // namespace sluice::control
