// The list of all metrics.
#include "observe/families.h"

#include <array>

namespace sluice::observe {
namespace {

template <std::size_t count>
using Names = std::array<std::string_view, count>;

constexpr Names<2> by_listener_and_certificate = {"listener", "certificate"};
constexpr Names<4> by_route = {"listener", "rule", "target_group", "code_class"};
constexpr Names<1> by_reason = {"reason"};
constexpr Names<1> by_listener = {"listener"};
constexpr Names<2> by_listener_and_reason = {"listener", "reason"};
constexpr Names<2> by_listener_and_coding = {"listener", "coding"};
constexpr Names<3> by_handshake = {"listener", "version", "resumed"};
constexpr Names<1> by_group = {"target_group"};
constexpr Names<2> by_group_and_class = {"target_group", "code_class"};
constexpr Names<2> by_group_and_reason = {"target_group", "reason"};
constexpr Names<2> by_group_and_resumed = {"target_group", "resumed"};
constexpr Names<2> by_group_and_result = {"target_group", "result"};
constexpr Names<2> by_group_and_state = {"target_group", "state"};
constexpr Names<2> by_group_and_direction = {"target_group", "direction"};
constexpr Names<1> by_result = {"result"};
constexpr Names<4> by_limit_and_result = {"listener", "rule", "limit", "result"};
constexpr Names<3> by_limit = {"listener", "rule", "limit"};
constexpr Names<2> by_classification_and_reason = {"classification", "classification_reason"};
constexpr Names<1> by_jwks = {"jwks"};
constexpr Names<2> by_jwks_and_result = {"jwks", "result"};
constexpr Names<2> by_source = {"target_group", "source"};
constexpr Names<3> by_source_and_result = {"target_group", "source", "result"};
constexpr Names<3> by_rule_and_result = {"listener", "rule", "result"};
constexpr Names<2> by_listener_and_group = {"listener", "target_group"};

// Documented, row for row, in docs/metrics.md; a test compares the two.
constexpr std::array<Family, metric_count> families = {{
    {Metric::requests_total, Kind::counter, "requests_total",
     "Requests answered or given up, by the class of the status sent to the client.", by_route},
    {Metric::exchange_ends_total, Kind::counter, "exchange_ends_total",
     "Exchanges that ended other than by the target's complete answer, by reason code.", by_reason},
    {Metric::request_bytes_total, Kind::counter, "request_bytes_total",
     "Bytes of requests received from clients, heads included, TLS not.", by_listener},
    {Metric::response_bytes_total, Kind::counter, "response_bytes_total",
     "Bytes of responses sent to clients, heads included, TLS not.", by_listener},
    {Metric::target_requests_total, Kind::counter, "target_requests_total",
     "Answers received from targets, by the class of their status.", by_group_and_class},
    {Metric::target_sent_bytes_total, Kind::counter, "target_sent_bytes_total",
     "Bytes of requests sent to targets, heads included, TLS not.", by_group},
    {Metric::target_received_bytes_total, Kind::counter, "target_received_bytes_total",
     "Bytes of answers received from targets, heads included, TLS not.", by_group},
    {Metric::target_retries_total, Kind::counter, "target_retries_total",
     "Requests sent once more, by the reason code of the try that failed.", by_group_and_reason},
    {Metric::target_retry_budget_exhausted_total, Kind::counter,
     "target_retry_budget_exhausted_total",
     "Failed tries that were not repeated because the retry budget was used up.", by_group},
    {Metric::target_hedges_total, Kind::counter, "target_hedges_total",
     "Second tries sent because the first was slow, by whether they answered first: won or lost.",
     by_group_and_result},
    {Metric::target_fail_open_requests_total, Kind::counter, "target_fail_open_requests_total",
     "Requests sent while the group failed open: too few targets were healthy, so all were used.",
     by_group},
    {Metric::target_state_changes_total, Kind::counter, "target_state_changes_total",
     "Changes of the state of targets, by the state they came to.", by_group_and_state},
    {Metric::target_ejections_total, Kind::counter, "target_ejections_total",
     "Ejections of targets by passive health, by reason.", by_group_and_reason},
    {Metric::health_checks_total, Kind::counter, "health_checks_total",
     "Active health checks, by result: success or failure.", by_group_and_result},
    {Metric::sticky_requests_total, Kind::counter, "sticky_requests_total",
     "Requests of groups with stickiness, by what came of it.", by_group_and_result},
    {Metric::rule_sticky_requests_total, Kind::counter, "rule_sticky_requests_total",
     "Requests of rules whose clients stay with a target group, by what came of it.",
     by_rule_and_result},
    {Metric::compressed_answers_total, Kind::counter, "compressed_answers_total",
     "Answers compressed for clients, by coding.", by_listener_and_coding},
    {Metric::compression_input_bytes_total, Kind::counter, "compression_input_bytes_total",
     "Content of answers before it was compressed.", by_listener},
    {Metric::compression_output_bytes_total, Kind::counter, "compression_output_bytes_total",
     "Content of answers after it was compressed.", by_listener},
    {Metric::tunnels_total, Kind::counter, "tunnels_total", "Connections upgraded to WebSocket.",
     by_group},
    {Metric::tunnel_ends_total, Kind::counter, "tunnel_ends_total",
     "Ends of upgraded connections, by reason code.", by_group_and_reason},
    {Metric::tunnel_bytes_total, Kind::counter, "tunnel_bytes_total",
     "Bytes passed on in upgraded connections, by direction: to_target or to_client.",
     by_group_and_direction},
    {Metric::target_connections_opened_total, Kind::counter, "target_connections_opened_total",
     "Connections opened to targets.", by_group},
    {Metric::target_connections_reused_total, Kind::counter, "target_connections_reused_total",
     "Requests sent on a connection that an earlier request left open.", by_group},
    {Metric::target_connection_errors_total, Kind::counter, "target_connection_errors_total",
     "Tries that failed for the connection to the target, by reason code.", by_group_and_reason},
    {Metric::target_tls_handshakes_total, Kind::counter, "target_tls_handshakes_total",
     "TLS handshakes completed with targets, by whether they resumed a session.",
     by_group_and_resumed},
    {Metric::client_connections_total, Kind::counter, "client_connections_total",
     "Connections accepted from clients.", by_listener},
    {Metric::client_connections_rejected_total, Kind::counter, "client_connections_rejected_total",
     "Connections closed before their first request, by reason code.", by_listener_and_reason},
    {Metric::tls_handshakes_total, Kind::counter, "tls_handshakes_total",
     "TLS handshakes completed with clients.", by_handshake},
    {Metric::tls_handshake_failures_total, Kind::counter, "tls_handshake_failures_total",
     "TLS handshakes with clients that did not complete, by reason code.", by_listener_and_reason},
    {Metric::rate_limit_requests_total, Kind::counter, "rate_limit_requests_total",
     "Requests that a limit of rate_limit was asked about, by result: admitted or refused.",
     by_limit_and_result},
    {Metric::rate_limit_evictions_total, Kind::counter, "rate_limit_evictions_total",
     "Keys that were forgotten because max_keys of their limit had buckets.", by_limit},
    {Metric::desync_requests_total, Kind::counter, "desync_requests_total",
     "HTTP/1 requests that are not compliant, by the tier of their class and its reason.",
     by_classification_and_reason},
    {Metric::access_log_lines_total,
     Kind::counter,
     "access_log_lines_total",
     "Lines written to the access log.",
     {}},
    {Metric::access_log_dropped_total,
     Kind::counter,
     "access_log_dropped_total",
     "Lines lost because the access log could not be written, or not fast enough.",
     {}},
    {Metric::config_reloads_total, Kind::counter, "config_reloads_total",
     "Reloads of the configuration, by result: success or failure.", by_result},
    {Metric::events_total, Kind::counter, "events_total",
     "Events of connections outside any exchange, by reason code.", by_reason},
    {Metric::jwks_fetches_total, Kind::counter, "jwks_fetches_total",
     "Fetches of keys for the filter jwt, by result: success or failure.", by_jwks_and_result},
    {Metric::discovery_looks_total, Kind::counter, "discovery_looks_total",
     "Answers of sources of targets, by result: success, empty (no target) or failure.",
     by_source_and_result},
    {Metric::discovery_refused_addresses_total, Kind::counter, "discovery_refused_addresses_total",
     "Addresses in answers of sources of targets that never are targets, such as link-local ones.",
     by_source},
    {Metric::jwt_cache_total, Kind::counter, "jwt_cache_total",
     "Tokens looked for among those verified before, by result: hit or miss.", by_result},
    {Metric::basic_auth_cache_total, Kind::counter, "basic_auth_cache_total",
     "Passwords looked for among those verified before, by result: hit or miss.", by_result},
    {Metric::forward_auth_requests_total, Kind::counter, "forward_auth_requests_total",
     "Requests that the filter forward_auth asked about, by result: allowed, denied, failed or "
     "failed_open.",
     by_group_and_result},
    {Metric::mirrored_requests_total, Kind::counter, "mirrored_requests_total",
     "Copies of requests by the filter mirror, by what became of them.", by_group_and_result},
    {Metric::client_connections, Kind::gauge, "client_connections",
     "Open connections from clients.", by_listener},
    {Metric::client_connections_idle, Kind::gauge, "client_connections_idle",
     "Open connections from clients without a request.", by_listener},
    {Metric::target_connections, Kind::gauge, "target_connections", "Open connections to targets.",
     by_group},
    {Metric::target_connections_idle, Kind::gauge, "target_connections_idle",
     "Open connections to targets without a request.", by_group},
    {Metric::target_active_requests, Kind::gauge, "target_active_requests",
     "Requests sent to targets whose answer is not complete.", by_group},
    {Metric::targets, Kind::gauge, "targets", "Registered targets, by state.", by_group_and_state},
    {Metric::targets_ejected, Kind::gauge, "targets_ejected",
     "Targets that passive health keeps from work.", by_group},
    {Metric::target_queue_requests, Kind::gauge, "target_queue_requests",
     "Requests waiting for a target with room.", by_group},
    {Metric::tunnels, Kind::gauge, "tunnels", "Open connections upgraded to WebSocket.", by_group},
    {Metric::config_last_reload_success,
     Kind::gauge,
     "config_last_reload_success",
     "1 when the configuration on disk was accepted at the last reload or start, otherwise 0.",
     {}},
    {Metric::config_last_reload_timestamp_seconds,
     Kind::gauge,
     "config_last_reload_timestamp_seconds",
     "When the configuration in force was loaded, in seconds since 1970.",
     {}},
    {Metric::config_revision,
     Kind::gauge,
     "config_revision",
     "Number of the configuration in force; 1 at the start.",
     {}},
    {Metric::start_time_seconds,
     Kind::gauge,
     "start_time_seconds",
     "When the process started, in seconds since 1970.",
     {}},
    {Metric::workers, Kind::gauge, "workers", "Worker threads.", {}},
    {Metric::certificate_expiry_timestamp_seconds, Kind::gauge,
     "certificate_expiry_timestamp_seconds",
     "When a listener's certificate ends, in seconds since 1970, by the name of its file.",
     by_listener_and_certificate},
    {Metric::jwks_last_success_timestamp_seconds, Kind::gauge,
     "jwks_last_success_timestamp_seconds",
     "When the keys in use were fetched or confirmed, in seconds since 1970; 0: never.", by_jwks},
    {Metric::jwks_keys, Kind::gauge, "jwks_keys", "Keys in use for the filter jwt.", by_jwks},
    {Metric::basic_auth_waiting,
     Kind::gauge,
     "basic_auth_waiting",
     "Requests that wait for their password to be verified.",
     {}},
    {Metric::discovery_last_success_timestamp_seconds, Kind::gauge,
     "discovery_last_success_timestamp_seconds",
     "When a source last told its targets, in seconds since 1970; 0: never.", by_source},
    {Metric::discovery_targets, Kind::gauge, "discovery_targets",
     "Targets that a group has from a source.", by_source},
    {Metric::discovery_held, Kind::gauge, "discovery_held",
     "1 while the last good targets of a source are kept because it tells none, otherwise 0.",
     by_source},
    {Metric::request_duration_seconds, Kind::histogram, "request_duration_seconds",
     "Request head complete to the last byte of the answer handed to the kernel.",
     by_listener_and_group},
    {Metric::added_latency_seconds, Kind::histogram, "added_latency_seconds",
     "Part of a request's duration spent in Sluice itself: without waiting for target or client.",
     by_listener},
    {Metric::target_response_seconds, Kind::histogram, "target_response_seconds",
     "Request sent to the head of the target's answer.", by_group},
    {Metric::target_connect_seconds, Kind::histogram, "target_connect_seconds",
     "Time to open a connection to a target, TLS included.", by_group},
    {Metric::target_queue_seconds, Kind::histogram, "target_queue_seconds",
     "Time that requests waited for a target with room, of those that waited.", by_group},
    {Metric::health_check_seconds, Kind::histogram, "health_check_seconds",
     "Duration of active health checks.", by_group},
    {Metric::tls_handshake_seconds, Kind::histogram, "tls_handshake_seconds",
     "Duration of TLS handshakes with clients.", by_listener},
}};

// A counter's name ends in _total, no other's does; so Prometheus' own linter wants it.
consteval bool complete_in_order_and_well_named() {
  for (std::size_t i = 0; i < families.size(); ++i) {
    const Family& family = families[i];
    if (family.metric != static_cast<Metric>(i) || family.help.empty()) return false;
    if (family.name.ends_with("_total") != (family.kind == Kind::counter)) return false;
    if (family.kind == Kind::histogram && !family.name.ends_with("_seconds")) return false;
  }
  return true;
}
static_assert(complete_in_order_and_well_named(), "one row per Metric, in the enumeration's order");

}  // namespace

const Family& family_of(Metric metric) { return families[static_cast<std::size_t>(metric)]; }

std::span<const Family> all_families() { return families; }

}  // namespace sluice::observe
