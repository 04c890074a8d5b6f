// A group of targets and a clock that the tests set.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/target/group_state.h"
#include "sluice/target/target_set.h"

namespace sluice::target::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;
using namespace std::chrono_literals;

inline std::shared_ptr<Target> make_target(std::uint16_t port = 1) {
  return std::make_shared<Target>("api", "127.0.0.1:" + std::to_string(port),
                                  *net::Endpoint::numeric("127.0.0.1", port));
}

// Members with these weights, all of them healthy.
inline TargetSet healthy_set(const std::vector<std::uint32_t>& weights) {
  TargetSet set;
  for (const std::uint32_t weight : weights) {
    set.members.push_back(
        {make_target(static_cast<std::uint16_t>(set.members.size() + 1)), weight});
    set.members.back().target->state = State::healthy;
  }
  return set;
}

inline std::int64_t nanoseconds_of(base::SteadyTime time) {
  return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

// A group of healthy targets of weight 1 under the settings that a test asks for.
class Group {
 public:
  explicit Group(std::size_t size, const config::PassiveHealth& settings = {},
                 milliseconds slow_start = 0ms)
      : set_(healthy_set(std::vector<std::uint32_t>(size, 1))) {
    apply(settings, slow_start);
  }

  void apply(const config::PassiveHealth& settings, milliseconds slow_start = 0ms,
             const config::FailOpen& fail_open = {}) {
    state.apply(std::make_shared<const TargetSet>(set_), settings, slow_start, fail_open);
  }
  void set_weight(std::size_t i, std::uint32_t weight) { set_.members[i].weight = weight; }
  // The members with these indices, in this order, are the group from now on.
  void keep(const std::vector<std::size_t>& indices, const config::PassiveHealth& settings = {}) {
    TargetSet kept;
    for (const std::size_t i : indices) kept.members.push_back(set_.members[i]);
    state.apply(std::make_shared<const TargetSet>(kept), settings, 0ms);
  }

  [[nodiscard]] Target& at(std::size_t i) const { return *set_.members[i].target; }
  [[nodiscard]] const TargetSet& set() const { return set_; }
  [[nodiscard]] Ejection ejection(std::size_t i) const { return at(i).ejection; }
  [[nodiscard]] std::vector<Ejection> ejections() const {
    std::vector<Ejection> found;
    for (const TargetSet::Member& member : set_.members) found.push_back(member.target->ejection);
    return found;
  }

  void report(std::size_t i, Outcome outcome, int times = 1) {
    for (int n = 0; n < times; ++n) state.report(at(i), outcome, false, now);
  }
  // A target is ejected by these results, and its time has passed.
  void make_probing(std::size_t i, Outcome outcome = Outcome::failure, int times = 1) {
    report(i, outcome, times);
    pass(10s);
    ASSERT_EQ(ejection(i), Ejection::probing);
  }
  // The one request of a probing target.
  void probe(std::size_t i, Outcome outcome) {
    ASSERT_TRUE(GroupState::take_probe(at(i)));
    state.report(at(i), outcome, true, now);
  }
  void pass(milliseconds time) {
    now += time;
    state.advance(now);
  }
  void set_state(std::size_t i, State to, StateReason reason = StateReason::none,
                 bool ramps = false) {
    state.set_state(at(i), to, reason, ramps, now, wall);
  }
  // The kinds of what happened since the last call.
  std::vector<Change::Kind> kinds() {
    std::vector<Change::Kind> found;
    for (const Change& change : state.take_changes()) found.push_back(change.kind);
    return found;
  }

  GroupState state{"api"};
  base::SteadyTime now{1000s};
  base::WallTime wall{1'700'000'000s};

 private:
  TargetSet set_;
};

}  // namespace sluice::target::testing
