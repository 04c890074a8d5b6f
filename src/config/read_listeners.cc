#include <utility>

#include "config/readers.h"
#include "sluice/base/cidr.h"

namespace sluice::config {
namespace {

Listener read_listener(const Node& node, Unique& names, Unique& binds, Problems& problems) {
  Listener listener;
  listener.position = node.position();
  Section section(node, problems);

  if (const auto given = section.require("name", "a name unique among the listeners")) {
    listener.name = name(*given, problems).value_or("");
    if (!listener.name.empty()) names.add(listener.name, *given, problems);
  }
  if (const auto bind = section.require("bind", "an address such as 0.0.0.0:8080")) {
    listener.bind = read_bind(*bind, problems).value_or(Address{});
    const bool any_port = !listener.bind.is_unix && listener.bind.port == 0;
    if (!any_port) binds.add(listener.bind.text(), *bind, problems);
  }
  if (const auto tls = section.section("tls")) listener.tls = read_server_tls(*tls, problems);
  section.flag("http2", listener.http2);
  if (listener.tls) listener.tls->offer_http2 = listener.http2;
  section.choice("half_close", {"abort", "tolerate"}, listener.half_close);
  section.choice("desync_mitigation", {"monitor", "defensive", "strictest"},
                 listener.desync_mitigation);
  if (const auto proxy_protocol = section.get("proxy_protocol")) {
    read_proxy_protocol(*proxy_protocol, listener.bind, listener.proxy_protocol, problems);
  }
  listener.filters = section.section("filters");
  listener.rules = read_rules(section.list("rules"), problems);
  if (const auto action = section.section("default_action")) {
    listener.default_action = read_action(*action, problems);
  }
  return listener;
}

}  // namespace

std::vector<Listener> read_listeners(const std::vector<Node>& items, Problems& problems) {
  Unique names("listener name");
  Unique binds("address");
  std::vector<Listener> listeners;
  listeners.reserve(items.size());
  for (const Node& item : items) listeners.push_back(read_listener(item, names, binds, problems));
  return listeners;
}

std::optional<Address> read_bind(const Node& node, Problems& problems) {
  auto address = parse_address(node, problems);
  if (!address || address->is_unix || base::IpAddress::parse(address->host)) return address;
  // A name can stand for several addresses, today or tomorrow; a listener is one.
  node.error("must be a numeric address such as 127.0.0.1:8080 or [::]:8080, or unix:/path, not " +
                 node.quoted(),
             problems);
  return std::nullopt;
}

}  // namespace sluice::config
