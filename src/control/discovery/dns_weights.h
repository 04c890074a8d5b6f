// Which of a service's SRV records count, and how their weights become those of targets.
//
// RFC 2782: the records with the lowest priority are for use, the others for when none of those
// can be; a weight is a share, and zero stands for a very small one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "sluice/net/dns_message.h"

namespace sluice::control::discovery {

inline constexpr std::uint32_t target_weight_max = 999;

// By priority, the lowest first. Without those that name no server: a port of zero, and the target
// ".", which says that there is no such service.
[[nodiscard]] inline std::vector<std::vector<net::DnsService>> by_priority(
    const std::vector<net::DnsService>& services) {
  std::map<std::uint16_t, std::vector<net::DnsService>> groups;
  for (const net::DnsService& service : services) {
    if (service.target.empty() || service.port == 0) continue;
    groups[service.priority].push_back(service);
  }
  std::vector<std::vector<net::DnsService>> sorted;
  for (auto& [priority, group] : groups) sorted.push_back(std::move(group));
  return sorted;
}

// Weights of the records of one priority, 1 to 999, in their order. As they are when they fit;
// scaled when one is larger, or when a zero stands beside others and has to become small. All zero:
// all the same.
[[nodiscard]] inline std::vector<std::uint32_t> target_weights(
    const std::vector<net::DnsService>& services) {
  std::uint32_t most = 0;
  bool has_zero = false;
  for (const net::DnsService& service : services) {
    most = std::max<std::uint32_t>(most, service.weight);
    has_zero = has_zero || service.weight == 0;
  }
  const bool is_scaled = most > target_weight_max || (has_zero && most > 0);
  std::vector<std::uint32_t> weights;
  for (const net::DnsService& service : services) {
    const std::uint32_t weight =
        is_scaled ? (service.weight * target_weight_max + most / 2) / most : service.weight;
    weights.push_back(std::max<std::uint32_t>(weight, 1));
  }
  return weights;
}

}  // namespace sluice::control::discovery
