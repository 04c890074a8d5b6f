// One function per section of the file. Each reads its node into a value that holds the defaults,
// and reports whatever does not fit, with the position; none stops at the first mistake.
#pragma once

#include <vector>

#include "config/section.h"
#include "sluice/config/load.h"
#include "sluice/config/model.h"

namespace sluice::config {

// read_listeners.cc
[[nodiscard]] std::vector<Listener> read_listeners(const std::vector<Node>& items,
                                                   Problems& problems);
// An address to listen on: a Unix socket or a numeric IP address.
[[nodiscard]] std::optional<Address> read_bind(const Node& node, Problems& problems);

// read_server_tls.cc
[[nodiscard]] ServerTls read_server_tls(const Node& node, Problems& problems);

// read_proxy_protocol.cc
// `bind`: of the listener, which decides whether every peer may be trusted.
void read_proxy_protocol(const Node& node, const Address& bind, ProxyProtocol& settings,
                         Problems& problems);

// read_client_certificates.cc
void read_client_certificates(const Node& node, ClientCertificates& settings, Problems& problems);

// read_rules.cc
[[nodiscard]] std::vector<Rule> read_rules(const std::vector<Node>& items, Problems& problems);
// Any mapping: its kind is the business of `route`.
[[nodiscard]] std::optional<Node> read_action(const Node& node, Problems& problems);

// read_target_groups.cc
[[nodiscard]] std::vector<TargetGroup> read_target_groups(const std::vector<Node>& items,
                                                          Problems& problems);

// read_target_policy.cc
// A mapping, kept as it is for the floor that checks.
[[nodiscard]] std::optional<Node> read_health_check(const Node& node, Problems& problems);
void read_target_limits(const Node& node, TargetLimits& limits, Problems& problems);
void read_passive_health(const Node& node, PassiveHealth& passive, Problems& problems);
void read_fail_open(const Node& node, FailOpen& fail_open, Problems& problems);
void read_websocket(const Node& node, WebSocket& websocket, Problems& problems);

// read_retry.cc
void read_retry(const Node& node, Retry& retry, Problems& problems);
// A rule's own: the keys of the group's but the budget.
void read_retry_overrides(const Node& node, RetryOverrides& overrides, Problems& problems);

// read_hash_key.cc
void read_hash_key(const Node& node, HashKey& key, Problems& problems);

// read_stickiness.cc
void read_stickiness(const Node& node, Stickiness& stickiness, Problems& problems);

// read_cookie_keys.cc
// No message ever shows a value.
[[nodiscard]] std::vector<std::string> read_cookie_keys(const Node& node, Problems& problems);

// read_limits.cc
void read_timeouts(const Node& node, Timeouts& timeouts, Problems& problems);
void read_timeout_overrides(const Node& node, TimeoutOverrides& timeouts, Problems& problems);
void read_http2(const Node& node, Http2& http2, Problems& problems);
void read_limits(const Node& node, Limits& limits, Problems& problems);

// read_forwarding.cc
void read_forwarding(const Node& node, Forwarding& forwarding, Problems& problems);
// Appends an address or a range of addresses to `ranges`.
void read_address_range(const Node& node, std::vector<std::string>& ranges, Problems& problems);

// read_services.cc
void read_admin(const Node& node, Admin& admin, Problems& problems);
void read_access_log(const Node& node, AccessLog& log, Problems& problems);
void read_error_log(const Node& node, ErrorLog& log, Problems& problems);
void read_shutdown(const Node& node, Shutdown& shutdown, Problems& problems);

// The range of `body` under `limits` and of `body_limit` in a rule; 0: unlimited.
inline constexpr Range<std::uint64_t> body_range{0, 1024 * 1024 * mebibyte};

}  // namespace sluice::config
