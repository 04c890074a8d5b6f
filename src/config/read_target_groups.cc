#include <chrono>
#include <utility>

#include "config/quantities.h"
#include "config/readers.h"

namespace sluice::config {
namespace {

void read_http2(const Node& node, TargetGroup& group, Problems& problems) {
  if (group.protocol_version == ProtocolVersion::http1) {
    node.error("only with protocol_version: http2 or grpc", problems);
  }
  constexpr std::chrono::hours longest(24);
  Section section(node, problems);
  section.number("max_concurrent_streams", {1, 10'000}, group.http2.max_concurrent_streams);
  section.duration("ping_interval", {Milliseconds(0), longest}, group.http2.ping_interval);
  section.duration("ping_timeout", {Milliseconds(1), longest}, group.http2.ping_timeout);
}

// `host:port` or { address: host:port, weight: 1 }
std::optional<Target> read_target(const Node& node, Unique& addresses, Problems& problems) {
  Target target;
  std::optional<Node> address_node = node;
  if (node.kind() != Node::Kind::scalar) {
    Section section(node, problems);
    address_node = section.require("address", "the target's host:port, [v6]:port or unix:/path");
    section.number("weight", {0, 999}, target.weight);
  }
  if (!address_node) return std::nullopt;
  auto address = parse_address(*address_node, problems);
  if (!address) return std::nullopt;
  if (!address->is_unix && address->port == 0) {
    address_node->error("must have a port from 1 to 65535, not " + address_node->quoted(),
                        problems);
    return std::nullopt;
  }
  addresses.add(address->text(), *address_node, problems);
  target.address = std::move(*address);
  return target;
}

// What we show to targets that ask who we are: both files or none.
void read_client_certificate(Section& section, ClientTls& tls, Problems& problems) {
  const auto cert = section.get("client_cert");
  const auto key = section.get("client_key");
  if (cert && !key) cert->error("needs client_key, the file with its private key", problems);
  if (key && !cert) key->error("needs client_cert, the file with its certificate", problems);
  if (!cert || !key) return;
  CertificateFiles files;
  files.position = cert->position();
  files.certificate = one_line(*cert, problems).value_or("");
  files.key = one_line(*key, problems).value_or("");
  files.certificate_position = cert->position();
  files.key_position = key->position();
  if (!files.certificate.empty() && !files.key.empty()) tls.certificate = std::move(files);
}

// Fewer than TlsVersion has: the versions before 1.2 are for clients only.
void read_min_version(Section& section, ClientTls& tls, Problems& problems) {
  const auto node = section.get("min_version");
  const auto index = node ? node->as_choice({"1.2", "1.3"}, problems) : std::nullopt;
  if (index) tls.min_version = *index == 0 ? TlsVersion::tls1_2 : TlsVersion::tls1_3;
}

void read_tls(const Node& node, TargetGroup& group, Problems& problems) {
  group.tls.position = node.position();
  if (!group.https) node.error("only with protocol: https", problems);
  Section section(node, problems);
  section.flag("verify", group.tls.verify);
  section.text("ca", group.tls.ca, group.tls.ca_position);
  section.text("server_name", group.tls.server_name, group.tls.server_name_position);
  read_client_certificate(section, group.tls, problems);
  section.flag("session_reuse", group.tls.session_reuse);
  read_min_version(section, group.tls, problems);
  section.text("ciphers", group.tls.ciphers, group.tls.ciphers_position);
  section.duration_or_zero("watch_interval", {Milliseconds(100), std::chrono::hours(24)},
                           group.tls.watch_interval);
}

// A certificate is verified against a name, and a path is none.
void check_names_to_verify(const TargetGroup& group, const Node& node, Problems& problems) {
  if (!group.https || !group.tls.verify || !group.tls.server_name.empty()) return;
  for (const Target& target : group.targets) {
    if (!target.address.is_unix) continue;
    problems.error(
        target.address.position, node.path_of("tls") + ".server_name",
        "missing; it must be the name in the certificate of the target on a Unix socket");
    return;
  }
}

void read_pool(const Node& node, TargetPool& pool, Problems& problems) {
  Section section(node, problems);
  section.number("max_idle", {0, 65'536}, pool.max_idle);
  section.duration("idle_timeout", {Milliseconds(1), std::chrono::hours(24)}, pool.idle_timeout);
  section.number("max_requests", {0, 1'000'000'000}, pool.max_requests);
}

void check_algorithm(const Node& node, const TargetGroup& group, std::string_view needed,
                     Problems& problems) {
  if (group.algorithm == needed) return;
  node.error("only with algorithm: " + std::string(needed), problems);
}

// Which target a request gets, besides its weight.
void read_choice(const Node& node, Section& section, TargetGroup& group, Problems& problems) {
  if (const auto key = section.section("hash_key")) {
    read_hash_key(*key, group.hash_key, problems);
    check_algorithm(*key, group, "consistent_hash", problems);
  }
  section.flag("anomaly_mitigation", group.anomaly_mitigation);
  if (group.anomaly_mitigation) {
    check_algorithm(*node.get("anomaly_mitigation"), group, "weighted_random", problems);
  }
  if (const auto stickiness = section.section("stickiness")) {
    read_stickiness(*stickiness, group.stickiness, problems);
  }
  if (const auto limits = section.section("limits")) {
    read_target_limits(*limits, group.limits, problems);
  }
}

// How a target that fails is noticed, and what becomes of the request.
void read_failure(Section& section, TargetGroup& group, Problems& problems) {
  if (const auto check = section.section("health_check")) {
    group.health_check = read_health_check(*check, problems);
  }
  if (const auto passive = section.section("passive_health")) {
    read_passive_health(*passive, group.passive_health, problems);
  }
  if (const auto fail_open = section.section("fail_open")) {
    read_fail_open(*fail_open, group.fail_open, problems);
  }
  if (const auto retry = section.section("retry")) read_retry(*retry, group.retry, problems);
}

// A second target is asked while the first try runs, so the try has to last until then.
void check_hedging(const Node& node, const TargetGroup& group, Problems& problems) {
  const Milliseconds per_try = group.timeouts.per_try.value_or(Milliseconds(0));
  const bool in_time = per_try.count() == 0 || group.retry.hedge_delay < per_try;
  if (in_time || group.retry.hedge_delay.count() == 0) return;
  node.get("retry")
      ->get("hedge_delay")
      ->error("must be shorter than timeouts.per_try (" + duration_text(per_try) + ")", problems);
}

// The window is bounded by the delay, so this is no error; but it was not meant.
void check_close_window(const Node& node, const TargetGroup& group, Problems& problems) {
  const auto websocket = node.get("websocket");
  const auto window = websocket ? websocket->get("close_window") : std::nullopt;
  if (!window || group.websocket.close_window <= group.deregistration_delay) return;
  window->warning("longer than deregistration_delay (" + duration_text(group.deregistration_delay) +
                      "), which ends it",
                  problems);
}

// A group without targets is one that is still to be filled, and what is discovered is not known.
void check_fail_open(const Node& node, const TargetGroup& group, Problems& problems) {
  const auto fail_open = node.get("fail_open");
  const auto count = fail_open ? fail_open->get("minimum_healthy_count") : std::nullopt;
  const std::size_t targets = group.targets.size();
  if (!count || targets == 0 || !group.discovery.empty()) return;
  if (group.fail_open.minimum_healthy_count <= targets) return;
  count->warning("more than there are targets (" + std::to_string(targets) +
                     "): the group fails open as soon as one of them is not healthy",
                 problems);
}

TargetGroup read_target_group(const Node& node, Unique& names, Problems& problems) {
  TargetGroup group;
  group.position = node.position();
  group.algorithm_position = node.position();
  group.tls.position = node.position();
  Section section(node, problems);

  if (const auto given = section.require("name", "a name unique among the target groups")) {
    group.name = name(*given, problems).value_or("");
    if (!group.name.empty()) names.add(group.name, *given, problems);
  }
  section.choice("protocol", {"http", "https"}, group.https);
  section.choice("protocol_version", {"http1", "http2", "grpc"}, group.protocol_version);
  if (const auto http2 = section.section("http2")) read_http2(*http2, group, problems);
  if (const auto algorithm = section.get("algorithm")) {
    group.algorithm_position = algorithm->position();
    if (auto text = name(*algorithm, problems)) group.algorithm = std::move(*text);
  }
  Unique addresses("target");
  for (const Node& item : section.list("targets")) {
    if (auto target = read_target(item, addresses, problems))
      group.targets.push_back(std::move(*target));
  }
  group.discovery = section.list("discovery");
  if (const auto tls = section.section("tls")) read_tls(*tls, group, problems);
  check_names_to_verify(group, node, problems);
  section.choice("proxy_protocol", {"off", "v1", "v2"}, group.proxy_protocol);
  if (group.proxy_protocol != ProxyHeaderVersion::off &&
      group.protocol_version != ProtocolVersion::http1) {
    // Its connections are shared by many clients, and a header names one.
    section.get("proxy_protocol")
        ->error("only with protocol_version: http1; HTTP/2 connections are shared by clients",
                problems);
  }
  if (const auto pool = section.section("pool")) read_pool(*pool, group.pool, problems);
  if (const auto timeouts = section.section("timeouts")) {
    read_timeout_overrides(*timeouts, group.timeouts, problems);
  }
  read_choice(node, section, group, problems);
  read_failure(section, group, problems);
  if (const auto websocket = section.section("websocket")) {
    read_websocket(*websocket, group.websocket, problems);
  }
  section.duration("deregistration_delay", {Milliseconds(0), std::chrono::hours(1)},
                   group.deregistration_delay);
  section.duration_or_zero("slow_start", {std::chrono::seconds(1), std::chrono::minutes(15)},
                           group.slow_start);
  check_hedging(node, group, problems);
  check_close_window(node, group, problems);
  check_fail_open(node, group, problems);
  return group;
}

// A browser that visits both groups keeps one cookie of that name: each takes the other's session.
void warn_of_shared_cookie(const TargetGroup& group, const std::vector<TargetGroup>& former,
                           const Node& node, Problems& problems) {
  if (group.stickiness.type != StickinessType::lb_cookie) return;
  for (const TargetGroup& other : former) {
    const Stickiness& theirs = other.stickiness;
    if (theirs.type != StickinessType::lb_cookie ||
        theirs.cookie_name != group.stickiness.cookie_name ||
        theirs.path != group.stickiness.path || theirs.domain != group.stickiness.domain) {
      continue;
    }
    problems.warning(group.position, node.path_of("stickiness") + ".cookie_name",
                     "the same cookie, '" + theirs.cookie_name + "', as of target group '" +
                         other.name + "': a client of both loses its sessions; give each its own");
    return;
  }
}

}  // namespace

std::vector<TargetGroup> read_target_groups(const std::vector<Node>& items, Problems& problems) {
  Unique names("target group name");
  std::vector<TargetGroup> groups;
  groups.reserve(items.size());
  for (const Node& item : items) {
    TargetGroup group = read_target_group(item, names, problems);
    warn_of_shared_cookie(group, groups, item, problems);
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace sluice::config
