// Why an exchange ended other than by the target's own answer, one name for log, metrics and
// documents.
//
// Each limit, rule and fault has a reason of its own, so that a line in the access log names the
// key to turn. `none` is the ordinary end. The table in reason.cc gives each its text, the status
// that the client sees (0: no answer is possible) and the side at fault.
#pragma once

#include <cstdint>
#include <string_view>

namespace sluice::observe {

enum class Reason : std::uint8_t {
  none,
  // --- the client's request is malformed: 400, connection closed
  bad_method,
  bad_request_target,
  bad_request_line,
  bad_header_name,
  bad_header_value,
  bare_line_feed,
  obs_fold,
  content_length_invalid,
  content_length_conflict,
  content_length_with_transfer_encoding,
  transfer_encoding_in_http_1_0,
  transfer_encoding_not_final_chunked,
  host_missing,
  host_duplicate,
  host_invalid,
  bad_path,
  chunk_invalid,
  chunk_extension_too_long,
  trailer_invalid,
  trailers_too_large,
  body_incomplete,              // client closed in the middle of its body
  upgrade_body,                 // request with Upgrade and a body
  websocket_handshake_invalid,  // 400: a WebSocket handshake without a valid Sec-WebSocket-Key, or
                                // with a method other than GET
  desync_blocked,  // 400: well-formed, but two servers may read it differently; desync_mitigation
  h2_malformed_head,  // -: HTTP/2 pseudo-header or field rules broken (RFC 9113 8.1.1):
                      // the stream is reset
  // --- limits and refusals with a status of their own
  version_not_supported,     // 505
  transfer_coding_unknown,   // 501
  request_line_too_long,     // 414
  header_too_large,          // 431: one field
  headers_too_large,         // 431: all fields
  too_many_headers,          // 431
  too_many_cookie_crumbs,    // 431: `cookie` fields of an HTTP/2 request
  misdirected_request,       // 421: the connection's certificate does not cover the authority
  body_too_large,            // 413
  expectation_failed,        // 417
  method_not_allowed,        // 405: TRACE
  connect_refused,           // 405: CONNECT
  connect_protocol_unknown,  // 501: extended CONNECT for anything but WebSocket (RFC 9220 3)
  websocket_version_not_supported,  // 426: a WebSocket handshake with a Sec-WebSocket-Version other
                                    // than 13
  websocket_refused,                // 501: a WebSocket where there can be none
  header_timeout,                   // 408
  body_timeout,                     // 408
  address_not_admitted,             // 403: the filter ip_access
  rate_limited,                     // 429: the filter rate_limit
  basic_auth_missing,               // 401: the filter basic_auth: no name and password
  basic_auth_malformed,             // 401: more than one Authorization, no base64, control bytes
  basic_auth_refused,               // 401: an unknown user or a wrong password
  basic_auth_unavailable,           // 503: no room among the requests that wait to be verified
  jwt_missing,                      // 401: the filter jwt: no token where it is looked for
  jwt_malformed,                    // 401: more than one, too long, or no signed token
  jwt_algorithm_refused,            // 401: `none`, an HMAC, or one that the filter does not allow
  jwt_key_unknown,        // 401: no key with its `kid`, and it is too early to fetch them again
  jwt_signature_invalid,  // 401
  jwt_expired,            // 401
  jwt_not_yet_valid,      // 401: `nbf` or `iat` are in the future
  jwt_issuer_refused,     // 401
  jwt_audience_refused,   // 401
  jwt_claims_refused,     // 401: a required claim is missing or has another value
  jwt_keys_unavailable,   // 503: the keys could not be fetched yet, or for too long
  forward_auth_denied,    // 401, 403 or 3xx: what the service of the filter forward_auth answered
  forward_auth_failed,    // 502: it gave no usable answer
  forward_auth_timeout,   // 504: it gave none in time
  forward_auth_unavailable,  // 503: none of its targets could be asked
  no_rule,                   // 404: default action of a listener without one
  too_many_connections,      // connection closed
  // --- routing
  redirect_too_long,       // 507
  rewrite_failed,          // 500: what the filter rewrite gives is no target of a request
  amended_head_too_large,  // 500: request_headers; of response_headers counted only, and left out
  // --- our side of the target
  no_target,                      // 503: group has none that can take work
  target_connect_refused,         // 502
  target_connect_failed,          // 502: unreachable and the like
  target_connect_timeout,         // 504
  target_tls_failed,              // 502
  target_tls_timeout,             // 504
  target_closed_early,            // 502: closed or reset before the answer's head
  target_response_malformed,      // 502
  target_response_too_large,      // 502: its head
  target_too_many_informational,  // 502
  target_response_timeout,        // 504
  target_ping_timeout,     // 504: an HTTP/2 connection fell silent, and PING was not answered
  target_try_timeout,      // 504: the last try gave no head of an answer in time; timeouts.per_try
  target_queue_full,       // 503: every target is at its limit, and so many requests wait already;
                           // limits.queue of the group
  target_queue_timeout,    // 503: no target had room in time; limits.queue_timeout of the group
  target_deregistered,     // 502: cut at the end of the deregistration_delay
  target_upgrade_invalid,  // 502: a 101 that does not accept what was asked for
  target_websocket_not_offered,  // 502: an HTTP/2 target whose SETTINGS do not offer it (RFC 8441)
  hedge_lost,                    // -: in metrics only: another try answered first
  target_body_cut,               // answer's head was sent, then the body broke off
  target_body_malformed,         // the same, bad chunk
  target_body_timeout,           // the same, silence
  total_timeout,                 // 504, or cut when the head was sent
  // --- upgraded connections
  tunnel_idle_timeout,  // -: an upgraded connection fell silent; websocket.idle_timeout
  tunnel_lifetime,      // -: an upgraded connection grew too old; websocket.lifetime
  tunnel_drained,  // -: an upgraded connection was closed, with a close frame, because its target,
                   // group, rule or listener goes, or Sluice stops
  tunnel_target_lost,  // -: the target broke off an upgraded connection
  // --- the client went away
  client_closed,         // 499 in the log
  h2_reset_by_peer,      // 499: the peer reset the stream
  client_write_timeout,  // cut: client does not read
  // --- ourselves
  descriptors_exhausted,  // 503
  shutdown_deadline,      // cut at the end of a drain
  internal_error,         // 500
  // --- HTTP/2 connections, of clients and to targets; the streams on them end with the same reason
  h2_stream_error,        // -: the peer broke a rule of its stream
  h2_unprocessed,         // -: refused, or behind a GOAWAY: the target did nothing with it
  h2_protocol_error,      // -: the peer broke a rule of the connection (RFC 9113 5.4.1)
  h2_flow_control_error,  // -
  h2_frame_size_error,    // -
  h2_compression_error,   // -: a field block that HPACK cannot decode
  h2_too_many_resets,     // -: limits of http2.abuse, as those that follow
  h2_too_many_provoked_resets,
  h2_too_many_continuations,
  h2_too_many_settings,
  h2_too_many_pings,
  h2_too_many_priority_updates,
  h2_too_many_empty_data,
  h2_too_many_window_updates,
  h2_too_many_refused_heads,
  // --- connection level: logged on the error log and counted, no exchange
  tls_handshake_failed,
  client_certificate_refused,
  tls_handshake_timeout,
  plain_request_on_tls_port,
  proxy_header_untrusted,  // a header of the PROXY protocol from a peer that may not send one
  proxy_header_invalid,    // malformed, too long, or missing where it is required
  proxy_header_timeout,    // not there in time; proxy_protocol.timeout of the listener
  too_many_handshakes,     // limits.tls_handshakes, and none ended within timeouts.tls_handshake
  last_ = too_many_handshakes,
};

inline constexpr std::size_t reason_count = static_cast<std::size_t>(Reason::last_) + 1;

enum class Side : std::uint8_t { none, client, target, self };

[[nodiscard]] std::string_view text(Reason reason);    // "header_timeout"; "-" for none
[[nodiscard]] std::uint16_t status_of(Reason reason);  // what the client is told; 0: nothing
[[nodiscard]] Side side_of(Reason reason);             // who made it end
[[nodiscard]] std::string_view text(Side side);        // "client", ...; "-" for none

}  // namespace sluice::observe
