// Time as the workers see it: read once per loop turn, settable in tests.
//
// `Clock` holds a steady and a wall-clock reading. A worker refreshes its own once per turn of its
// loop; everything in that turn agrees on "now". One thread only.
#pragma once

#include <chrono>
#include <cstdint>

namespace sluice::base {

using Steady = std::chrono::steady_clock;
using SteadyTime = Steady::time_point;
using Wall = std::chrono::system_clock;
using WallTime = Wall::time_point;

class Clock {
 public:
  Clock() { refresh(); }
  void refresh() {
    now_ = Steady::now();
    wall_ = Wall::now();
  }
  void set(SteadyTime now, WallTime wall) {
    now_ = now;
    wall_ = wall;
  }
  [[nodiscard]] SteadyTime now() const { return now_; }
  [[nodiscard]] WallTime wall() const { return wall_; }

 private:
  SteadyTime now_;
  WallTime wall_;
};

}  // namespace sluice::base
