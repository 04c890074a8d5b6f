#include "control/discovery/dns.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "sluice/base/cidr.h"
#include "sluice/base/text.h"
#include "sluice/config/load.h"
#include "sluice/net/dns_message.h"
#include "sluice/net/dns_resolver.h"

namespace sluice::control::discovery {
namespace {

using config::Milliseconds;
using config::Node;
using config::Problems;
using namespace std::chrono_literals;

constexpr std::uint16_t dns_port = 53;

class DnsSource final : public Source {
 public:
  explicit DnsSource(DnsSettings settings) : settings_(std::move(settings)) {}

  [[nodiscard]] std::string_view kind() const override { return "dns"; }
  [[nodiscard]] std::string text() const override {
    std::string text = "dns " + settings_.name;
    if (!settings_.is_srv) text += ':' + std::to_string(settings_.port);
    return text;
  }
  [[nodiscard]] std::string fingerprint() const override {
    const DnsSettings& s = settings_;
    std::string text = s.name;
    for (const std::int64_t number :
         {std::int64_t{s.is_srv}, std::int64_t{s.port}, static_cast<std::int64_t>(s.family),
          s.timeout.count(), s.min_ttl.count(), s.max_ttl.count(), s.refresh.count(),
          s.accumulate.count(), std::int64_t{s.allow_loopback}}) {
      text += ' ' + std::to_string(number);
    }
    for (const net::Endpoint& server : s.servers) text += ' ' + server.text();
    return text;
  }
  [[nodiscard]] bool may_name_loopback() const override { return settings_.allow_loopback; }
  [[nodiscard]] Milliseconds refresh() const override { return settings_.refresh; }
  [[nodiscard]] std::unique_ptr<Provider> make(net::Loop& loop) const override {
    return make_dns_provider(loop, settings_);
  }

 private:
  DnsSettings settings_;
};

// --- reading ------------------------------------------------------------------------------------

bool is_number(std::string_view label) {
  return label.find_first_not_of("0123456789") == std::string_view::npos;
}

// In lower case and without the final dot: all names are taken for complete.
std::string read_name(const Node& node, Problems& problems) {
  const auto given = node.as_string(problems);
  if (!given) return {};
  std::string name = base::to_lower(*given);
  if (base::IpAddress::parse(name)) {
    node.error("must be a name, not the address " + node.quoted() + ", which belongs to targets",
               problems);
    return {};
  }
  if (name.ends_with('.')) name.pop_back();
  // With a number at its end it is a mistyped IPv4 address.
  if (net::is_dns_name(name) && !is_number(std::string_view(name).substr(name.rfind('.') + 1))) {
    return name;
  }
  node.error("must be a name of the DNS, such as api.internal, not " + node.quoted(), problems);
  return {};
}

void read_port(const Node& node, DnsSettings& settings, Problems& problems) {
  const auto port = node.get("port");
  if (!port) {
    problems.error(node.position(), node.path_of("port"),
                   "missing; it must be the port of the targets, 1 to 65535");
    return;
  }
  const auto value = port->as_integer(1, 65535, problems);
  if (value) settings.port = static_cast<std::uint16_t>(*value);
}

void read_what(const Node& node, DnsSettings& settings, Problems& problems) {
  const auto name = node.get("name");
  const auto srv = node.get("srv");
  if (name.has_value() == srv.has_value()) {
    node.error(name ? "has both name and srv; use one of them"
                    : "needs name, for A and AAAA records, or srv, for SRV records",
               problems);
    return;
  }
  settings.is_srv = srv.has_value();
  settings.name = read_name(name ? *name : *srv, problems);
  if (name) {
    read_port(node, settings, problems);
  } else if (const auto port = node.get("port")) {
    port->error("is not for srv: the records have the ports", problems);
  }
}

// `10.0.0.2:53`, `[fd00::2]:53`, or an address alone.
void read_server(const Node& node, DnsSettings& settings, Problems& problems) {
  Problems unsaid;
  const auto text = node.as_string(unsaid);
  std::optional<net::Endpoint> server;
  if (text) {
    server = net::Endpoint::numeric(*text, dns_port);
    if (!server) {
      const auto address = config::parse_address(node, unsaid);
      if (address && !address->is_unix && address->port != 0) {
        server = net::Endpoint::numeric(address->host, address->port);
      }
    }
  }
  if (!server) {
    node.error(
        "must be an IP address with or without a port, such as 10.0.0.2:53 or [fd00::2]:53, "
        "not " +
            node.quoted(),
        problems);
  } else if (std::ranges::find(settings.servers, *server) != settings.servers.end()) {
    node.error("the server " + server->text() + " is named twice", problems);
  } else {
    settings.servers.push_back(*server);
  }
}

void read_servers(const Node& node, DnsSettings& settings, Problems& problems) {
  const auto servers = node.get("servers");
  if (!servers) return;
  const std::vector<Node> items = servers->items();
  if (servers->kind() != Node::Kind::sequence) {
    servers->error("must be a list, not " + servers->quoted(), problems);
  } else if (items.empty() || items.size() > net::dns_servers_max) {
    servers->error("must have 1 to " + std::to_string(net::dns_servers_max) + " servers", problems);
  }
  for (const Node& item : items) read_server(item, settings, problems);
}

void read_duration(const Node& node, std::string_view key, Milliseconds least, Milliseconds most,
                   Milliseconds& value, Problems& problems) {
  if (const auto given = node.get(key)) {
    value = given->as_duration(least, most, problems).value_or(value);
  }
}

void read_family(const Node& node, DnsSettings& settings, Problems& problems) {
  const auto family = node.get("family");
  if (!family) return;
  const auto index = family->as_choice({"any", "ipv4", "ipv6"}, problems);
  if (index) settings.family = static_cast<DnsSettings::Family>(*index);
}

}  // namespace

std::shared_ptr<const Source> read_dns(const Node& node, Problems& problems) {
  Problems found;
  DnsSettings settings;
  if (node.kind() != Node::Kind::mapping) {
    node.error("must be a mapping, not " + node.quoted(), found);
  } else {
    node.allow_keys({"name", "srv", "port", "family", "servers", "timeout", "min_ttl", "max_ttl",
                     "refresh", "accumulate", "allow_loopback"},
                    found);
    read_what(node, settings, found);
    read_family(node, settings, found);
    read_servers(node, settings, found);
    read_duration(node, "timeout", 100ms, 60s, settings.timeout, found);
    read_duration(node, "min_ttl", 100ms, 1h, settings.min_ttl, found);
    read_duration(node, "max_ttl", 1s, 24h, settings.max_ttl, found);
    read_duration(node, "refresh", 100ms, 1h, settings.refresh, found);
    read_duration(node, "accumulate", 0ms, 24h, settings.accumulate, found);
    if (const auto loopback = node.get("allow_loopback")) {
      settings.allow_loopback = loopback->as_bool(found).value_or(false);
    }
    if (!found.has_errors() && settings.accumulate > 0ms &&
        settings.accumulate < settings.min_ttl) {
      node.error("accumulate must be 0 or not shorter than min_ttl", found);
    }
    if (!found.has_errors() && settings.max_ttl < settings.min_ttl) {
      node.error("max_ttl must not be shorter than min_ttl", found);
    }
  }
  problems.add(found, "");
  if (found.has_errors()) return nullptr;
  return std::make_shared<DnsSource>(std::move(settings));
}

}  // namespace sluice::control::discovery
