// What every kind of health check has: how often, how long, how many, which port.
#pragma once

#include <cstdint>
#include <string_view>

#include "sluice/config/model.h"
#include "sluice/config/node.h"
#include "sluice/target/health.h"

namespace sluice::control::health {

struct Kind;

struct Settings {
  const Kind* kind = nullptr;  // null: `protocol` names none, which has been reported
  std::uint16_t port = 0;      // 0: the one that traffic goes to
  // From the start of a check to the start of the next, 100 ms to 1 h.
  config::Milliseconds interval{30'000};
  config::Milliseconds unhealthy_interval{30'000};  // the same while the target is not healthy
  config::Milliseconds timeout{5'000};              // of the whole check; at most either interval
  target::HealthCount::Thresholds thresholds;
  std::uint32_t jitter_percent = 10;  // 0..50, of the interval, either way

  [[nodiscard]] config::Milliseconds interval_in(target::State state) const {
    return state == target::State::healthy ? interval : unhealthy_interval;
  }
};

// Reads the keys of every kind, and reports keys that neither these nor the kind's own are. Reports
// everything; what does not fit keeps its default.
[[nodiscard]] Settings read_settings(const config::Node& node, std::string_view default_kind,
                                     config::Problems& problems);

}  // namespace sluice::control::health
