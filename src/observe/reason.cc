#include "sluice/observe/reason.h"

#include <array>
#include <cstddef>

namespace sluice::observe {
namespace {

struct Row {
  Reason reason;
  std::string_view text;
  std::uint16_t status;
  Side side;
};

// Documented, row for row, in docs/logs.md; a test compares the two.
constexpr std::array<Row, reason_count> rows = {{
    {Reason::none, "-", 0, Side::none},
    // The client's request is malformed.
    {Reason::bad_method, "bad_method", 400, Side::client},
    {Reason::bad_request_target, "bad_request_target", 400, Side::client},
    {Reason::bad_request_line, "bad_request_line", 400, Side::client},
    {Reason::bad_header_name, "bad_header_name", 400, Side::client},
    {Reason::bad_header_value, "bad_header_value", 400, Side::client},
    {Reason::bare_line_feed, "bare_line_feed", 400, Side::client},
    {Reason::obs_fold, "obs_fold", 400, Side::client},
    {Reason::content_length_invalid, "content_length_invalid", 400, Side::client},
    {Reason::content_length_conflict, "content_length_conflict", 400, Side::client},
    {Reason::content_length_with_transfer_encoding, "content_length_with_transfer_encoding", 400,
     Side::client},
    {Reason::transfer_encoding_in_http_1_0, "transfer_encoding_in_http_1_0", 400, Side::client},
    {Reason::transfer_encoding_not_final_chunked, "transfer_encoding_not_final_chunked", 400,
     Side::client},
    {Reason::host_missing, "host_missing", 400, Side::client},
    {Reason::host_duplicate, "host_duplicate", 400, Side::client},
    {Reason::host_invalid, "host_invalid", 400, Side::client},
    {Reason::bad_path, "bad_path", 400, Side::client},
    {Reason::chunk_invalid, "chunk_invalid", 400, Side::client},
    {Reason::chunk_extension_too_long, "chunk_extension_too_long", 400, Side::client},
    {Reason::trailer_invalid, "trailer_invalid", 400, Side::client},
    {Reason::trailers_too_large, "trailers_too_large", 400, Side::client},
    {Reason::body_incomplete, "body_incomplete", 400, Side::client},
    {Reason::upgrade_body, "upgrade_body", 400, Side::client},
    {Reason::websocket_handshake_invalid, "websocket_handshake_invalid", 400, Side::client},
    {Reason::desync_blocked, "desync_blocked", 400, Side::client},
    {Reason::h2_malformed_head, "h2_malformed_head", 0, Side::client},
    // Limits and refusals with a status of their own.
    {Reason::version_not_supported, "version_not_supported", 505, Side::client},
    {Reason::transfer_coding_unknown, "transfer_coding_unknown", 501, Side::client},
    {Reason::request_line_too_long, "request_line_too_long", 414, Side::client},
    {Reason::header_too_large, "header_too_large", 431, Side::client},
    {Reason::headers_too_large, "headers_too_large", 431, Side::client},
    {Reason::too_many_headers, "too_many_headers", 431, Side::client},
    {Reason::too_many_cookie_crumbs, "too_many_cookie_crumbs", 431, Side::client},
    {Reason::misdirected_request, "misdirected_request", 421, Side::client},
    {Reason::body_too_large, "body_too_large", 413, Side::client},
    {Reason::expectation_failed, "expectation_failed", 417, Side::client},
    {Reason::method_not_allowed, "method_not_allowed", 405, Side::client},
    {Reason::connect_refused, "connect_refused", 405, Side::client},
    {Reason::connect_protocol_unknown, "connect_protocol_unknown", 501, Side::client},
    {Reason::websocket_version_not_supported, "websocket_version_not_supported", 426, Side::client},
    {Reason::websocket_refused, "websocket_refused", 501, Side::client},
    {Reason::header_timeout, "header_timeout", 408, Side::client},
    {Reason::body_timeout, "body_timeout", 408, Side::client},
    {Reason::address_not_admitted, "address_not_admitted", 403, Side::client},
    {Reason::rate_limited, "rate_limited", 429, Side::client},
    {Reason::basic_auth_missing, "basic_auth_missing", 401, Side::client},
    {Reason::basic_auth_malformed, "basic_auth_malformed", 401, Side::client},
    {Reason::basic_auth_refused, "basic_auth_refused", 401, Side::client},
    {Reason::basic_auth_unavailable, "basic_auth_unavailable", 503, Side::self},
    {Reason::jwt_missing, "jwt_missing", 401, Side::client},
    {Reason::jwt_malformed, "jwt_malformed", 401, Side::client},
    {Reason::jwt_algorithm_refused, "jwt_algorithm_refused", 401, Side::client},
    {Reason::jwt_key_unknown, "jwt_key_unknown", 401, Side::client},
    {Reason::jwt_signature_invalid, "jwt_signature_invalid", 401, Side::client},
    {Reason::jwt_expired, "jwt_expired", 401, Side::client},
    {Reason::jwt_not_yet_valid, "jwt_not_yet_valid", 401, Side::client},
    {Reason::jwt_issuer_refused, "jwt_issuer_refused", 401, Side::client},
    {Reason::jwt_audience_refused, "jwt_audience_refused", 401, Side::client},
    {Reason::jwt_claims_refused, "jwt_claims_refused", 401, Side::client},
    {Reason::jwt_keys_unavailable, "jwt_keys_unavailable", 503, Side::self},
    {Reason::forward_auth_denied, "forward_auth_denied", 401, Side::client},
    {Reason::forward_auth_failed, "forward_auth_failed", 502, Side::target},
    {Reason::forward_auth_timeout, "forward_auth_timeout", 504, Side::target},
    {Reason::forward_auth_unavailable, "forward_auth_unavailable", 503, Side::target},
    {Reason::no_rule, "no_rule", 404, Side::client},
    {Reason::too_many_connections, "too_many_connections", 0, Side::self},
    // Routing.
    {Reason::redirect_too_long, "redirect_too_long", 507, Side::self},
    {Reason::rewrite_failed, "rewrite_failed", 500, Side::self},
    {Reason::amended_head_too_large, "amended_head_too_large", 500, Side::self},
    // Our side of the target.
    {Reason::no_target, "no_target", 503, Side::target},
    {Reason::target_connect_refused, "target_connect_refused", 502, Side::target},
    {Reason::target_connect_failed, "target_connect_failed", 502, Side::target},
    {Reason::target_connect_timeout, "target_connect_timeout", 504, Side::target},
    {Reason::target_tls_failed, "target_tls_failed", 502, Side::target},
    {Reason::target_tls_timeout, "target_tls_timeout", 504, Side::target},
    {Reason::target_closed_early, "target_closed_early", 502, Side::target},
    {Reason::target_response_malformed, "target_response_malformed", 502, Side::target},
    {Reason::target_response_too_large, "target_response_too_large", 502, Side::target},
    {Reason::target_too_many_informational, "target_too_many_informational", 502, Side::target},
    {Reason::target_response_timeout, "target_response_timeout", 504, Side::target},
    {Reason::target_ping_timeout, "target_ping_timeout", 504, Side::target},
    {Reason::target_try_timeout, "target_try_timeout", 504, Side::target},
    {Reason::target_queue_full, "target_queue_full", 503, Side::self},
    {Reason::target_queue_timeout, "target_queue_timeout", 503, Side::self},
    {Reason::target_deregistered, "target_deregistered", 502, Side::self},
    {Reason::target_upgrade_invalid, "target_upgrade_invalid", 502, Side::target},
    {Reason::target_websocket_not_offered, "target_websocket_not_offered", 502, Side::target},
    {Reason::hedge_lost, "hedge_lost", 0, Side::self},
    {Reason::target_body_cut, "target_body_cut", 0, Side::target},
    {Reason::target_body_malformed, "target_body_malformed", 0, Side::target},
    {Reason::target_body_timeout, "target_body_timeout", 0, Side::target},
    // Our limit on the whole exchange; either side may have been the slow one.
    {Reason::total_timeout, "total_timeout", 504, Side::self},
    // Upgraded connections.
    {Reason::tunnel_idle_timeout, "tunnel_idle_timeout", 0, Side::self},
    {Reason::tunnel_lifetime, "tunnel_lifetime", 0, Side::self},
    {Reason::tunnel_drained, "tunnel_drained", 0, Side::self},
    {Reason::tunnel_target_lost, "tunnel_target_lost", 0, Side::target},
    // The client went away.
    {Reason::client_closed, "client_closed", 499, Side::client},
    {Reason::h2_reset_by_peer, "h2_reset_by_peer", 499, Side::client},
    {Reason::client_write_timeout, "client_write_timeout", 0, Side::client},
    // Ourselves.
    {Reason::descriptors_exhausted, "descriptors_exhausted", 503, Side::self},
    {Reason::shutdown_deadline, "shutdown_deadline", 0, Side::self},
    {Reason::internal_error, "internal_error", 500, Side::self},
    // HTTP/2 connections.
    {Reason::h2_stream_error, "h2_stream_error", 0, Side::client},
    {Reason::h2_unprocessed, "h2_unprocessed", 0, Side::client},
    {Reason::h2_protocol_error, "h2_protocol_error", 0, Side::client},
    {Reason::h2_flow_control_error, "h2_flow_control_error", 0, Side::client},
    {Reason::h2_frame_size_error, "h2_frame_size_error", 0, Side::client},
    {Reason::h2_compression_error, "h2_compression_error", 0, Side::client},
    {Reason::h2_too_many_resets, "h2_too_many_resets", 0, Side::client},
    {Reason::h2_too_many_provoked_resets, "h2_too_many_provoked_resets", 0, Side::client},
    {Reason::h2_too_many_continuations, "h2_too_many_continuations", 0, Side::client},
    {Reason::h2_too_many_settings, "h2_too_many_settings", 0, Side::client},
    {Reason::h2_too_many_pings, "h2_too_many_pings", 0, Side::client},
    {Reason::h2_too_many_priority_updates, "h2_too_many_priority_updates", 0, Side::client},
    {Reason::h2_too_many_empty_data, "h2_too_many_empty_data", 0, Side::client},
    {Reason::h2_too_many_window_updates, "h2_too_many_window_updates", 0, Side::client},
    {Reason::h2_too_many_refused_heads, "h2_too_many_refused_heads", 0, Side::client},
    // Connection level.
    {Reason::tls_handshake_failed, "tls_handshake_failed", 0, Side::client},
    {Reason::client_certificate_refused, "client_certificate_refused", 0, Side::client},
    {Reason::tls_handshake_timeout, "tls_handshake_timeout", 0, Side::client},
    {Reason::plain_request_on_tls_port, "plain_request_on_tls_port", 0, Side::client},
    {Reason::proxy_header_untrusted, "proxy_header_untrusted", 0, Side::client},
    {Reason::proxy_header_invalid, "proxy_header_invalid", 0, Side::client},
    {Reason::proxy_header_timeout, "proxy_header_timeout", 0, Side::client},
    {Reason::too_many_handshakes, "too_many_handshakes", 0, Side::self},
}};

consteval bool complete_and_in_order() {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].reason != static_cast<Reason>(i) || rows[i].text.empty()) return false;
  }
  return true;
}
static_assert(complete_and_in_order(), "one row per Reason, in the order of the enumeration");

constexpr const Row& row_of(Reason reason) { return rows[static_cast<std::size_t>(reason)]; }

}  // namespace

std::string_view text(Reason reason) { return row_of(reason).text; }
std::uint16_t status_of(Reason reason) { return row_of(reason).status; }
Side side_of(Reason reason) { return row_of(reason).side; }

std::string_view text(Side side) {
  switch (side) {
    case Side::none: return "-";
    case Side::client: return "client";
    case Side::target: return "target";
    case Side::self: return "self";
  }
  return "-";
}

}  // namespace sluice::observe
