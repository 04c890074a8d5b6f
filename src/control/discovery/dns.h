// dns: { name: api.internal, port: 8080 }, or dns: { srv: _api._tcp.internal }. Targets are the
// addresses of a name, or what its SRV records (RFC 2782) say.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "control/discovery/provider.h"

namespace sluice::control::discovery {

struct DnsSettings {
  enum class Family : std::uint8_t { any, ipv4, ipv6 };

  std::string name;  // as net::is_dns_name has it
  bool is_srv = false;
  std::uint16_t port = 0;  // of the targets; 0 for SRV, whose records have it
  Family family = Family::any;
  std::vector<net::Endpoint> servers;   // none: those of the system
  config::Milliseconds timeout{5'000};  // of a look, all questions together
  config::Milliseconds min_ttl{1'000};
  config::Milliseconds max_ttl{300'000};
  config::Milliseconds refresh{30'000};
  config::Milliseconds accumulate{0};  // 0: an answer stands for itself
  bool allow_loopback = false;
};

// Null when something is wrong, which is reported.
[[nodiscard]] std::shared_ptr<const Source> read_dns(const config::Node& node,
                                                     config::Problems& problems);

[[nodiscard]] std::unique_ptr<Provider> make_dns_provider(net::Loop& loop,
                                                          const DnsSettings& settings);

}  // namespace sluice::control::discovery
