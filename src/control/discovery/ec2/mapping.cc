#include "control/discovery/ec2/mapping.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sluice/base/cidr.h"
#include "sluice/base/text.h"
#include "sluice/net/endpoint.h"
#include "sluice/observe/log.h"

namespace sluice::control::discovery::ec2 {
namespace {

constexpr std::uint32_t weight_most = 999;
constexpr std::size_t shown_bytes = 64;

bool is_within(const base::IpAddress& address, const char* range) {
  const auto cidr = base::Cidr::parse(range);
  return cidr && cidr->contains(address);
}

// Of this machine, and of nobody. What is refused of every source is refused behind this.
bool is_never_a_target(const net::Endpoint& endpoint, bool may_be_loopback) {
  constexpr std::array nobody{"0.0.0.0/8", "240.0.0.0/4", "::/128"};
  constexpr std::array loopback{"127.0.0.0/8", "::1/128"};
  const base::IpAddress address = endpoint.address();
  const auto holds = [&](const char* range) { return is_within(address, range); };
  return std::ranges::any_of(nobody, holds) ||
         (!may_be_loopback && std::ranges::any_of(loopback, holds));
}

struct Address {
  const std::string& text;
  int family;
  std::string_view name;
};

Address address_of(const Instance& instance, WhichAddress which) {
  switch (which) {
    case WhichAddress::public_ipv4: return {instance.public_address, AF_INET, "public IPv4"};
    case WhichAddress::ipv6: return {instance.ipv6_address, AF_INET6, "IPv6"};
    case WhichAddress::private_ipv4: break;
  }
  return {instance.private_address, AF_INET, "private IPv4"};
}

std::optional<std::uint16_t> port_of(const Instance& instance, const Mapping& mapping) {
  const auto tag = mapping.port_tag.empty() ? std::nullopt : instance.tag(mapping.port_tag);
  if (!tag) return mapping.port;
  const auto port = base::parse_decimal(*tag);
  if (!port || *port == 0 || *port > 65535) return std::nullopt;
  return static_cast<std::uint16_t>(*port);
}

// A tag that is there drains, unless it says that it does not.
bool is_leaving(const Instance& instance, const Mapping& mapping) {
  if (instance.state != InstanceState::running) return true;
  const auto tag = instance.tag(mapping.drain_tag);
  return tag && !base::equals_ignoring_case(*tag, "false") &&
         !base::equals_ignoring_case(*tag, "no") && *tag != "0";
}

bool is_there(const Instance& instance) {
  return instance.state == InstanceState::running ||
         instance.state == InstanceState::shutting_down ||
         instance.state == InstanceState::stopping;
}

}  // namespace

Mapped map_instances(const Answer& answer, const Mapping& mapping) {
  Mapped mapped;
  for (const Instance& instance : answer.instances) {
    if (!is_there(instance)) continue;
    const std::string label = observe::escaped(instance.id, shown_bytes) + ": ";
    const auto pass_over = [&](std::string why) {
      mapped.passed_over.push_back(label + std::move(why));
    };
    const Address address = address_of(instance, mapping.address);
    const auto port = port_of(instance, mapping);
    const auto endpoint = net::Endpoint::numeric(address.text, port.value_or(1));
    if (!endpoint || endpoint->family() != address.family) {
      // One that shuts down loses its addresses: nothing to tell.
      if (instance.state == InstanceState::running) {
        pass_over("has no " + std::string(address.name) + " address");
      }
      continue;
    }
    if (is_never_a_target(*endpoint, answer.is_of_loopback)) {
      pass_over(endpoint->address_text() + " cannot be a target");
      continue;
    }
    if (!port) {
      pass_over("its tag " + observe::escaped(mapping.port_tag, shown_bytes) + " is no port");
      continue;
    }
    Found found{.id = endpoint->text(),
                .endpoint = *endpoint,
                .weight = 1,
                .zone = observe::escaped(instance.zone, shown_bytes),
                .is_leaving = is_leaving(instance, mapping)};
    if (const auto tag = instance.tag(mapping.weight_tag); tag && !mapping.weight_tag.empty()) {
      const auto weight = base::parse_decimal(*tag);
      if (weight && *weight <= weight_most) {
        found.weight = static_cast<std::uint32_t>(*weight);
      } else {
        mapped.passed_over.push_back(label + "its tag " +
                                     observe::escaped(mapping.weight_tag, shown_bytes) +
                                     " is no weight of 0 to 999; it has 1");
      }
    }
    mapped.targets.push_back(std::move(found));
  }
  return mapped;
}

}  // namespace sluice::control::discovery::ec2
