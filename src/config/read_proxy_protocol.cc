// The PROXY protocol from clients: whoever may speak it says who the client is, so its peers have
// to be named wherever strangers can connect.
#include <algorithm>
#include <chrono>

#include "config/readers.h"
#include "sluice/base/cidr.h"

namespace sluice::config {
namespace {

constexpr std::initializer_list<std::string_view> modes{"off", "optional", "required"};

// Only processes of this machine can connect.
bool is_local(const Address& bind) {
  if (bind.is_unix) return true;
  const auto address = base::IpAddress::parse(bind.host);
  if (!address) return false;
  return address->is_v4() ? address->bytes()[0] == 127 : address->text() == "::1";
}

void read_trusted(const std::vector<Node>& items, const Address& bind, ProxyProtocol& settings,
                  Problems& problems) {
  for (const Node& item : items) {
    const std::size_t before = settings.trusted.size();
    read_address_range(item, settings.trusted, problems);
    if (bind.is_unix && settings.trusted.size() > before) {
      item.error("not on a Unix socket, whose peers have no address: the mode of its file decides",
                 problems);
      return;
    }
    if (settings.trusted.size() > before && settings.trusted.back().ends_with("/0")) {
      item.warning("everybody who can connect may say that he is any client", problems);
    }
  }
}

}  // namespace

void read_proxy_protocol(const Node& node, const Address& bind, ProxyProtocol& settings,
                         Problems& problems) {
  const bool is_bind_known = !bind.host.empty();
  if (node.kind() == Node::Kind::mapping) {
    Section section(node, problems);
    if (const auto mode = section.require("mode", "off, optional or required")) {
      const auto index = mode->as_choice(modes, problems);
      if (index) settings.mode = static_cast<ProxyProtocolMode>(*index);
    }
    const std::vector<Node> trusted = section.list("trusted");
    read_trusted(trusted, bind, settings, problems);
    section.duration("timeout", {Milliseconds(1), std::chrono::hours(1)}, settings.timeout);
    if (!trusted.empty()) return;  // what is wrong in it was said
  } else {
    const auto index = node.as_choice(modes, problems);
    if (index) settings.mode = static_cast<ProxyProtocolMode>(*index);
  }
  if (settings.mode == ProxyProtocolMode::off || !is_bind_known || is_local(bind)) return;
  node.error(
      "needs trusted, a list of the addresses whose headers are believed, such as [10.0.0.0/8], "
      "unless bind is a loopback address or a Unix socket",
      problems);
}

}  // namespace sluice::config
