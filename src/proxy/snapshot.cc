#include "sluice/proxy/snapshot.h"

#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace sluice::proxy {

namespace {

std::string path_of(const char* section, std::size_t index, const char* key) {
  return std::string(section) + "[" + std::to_string(index) + "]." + key;
}

const SnapshotListener* find_listener(const Snapshot* snapshot, const std::string& name) {
  if (snapshot == nullptr) return nullptr;
  const auto found = std::ranges::find(snapshot->listeners, name, &SnapshotListener::name);
  return found == snapshot->listeners.end() ? nullptr : &*found;
}

std::shared_ptr<const upstream::GroupSettings> find_group(const Snapshot* snapshot,
                                                          const std::string& name) {
  if (snapshot == nullptr) return nullptr;
  for (const auto& group : snapshot->groups) {
    if (group->name == name) return group;
  }
  return nullptr;
}

// The former context when files and settings are the same bytes, so that nothing changes for its
// users.
template <typename Context>
std::shared_ptr<const Context> keep_if_equal(std::shared_ptr<const Context> fresh,
                                             const std::shared_ptr<const Context>& former) {
  if (fresh != nullptr && former != nullptr && fresh->fingerprint() == former->fingerprint()) {
    return former;
  }
  return fresh;
}

std::shared_ptr<const target::TargetSet> build_targets(const config::TargetGroup& group,
                                                       std::size_t index,
                                                       target::Registry& registry, Members* members,
                                                       config::Problems& problems) {
  std::vector<ConfiguredTarget> configured;
  for (const config::Target& target : group.targets) {
    std::string error;
    const std::optional<net::Endpoint> endpoint = net::resolve(target.address, error);
    if (!endpoint.has_value()) {
      problems.error(target.address.position, path_of("target_groups", index, "targets"),
                     "cannot resolve " + target.address.host + ": " + error);
      continue;
    }
    if (net::is_metadata_address(*endpoint)) {
      problems.error(target.address.position, path_of("target_groups", index, "targets"),
                     "the instance metadata address cannot be a target");
      continue;
    }
    configured.push_back({target.address.text(), *endpoint, target.weight});
  }
  if (members != nullptr) return members->set_of(group.name, std::move(configured));
  auto set = std::make_shared<target::TargetSet>();
  for (const ConfiguredTarget& target : configured) {
    auto live = registry.find_or_make(group.name, target.id, target.endpoint);
    set->members.push_back({std::move(live), target.weight});
  }
  return set;
}

bool is_equal(const upstream::GroupSettings& a, const upstream::GroupSettings& b) {
  return a.name == b.name && a.algorithm == b.algorithm && a.state == b.state && a.tls == b.tls &&
         a.proxy_protocol == b.proxy_protocol && a.http2 == b.http2 && a.is_grpc == b.is_grpc &&
         a.in_use == b.in_use && *a.targets == *b.targets && a.pool == b.pool &&
         a.timeouts == b.timeouts && a.passive_health == b.passive_health &&
         a.fail_open == b.fail_open && a.retry == b.retry && a.limits == b.limits &&
         a.hash_key == b.hash_key && a.anomaly_mitigation == b.anomaly_mitigation &&
         a.stickiness == b.stickiness && a.websocket == b.websocket &&
         a.deregistration_delay == b.deregistration_delay && a.slow_start == b.slow_start;
}

upstream::Http2Settings http2_towards(const config::TargetGroup& group,
                                      const config::Model& model) {
  if (group.protocol_version == config::ProtocolVersion::http1) return {};
  return {.is_enabled = true,
          .max_concurrent_streams = group.http2.max_concurrent_streams,
          .ping_interval = group.http2.ping_interval,
          .ping_timeout = group.http2.ping_timeout,
          .headers_bytes = model.limits.response_headers_bytes,
          .header_count = model.limits.header_count,
          .write_timeout = group.timeouts.target_idle.value_or(model.timeouts.target_idle)};
}

std::shared_ptr<const upstream::GroupSettings> build_group(
    const config::TargetGroup& group, const config::Model& model, std::size_t index, bool in_use,
    const Snapshot* former, target::Registry& registry, Members* members,
    config::Problems& problems) {
  auto settings = std::make_shared<upstream::GroupSettings>();
  settings->name = group.name;
  settings->algorithm = group.algorithm;
  settings->state = registry.group(group.name);
  settings->in_use = in_use;
  settings->proxy_protocol = group.proxy_protocol;
  settings->http2 = http2_towards(group, model);
  settings->is_grpc = group.protocol_version == config::ProtocolVersion::grpc;
  settings->pool = group.pool;
  settings->timeouts = group.timeouts;
  settings->passive_health = group.passive_health;
  settings->fail_open = group.fail_open;
  settings->retry = group.retry;
  settings->limits = group.limits;
  settings->hash_key = group.hash_key;
  settings->anomaly_mitigation = group.anomaly_mitigation;
  settings->stickiness = group.stickiness;
  settings->websocket = group.websocket;
  settings->deregistration_delay = group.deregistration_delay;
  settings->slow_start = group.slow_start;
  settings->targets = build_targets(group, index, registry, members, problems);
  const auto known =
      members != nullptr ? members->in_force(group.name) : find_group(former, group.name);
  if (group.https) {
    config::Problems found;
    settings->tls = keep_if_equal(net::ClientTlsContext::load(group.tls, found),
                                  known != nullptr ? known->tls : nullptr);
    problems.add(found, "target_groups[" + std::to_string(index) + "]");
  }
  const std::vector<std::string_view> algorithms = balance::balancer_names();
  if (std::ranges::find(algorithms, group.algorithm) == algorithms.end()) {
    std::string allowed;
    for (const std::string_view name : algorithms) {
      if (!allowed.empty()) allowed += ", ";
      allowed += name;
    }
    problems.error(group.algorithm_position, path_of("target_groups", index, "algorithm"),
                   "unknown algorithm '" + group.algorithm + "'; allowed: " + allowed);
  }
  // The former settings when nothing changed: the workers then leave the group, and its turn,
  // alone.
  if (known != nullptr && is_equal(*known, *settings)) return known;
  return settings;
}

ProxyProtocol build_proxy_protocol(const config::ProxyProtocol& settings) {
  ProxyProtocol built{.mode = settings.mode, .timeout = settings.timeout};
  for (const std::string& text : settings.trusted) {
    const std::optional<base::Cidr> range = base::Cidr::parse(text);
    if (range.has_value()) built.trusted.push_back(*range);  // `load` checked it
  }
  built.trusts_everybody = settings.trusted.empty();  // `load` allows it where nobody else comes
  return built;
}

std::optional<SnapshotListener> build_listener(const config::Listener& listener, std::size_t index,
                                               const Snapshot* former,
                                               const route::GroupLookup& groups,
                                               net::TicketKeys& ticket_keys,
                                               config::Problems& problems) {
  std::string error;
  const std::optional<net::Endpoint> endpoint = net::resolve(listener.bind, error);
  if (!endpoint.has_value() && !listener.bind.host.empty()) {
    problems.error(listener.bind.position, path_of("listeners", index, "bind"),
                   "cannot resolve " + listener.bind.host + ": " + error);
  }
  std::shared_ptr<const net::ServerTlsContext> tls;
  if (listener.tls.has_value()) {
    const SnapshotListener* known = find_listener(former, listener.name);
    config::Problems found;
    tls = keep_if_equal(net::ServerTlsContext::load(*listener.tls, ticket_keys, found),
                        known != nullptr ? known->tls : nullptr);
    problems.add(found, "listeners[" + std::to_string(index) + "]");
  }
  const SnapshotListener* before = find_listener(former, listener.name);
  std::optional<route::Table> table =
      route::Table::build(listener, groups, problems, before != nullptr ? &before->table : nullptr);
  if (!endpoint.has_value() || !table.has_value()) return std::nullopt;
  return SnapshotListener{listener.name,
                          *endpoint,
                          std::move(tls),
                          listener.half_close,
                          listener.desync_mitigation,
                          listener.http2,
                          std::move(*table),
                          forwarded_facts(listener.tls.has_value(), endpoint->port()),
                          build_proxy_protocol(listener.proxy_protocol)};
}

http::H2Settings http2_settings(const config::Model& model) {
  const config::Http2Abuse& abuse = model.http2.abuse;
  http::H2Settings settings;
  settings.max_concurrent_streams = model.http2.max_concurrent_streams;
  settings.initial_window_bytes = static_cast<std::uint32_t>(model.http2.initial_window_bytes);
  settings.max_window_bytes = static_cast<std::uint32_t>(model.http2.max_window_bytes);
  settings.field_bytes = model.limits.header_bytes;
  settings.headers_bytes = model.limits.headers_bytes;
  settings.header_count = model.limits.header_count;
  settings.cookie_crumbs = model.http2.cookie_crumbs;
  settings.abuse_window = abuse.window;
  settings.resets = abuse.resets;
  settings.provoked_resets = abuse.provoked_resets;
  settings.continuations = abuse.continuations;
  settings.settings = abuse.settings;
  settings.pings = abuse.pings;
  settings.priority_updates = abuse.priority_updates;
  settings.empty_data = abuse.empty_data;
  settings.window_updates = abuse.window_updates;
  settings.refused_heads = abuse.refused_heads;
  return settings;
}

// By index; those that some rule forwards to, asks, or sends copies to.
std::vector<bool> groups_in_use(const Snapshot& snapshot, std::size_t count) {
  std::vector<bool> in_use(count, false);
  for (const SnapshotListener& listener : snapshot.listeners) {
    for (const route::Rule& rule : listener.table.rules()) {
      if (rule.filters.forward_auth != nullptr) in_use[rule.filters.forward_auth->group] = true;
      if (rule.filters.mirror != nullptr) in_use[rule.filters.mirror->group] = true;
      if (!rule.action.has_value()) continue;
      const auto* forward = std::get_if<route::Forward>(&*rule.action);
      if (forward == nullptr) continue;
      for (const route::Forward::To& to : forward->groups) in_use[to.group] = true;
    }
  }
  return in_use;
}

}  // namespace

bool ProxyProtocol::trusts(const net::Endpoint& peer) const {
  if (trusts_everybody) return true;
  if (peer.family() != AF_INET && peer.family() != AF_INET6) return false;
  const base::IpAddress address = peer.address();
  return std::ranges::any_of(trusted,
                             [&](const base::Cidr& range) { return range.contains(address); });
}

std::string forwarded_facts(bool is_tls, std::uint16_t port) {
  return std::string("X-Forwarded-Proto: ") + (is_tls ? "https" : "http") +
         "\r\nX-Forwarded-Port: " + std::to_string(port) + "\r\n";
}

std::shared_ptr<const Snapshot> build_snapshot(config::Model model, const Snapshot* former,
                                               target::Registry& targets,
                                               net::TicketKeys& ticket_keys,
                                               config::Problems& problems, const Examine& examine,
                                               Members* members) {
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->revision = former != nullptr ? former->revision + 1 : 1;
  snapshot->built_at = base::Wall::now();

  std::vector<std::string> names;
  std::vector<bool> sticky;
  for (const config::TargetGroup& group : model.target_groups) {
    names.push_back(group.name);
    sticky.push_back(group.stickiness.type == config::StickinessType::lb_cookie ||
                     group.stickiness.type == config::StickinessType::app_cookie);
  }
  const route::GroupLookup groups(std::move(names), std::move(sticky));
  for (std::size_t i = 0; i < model.listeners.size(); ++i) {
    std::optional<SnapshotListener> listener =
        build_listener(model.listeners[i], i, former, groups, ticket_keys, problems);
    if (listener.has_value()) snapshot->listeners.push_back(std::move(*listener));
  }
  const std::vector<bool> in_use = groups_in_use(*snapshot, groups.names().size());
  for (std::size_t i = 0; i < model.target_groups.size(); ++i) {
    snapshot->groups.push_back(build_group(model.target_groups[i], model, i, in_use[i], former,
                                           targets, members, problems));
  }
  // One that nobody configured lives as long as the process.
  const bool same_keys = former != nullptr && former->model.cookie_keys == model.cookie_keys;
  snapshot->sealer =
      same_keys ? former->sealer : std::make_shared<const net::Sealer>(model.cookie_keys);
  for (const std::string& text : model.forwarding.trusted_proxies) {
    const std::optional<base::Cidr> range = base::Cidr::parse(text);
    if (range.has_value()) snapshot->trusted_proxies.push_back(*range);  // `load` checked it
  }
  snapshot->http2 = http2_settings(model);
  snapshot->model = std::move(model);
  if (examine) examine(*snapshot);
  if (problems.has_errors()) return nullptr;
  // Only now: a failure changes nothing of what is alive.
  for (const auto& group : snapshot->groups) {
    for (const target::TargetSet::Member& member : group->targets->members) {
      member.target->weight.store(member.weight, std::memory_order_relaxed);
    }
  }
  return snapshot;
}

}  // namespace sluice::proxy
