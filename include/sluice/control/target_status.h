// What the admin listener tells about target groups and their targets at one moment.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "sluice/base/clock.h"
#include "sluice/config/model.h"
#include "sluice/target/target.h"

namespace sluice::control {

inline constexpr std::size_t target_states = static_cast<std::size_t>(target::State::unused) + 1;

struct GroupStatus {
  std::string name;
  bool is_https = false;  // towards the targets
  config::ProtocolVersion protocol_version = config::ProtocolVersion::http1;
  std::string algorithm;
  config::StickinessType stickiness = config::StickinessType::none;
  std::array<std::size_t, target_states> by_state{};  // counts, as State; draining ones included
  std::size_t ejected = 0;                            // or probing
  bool fails_open = false;                            // see target/eligible.h
  bool in_use = false;                                // some rule forwards to it
};

struct TargetStatus {
  // The last active check that has ended.
  struct Check {
    base::WallTime at{};  // when it began
    std::chrono::nanoseconds took{0};
    std::string failure;  // what was wrong; empty: it passed
  };

  std::string id;       // the address as configured
  std::string address;  // that it stands for
  std::uint32_t weight = 1;
  std::string sources = "config";  // as target::TargetSet::Origin has them
  std::string zone;                // empty: unknown
  target::State state = target::State::initial;
  target::StateReason reason = target::StateReason::none;
  std::optional<base::WallTime> since;  // of the state
  target::Ejection ejection = target::Ejection::none;
  target::StateReason ejection_reason = target::StateReason::none;
  std::optional<base::WallTime> ejected_until;  // of an ejected one
  std::uint32_t slow_start_percent = 100;       // 10..100
  std::uint32_t share_percent = 100;            // that anomaly mitigation leaves it, 10..100
  std::int32_t active_requests = 0;
  std::int32_t connections = 0;
  std::optional<std::chrono::nanoseconds> latency;               // moving average; nothing: unknown
  std::optional<Check> last_check;                               // nothing: not checked, or not yet
  std::optional<std::chrono::seconds> deregistration_remaining;  // of a draining one
};

}  // namespace sluice::control
