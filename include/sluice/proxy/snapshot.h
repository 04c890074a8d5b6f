// Everything the workers need from one configuration: validated, complete, never changed.
//
// Built on the control thread; a failure changes nothing and names everything that is wrong. What
// is equal in the former snapshot is shared with it (TLS contexts, group settings), so that a
// reload leaves it alone. Live state is not in here: it belongs to names (listener, group, group
// and address).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sluice/base/cidr.h"
#include "sluice/base/clock.h"
#include "sluice/config/model.h"
#include "sluice/http/h2_session.h"
#include "sluice/net/endpoint.h"
#include "sluice/net/seal.h"
#include "sluice/net/tls_context.h"
#include "sluice/route/table.h"
#include "sluice/target/registry.h"
#include "sluice/upstream/group.h"

namespace sluice::proxy {

// The PROXY protocol from a listener's clients.
struct ProxyProtocol {
  config::ProxyProtocolMode mode = config::ProxyProtocolMode::off;
  std::vector<base::Cidr> trusted;
  bool trusts_everybody = false;  // on a Unix socket or a loopback address that names nobody
  config::Milliseconds timeout{0};

  [[nodiscard]] bool trusts(const net::Endpoint& peer) const;
};

struct SnapshotListener {
  std::string name;
  net::Endpoint endpoint;
  std::shared_ptr<const net::ServerTlsContext> tls;  // null: plain
  config::HalfClose half_close = config::HalfClose::abort;
  config::DesyncMitigation desync_mitigation = config::DesyncMitigation::defensive;
  bool http2 = false;  // over TLS as ALPN chooses; in the clear by its preface
  route::Table table;
  std::string forwarded_facts;  // the lines X-Forwarded-Proto and -Port for targets
  ProxyProtocol proxy_protocol;
};

struct Snapshot {
  std::uint64_t revision = 0;  // counts the published configurations of this process, from 1
  base::WallTime built_at;
  config::Model model;
  std::vector<SnapshotListener> listeners;
  std::vector<std::shared_ptr<const upstream::GroupSettings>> groups;  // as GroupLookup counts
  std::vector<base::Cidr> trusted_proxies;
  http::H2Settings http2;                     // of client connections
  std::shared_ptr<const net::Sealer> sealer;  // of stickiness cookies, from model.cookie_keys
};

// The lines X-Forwarded-Proto and X-Forwarded-Port.
[[nodiscard]] std::string forwarded_facts(bool is_tls, std::uint16_t port);

// A target that the configuration names, with the address that it has now.
struct ConfiguredTarget {
  std::string id;
  net::Endpoint endpoint;
  std::uint32_t weight = 1;
};

// Who is in the target groups, where others than the configuration have a say in that.
class Members {
 public:
  virtual ~Members() = default;
  // Of a group with these targets in its configuration. Changes nothing that is alive.
  [[nodiscard]] virtual std::shared_ptr<const target::TargetSet> set_of(
      const std::string& group, std::vector<ConfiguredTarget> configured) = 0;
  // What the workers have: it may be newer than the former snapshot. Null: no such group.
  [[nodiscard]] virtual std::shared_ptr<const upstream::GroupSettings> in_force(
      const std::string& group) const = 0;
};

using Examine = std::function<void(const Snapshot& snapshot)>;

// Null when `problems` has errors. `former` may be null. `examine`, when given, sees the snapshot
// before that is decided, for who looks for more errors in it; parts that are wrong may be missing
// from it. `members` null: the groups have what the configuration says. May block on files and DNS.
[[nodiscard]] std::shared_ptr<const Snapshot> build_snapshot(
    config::Model model, const Snapshot* former, target::Registry& targets,
    net::TicketKeys& ticket_keys, config::Problems& problems, const Examine& examine = {},
    Members* members = nullptr);

}  // namespace sluice::proxy
