// The one deadline of a check.
#pragma once

#include <algorithm>
#include <chrono>

#include "sluice/config/model.h"
#include "sluice/net/loop.h"

namespace sluice::control::health {

class TimeLeft {
 public:
  TimeLeft(const net::Loop& loop, config::Milliseconds timeout)
      : loop_(loop), until_(loop.clock.now() + timeout) {}
  // Never zero, which would be no deadline: what is over expires with the next tick.
  [[nodiscard]] config::Milliseconds operator()() const {
    const auto left = std::chrono::ceil<config::Milliseconds>(until_ - loop_.clock.now());
    return std::max(left, config::Milliseconds(1));
  }

 private:
  const net::Loop& loop_;
  base::SteadyTime until_;
};

}  // namespace sluice::control::health
