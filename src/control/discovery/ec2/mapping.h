// Which target an instance is for one group. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/discovery/ec2/query.h"
#include "control/discovery/provider.h"

namespace sluice::control::discovery::ec2 {

enum class WhichAddress : std::uint8_t { private_ipv4, public_ipv4, ipv6 };

struct Mapping {
  WhichAddress address = WhichAddress::private_ipv4;
  std::optional<std::uint16_t> port;  // also of instances without `port_tag`
  std::string port_tag;               // empty: none; one of the two is there
  std::string weight_tag;             // empty: all have weight 1
  std::string drain_tag;
};

struct Mapped {
  std::vector<Found> targets;
  std::vector<std::string> passed_over;  // `i-0123: has no private IPv4 address`
};

// Addresses of loopback are passed over, unless the answer came from there: an answer must not
// reach what listens for this machine alone. Those that no source may name are refused for all
// sources alike (last_good.h, T23).
[[nodiscard]] Mapped map_instances(const Answer& answer, const Mapping& mapping);

}  // namespace sluice::control::discovery::ec2
