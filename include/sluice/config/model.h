// The typed configuration: plain structs, defaults written here once.
//
// Invariants, established by `load` and relied on by everything above:
// 1. every number is inside the range that conf/README.md names for its key;
// 2. names of listeners, of rules in a listener and of target groups are unique, and so are the
//    priorities of a listener's rules, the addresses of a group's targets and the addresses bound;
// 3. there is at least one listener.
// Conditions and actions are open kinds (new ones are added in `route`): the model keeps their YAML
// as `Node`, so that the folder that knows a kind reads it, with errors that carry the position.
// Only that folder knows where an action names a target group, so it also checks that the group
// exists; likewise `balance` knows which algorithms there are. Lifetime: built on the control
// thread, immutable afterwards, shared by all threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sluice/config/node.h"

namespace sluice::config {

using Milliseconds = std::chrono::milliseconds;

inline constexpr std::uint64_t kibibyte = 1024;
inline constexpr std::uint64_t mebibyte = 1024 * kibibyte;

// `host:port`, `[v6]:port` or `unix:/path`.
struct Address {
  std::string host;  // numeric address or name; the path for a Unix socket
  std::uint16_t port = 0;
  bool is_unix = false;
  Position position;

  // The canonical text; also the identity of a target inside its group.
  [[nodiscard]] std::string text() const;
};

// Zero means "no limit" only where conf/README.md says so.
struct Timeouts {
  Milliseconds client_header{10'000};    // first byte of a request head to its end
  Milliseconds client_idle{60'000};      // keep-alive connection without a request
  Milliseconds client_body{30'000};      // between two reads of a request body
  Milliseconds client_write{30'000};     // between two successful writes to the client
  Milliseconds tls_handshake{10'000};    // accept to the end of the handshake, both sides
  Milliseconds connect{10'000};          // to a target, TLS not included
  Milliseconds response_header{60'000};  // request sent to the end of the answer's head
  Milliseconds target_idle{60'000};      // between two reads or writes while a body flows
  Milliseconds per_try{0};  // one try, from choosing the target to the answer's head; 0: unlimited
  Milliseconds total{0};    // whole exchange; 0: unlimited
};

// A rule's or group's own values; what is unset falls back to the group's, then to the global.
struct TimeoutOverrides {
  std::optional<Milliseconds> connect;
  std::optional<Milliseconds> response_header;
  std::optional<Milliseconds> target_idle;
  std::optional<Milliseconds> per_try;
  std::optional<Milliseconds> total;

  bool operator==(const TimeoutOverrides&) const = default;
};

struct Limits {
  std::uint64_t request_line_bytes = 16 * kibibyte;      // 414 beyond
  std::uint64_t header_bytes = 16 * kibibyte;            // one field line; 431 beyond
  std::uint64_t headers_bytes = 64 * kibibyte;           // all field lines; 431 beyond
  std::uint32_t header_count = 100;                      // 431 beyond
  std::uint64_t body_bytes = 0;                          // request body, 413 beyond; 0: unlimited
  std::uint64_t response_headers_bytes = 64 * kibibyte;  // of a target's answer; 502 beyond
  std::uint32_t informational_responses = 16;            // 1xx before one final answer; 502 beyond
  std::uint64_t chunk_extension_bytes = 1 * kibibyte;    // extensions of one chunk
  std::uint64_t trailer_bytes = 8 * kibibyte;            // trailer section
  std::uint32_t connections = 0;                // client connections per process; 0: unlimited
  std::uint32_t tls_handshakes = 1000;          // at a time with clients, per worker; 0: unlimited
  std::uint32_t requests_per_connection = 0;    // then `Connection: close`; 0: unlimited
  Milliseconds connection_lifetime{3'600'000};  // client_keep_alive of ALB; 0: unlimited
  std::uint64_t proxy_header_bytes = 4 * kibibyte;  // of the PROXY protocol, TLVs included
};

// What one HTTP/2 client may make us do within `window` before its connection is closed. 0:
// unlimited.
struct Http2Abuse {
  Milliseconds window{10'000};
  std::uint32_t resets = 200;           // streams that it resets (Rapid Reset)
  std::uint32_t provoked_resets = 100;  // streams that we reset for its faults (MadeYouReset)
  std::uint32_t continuations = 8;      // CONTINUATION frames of one field block
  std::uint32_t settings = 32;
  std::uint32_t pings = 100;
  std::uint32_t priority_updates = 400;
  std::uint32_t empty_data = 100;
  std::uint32_t window_updates = 20'000;  // beyond one per 1,000 bytes of content sent
  std::uint32_t refused_heads = 50;       // field blocks beyond a limit
};

// HTTP/2 connections of clients, on listeners with `http2`.
struct Http2 {
  std::uint32_t max_concurrent_streams = 128;
  // Of one stream of a request body: grows from the first to the second while its target keeps up.
  std::uint64_t initial_window_bytes = 64 * kibibyte;
  std::uint64_t max_window_bytes = 16 * mebibyte;
  std::uint32_t cookie_crumbs = 64;  // `cookie` fields of one request; 431 beyond
  Http2Abuse abuse;
};

enum class ForwardedFor : std::uint8_t { append, preserve, remove };

// What is told to targets about the client (as ALB does), and whom we believe.
struct Forwarding {
  ForwardedFor forwarded_for = ForwardedFor::append;
  bool client_port = false;   // append the client's port to X-Forwarded-For
  bool preserve_host = true;  // pass Host as sent
  bool via = false;
  std::vector<std::string> trusted_proxies;  // valid base::Cidr text: whose X-Forwarded-* are kept
  std::vector<std::string> trailers;         // lower-case names of trailers that may pass
};

struct CertificateFiles {
  std::string certificate;  // PEM chain, leaf first
  std::string key;          // PEM
  Position position;
  std::string ocsp = {};  // DER, an answer about the leaf to be stapled; empty: none
  // Of the keys that name the files.
  Position certificate_position = {};
  Position key_position = {};
  Position ocsp_position = {};
};

enum class TlsVersion : std::uint8_t { tls1_0, tls1_1, tls1_2, tls1_3 };

enum class ClientCertificateMode : std::uint8_t {
  off,          // not asked for
  passthrough,  // asked for, not verified, passed on to the target
  verify,       // required, verified in the handshake
};

// Mutual TLS, as ALB's. All but the mode and `chain_bytes` only with `verify`.
struct ClientCertificates {
  ClientCertificateMode mode = ClientCertificateMode::off;
  std::string trust_store;             // PEM: the authorities whose clients are let in
  std::vector<std::string> crls;       // revocation lists, PEM or DER; none: nothing is revoked
  std::uint32_t depth = 4;             // intermediates between a client and the trust store, 0..16
  bool ignore_expired = false;         // of the client's own certificate
  bool advertise_trust_store = false;  // the authorities' names go to every client
  std::uint64_t chain_bytes = 64 * kibibyte;  // what a client may send, 1 KiB..64 KiB
  Position position;
  Position trust_store_position;
  std::vector<Position> crl_positions;  // of each of `crls`
};

// When a request for another host than the one the client named in its handshake is 421.
enum class CheckAuthority : std::uint8_t {
  sni,  // a connection of its own would show another certificate, and this one is not for it
  certificate,  // this connection's certificate is not for it; without a server name too
  off,          // never
};

// What `policy` names is already in the versions and lists.
struct ServerTls {
  std::vector<CertificateFiles> certificates;  // first is the default
  std::string policy;                          // its short name, for logs; empty: our own choice
  TlsVersion min_version = TlsVersion::tls1_2;
  TlsVersion max_version = TlsVersion::tls1_3;  // not below min_version
  std::string ciphers;       // OpenSSL list for TLS 1.2; empty: the built-in modern list
  std::string ciphersuites;  // OpenSSL list for TLS 1.3; empty: OpenSSL's default
  std::string groups;        // OpenSSL list; empty: X25519:P-256:P-384
  bool offer_http2 = false;  // in ALPN, before http/1.1; what Listener::http2 says
  ClientCertificates client_certificates;
  CheckAuthority check_authority = CheckAuthority::sni;
  bool session_tickets = true;
  std::string ticket_keys_file;  // shared with other instances; empty: random ones, changed hourly
  Position ticket_keys_position;
  Milliseconds expiry_warning{30 * 86'400'000LL};  // before a certificate's end; 0: off
  Milliseconds watch_interval{10'000};             // between looks at the files; 0: off
  // Of the keys; of `policy` where that gave the list.
  Position ciphers_position;
  Position ciphersuites_position;
  Position groups_position;
};

// When a failed try is repeated on another target. Never after a part of the answer has gone out.
struct Retry {
  std::uint32_t attempts = 2;   // tries after the first, 0..10; 0: none
  bool connect_failure = true;  // nothing was sent: any method
  // The rest only for idempotent methods (RFC 9110 9.2.2).
  bool reset = true;                          // closed or reset before any byte of the answer
  bool timeout = true;                        // no head within response_header or per_try
  bool malformed = true;                      // an answer that is not HTTP
  std::vector<std::uint16_t> statuses;        // 400..599 that are not passed on but tried again
  std::uint64_t body_buffer = 64 * kibibyte;  // request bodies up to this can be sent again
  std::uint32_t budget_percent = 20;          // of the requests, 0..100: what retries may add
  std::uint32_t budget_burst = 100;           // retries at hand before any request; per worker
  Milliseconds hedge_delay{
      0};  // GET without an answer for so long is sent to a second target; 0: off

  bool operator==(const Retry&) const = default;
};

// What a rule says about the tries of its requests; all else is as its target group has it. The
// budget is the group's alone.
struct RetryOverrides {
  Retry values;
  bool has_attempts = false;
  bool has_reasons = false;
  bool has_body_buffer = false;
  bool has_hedge_delay = false;

  [[nodiscard]] bool is_any() const {
    return has_attempts || has_reasons || has_body_buffer || has_hedge_delay;
  }
  [[nodiscard]] Retry over(Retry group) const;
};

// Which of a rule's exchanges have a line in the access log.
enum class LoggedExchanges : std::uint8_t {
  all,
  errors,  // that ended with a reason code, or with a status of 500 and more
  none,
};

struct Rule {
  std::string name;              // "rule-PRIORITY" when the file gives none
  std::uint32_t priority = 0;    // 1..50000
  std::vector<Node> conditions;  // at least one, each a mapping with one key, the kind
  Node action;                   // a mapping
  std::optional<Node> filters;   // a mapping of kinds, which `route` reads
  TimeoutOverrides timeouts;
  std::optional<std::uint64_t> body_bytes;  // overrides limits.body_bytes
  RetryOverrides retry;
  LoggedExchanges logged = LoggedExchanges::all;
  Position position;
};

enum class HalfClose : std::uint8_t { abort, tolerate };

// What is done with well-formed HTTP/1 requests that two servers may read differently, as ALB does.
enum class DesyncMitigation : std::uint8_t { monitor, defensive, strictest };

enum class ProxyProtocolMode : std::uint8_t { off, optional, required };

// The PROXY protocol from clients: whose header says who the client is.
struct ProxyProtocol {
  ProxyProtocolMode mode = ProxyProtocolMode::off;
  // Valid base::Cidr text; empty: every peer, which only a Unix socket or a loopback address may
  // have.
  std::vector<std::string> trusted;
  Milliseconds timeout{5'000};  // for the whole header

  bool operator==(const ProxyProtocol&) const = default;
};

struct Listener {
  std::string name;
  Address bind;  // numeric host or Unix socket; port 0: any free port
  std::optional<ServerTls> tls;
  bool http2 = false;
  HalfClose half_close = HalfClose::abort;  // a client that shuts its sending side while waiting
  DesyncMitigation desync_mitigation = DesyncMitigation::defensive;
  ProxyProtocol proxy_protocol;
  std::optional<Node> filters;         // for rules that do not set that kind themselves
  std::vector<Rule> rules;             // in the order of the file, not of priority
  std::optional<Node> default_action;  // absent: 404
  Position position;
};

struct Target {
  Address address;           // port never 0
  std::uint32_t weight = 1;  // 0..999; 0: no new work
};

// TLS towards targets.
struct ClientTls {
  bool verify = true;
  std::string ca;           // PEM bundle; empty: the system's
  std::string server_name;  // SNI and the name verified; empty: the target's host
  std::optional<CertificateFiles> certificate;  // ours, for targets that ask for one
  bool session_reuse = true;                    // a new connection resumes an earlier session
  TlsVersion min_version = TlsVersion::tls1_2;
  std::string ciphers;                  // OpenSSL list for TLS 1.2; empty: OpenSSL's default
  Milliseconds watch_interval{10'000};  // between looks at the files; 0: off
  Position position;
  Position ca_position;
  Position server_name_position;
  Position ciphers_position;

  [[nodiscard]] bool has_files() const { return !ca.empty() || certificate.has_value(); }
  [[nodiscard]] bool is_watched() const { return has_files() && watch_interval.count() != 0; }
};

struct TargetPool {
  std::uint32_t max_idle = 1024;  // idle connections kept per target and worker
  Milliseconds idle_timeout{
      55'000};  // shorter than the usual 60 s of targets and of ALB, so that we close first
  std::uint32_t max_requests = 0;  // per connection; 0: unlimited

  bool operator==(const TargetPool&) const = default;
};

// What is spoken with targets; grpc is HTTP/2 with another health check.
enum class ProtocolVersion : std::uint8_t { http1, http2, grpc };

// HTTP/2 towards targets.
struct TargetHttp2 {
  std::uint32_t max_concurrent_streams =
      128;                             // of one connection, 1..10000; a target may allow fewer
  Milliseconds ping_interval{30'000};  // of silence while requests are under way; 0: no PING
  Milliseconds ping_timeout{10'000};   // for its answer

  bool operator==(const TargetHttp2&) const = default;
};

// What one target may be asked at a time, over all workers; beyond it requests wait in the group's
// queue.
struct TargetLimits {
  std::uint32_t max_connections = 0;  // open connections to one target; 0: unlimited
  std::uint32_t max_requests = 0;     // outstanding requests at one target; 0: unlimited
  std::uint32_t queue = 1024;         // requests that may wait for a target, per worker; 0: none
  Milliseconds queue_timeout{1'000};  // then 503

  bool operator==(const TargetLimits&) const = default;
};

// Ejection of targets by what their answers to real requests look like.
struct PassiveHealth {
  bool enabled = true;
  // In a row: refused, reset before the answer, broken off in it. 0: off.
  std::uint32_t consecutive_failures = 1;
  // In a row: no answer in time, or a malformed one. More than one, for it may be the request's
  // fault, and its retries would eject a target each. 0: off.
  std::uint32_t consecutive_timeouts = 3;
  std::uint32_t consecutive_5xx = 5;     // in a row; 0: off
  std::uint32_t error_rate_percent = 0;  // failures and 5xx of a window's requests; 0: off
  std::uint32_t latency_factor = 0;      // times the median latency of its peers, 2..100; 0: off
  std::uint32_t minimum_requests = 20;   // of a window, below which rates say nothing
  Milliseconds window{10'000};
  Milliseconds ejection_time{10'000};  // doubles with each ejection that follows
  Milliseconds max_ejection_time{300'000};
  std::uint32_t max_ejected_percent = 50;  // of the group's targets, rounded down

  bool operator==(const PassiveHealth&) const = default;
};

// Below either of these the group fails open: all its registered targets get traffic, as ALB does.
struct FailOpen {
  std::uint32_t minimum_healthy_count = 1;    // 1..1000
  std::uint32_t minimum_healthy_percent = 0;  // 0..100; 0: off

  bool operator==(const FailOpen&) const = default;
};

enum class HashSource : std::uint8_t { header, cookie, query, path, source_ip };

// What of a request is hashed, for consistent_hash and for stickiness of type hash.
struct HashKey {
  HashSource source = HashSource::source_ip;
  std::string name;  // of header (lower case), cookie or query parameter

  bool operator==(const HashKey&) const = default;
};

enum class StickinessType : std::uint8_t { none, lb_cookie, app_cookie, hash };
enum class CookieSecure : std::uint8_t { automatic, always, never };  // automatic: on TLS listeners
enum class SameSite : std::uint8_t { lax, strict, none, unset };

struct Stickiness {
  StickinessType type = StickinessType::none;
  Milliseconds duration{86'400'000};   // 1 s to 7 days
  std::string cookie_name = "SLUICE";  // lb_cookie: ours; app_cookie: the application's
  CookieSecure secure = CookieSecure::automatic;
  bool http_only = true;
  SameSite same_site = SameSite::lax;
  std::string path = "/";
  std::string domain;   // empty: none
  bool max_age = true;  // false: a session cookie; the duration inside it holds all the same
  HashKey key;          // type hash

  bool operator==(const Stickiness&) const = default;
};

// Of the clients of a rule that forwards to several groups: a cookie of ours names the group.
struct GroupStickiness {
  Stickiness cookie{.type = StickinessType::lb_cookie, .cookie_name = {}};  // empty: of the rule
  // The same once more under another name, for requests from other sites, whatever the attributes
  // of the first: ALB's AWSALBTGCORS.
  bool cors = false;

  bool operator==(const GroupStickiness&) const = default;
};

// Upgraded connections.
struct WebSocket {
  bool enabled = true;
  Milliseconds idle_timeout{3'600'000};  // no byte either way
  Milliseconds lifetime{0};              // 0: unlimited
  Milliseconds ping_interval{0};         // of silence, then we ping both sides; 0: off
  // Before a deregistration delay or a drain ends, close frames are spread over so long.
  Milliseconds close_window{30'000};

  bool operator==(const WebSocket&) const = default;
};

// The header of the PROXY protocol that new connections to targets begin with.
enum class ProxyHeaderVersion : std::uint8_t { off, v1, v2 };

struct TargetGroup {
  std::string name;
  bool https = false;
  ProtocolVersion protocol_version = ProtocolVersion::http1;
  TargetHttp2 http2;
  std::string algorithm = "round_robin";  // not checked here
  Position algorithm_position;            // of the key's value; of the group when absent
  std::vector<Target> targets;
  std::vector<Node> discovery;  // its items, read by control/discovery; empty: none
  ClientTls tls;
  ProxyHeaderVersion proxy_protocol = ProxyHeaderVersion::off;
  TargetPool pool;
  TimeoutOverrides timeouts;
  std::optional<Node> health_check;  // a mapping, read by control/health; absent: no checks
  PassiveHealth passive_health;
  FailOpen fail_open;
  Retry retry;
  TargetLimits limits;
  HashKey hash_key;                 // of the algorithm consistent_hash
  bool anomaly_mitigation = false;  // of the algorithm weighted_random, as ALB's
  Stickiness stickiness;
  WebSocket websocket;
  Milliseconds deregistration_delay{300'000};  // 0..3600 s
  Milliseconds slow_start{0};                  // 0, or 1..900 s
  Position position;
};

struct Admin {
  std::optional<Address> bind;  // absent: no admin listener
  // Who may do what, by bearer tokens; empty: who reaches the listener may do everything. Required
  // where others than this machine reach it.
  std::string tokens_file;
  Position tokens_position;
  Position position;
};

enum class AccessLogFormat : std::uint8_t { json, combined };

struct AccessLog {
  std::string path;  // empty: off; "stdout"; or a file
  AccessLogFormat format = AccessLogFormat::json;
  std::uint64_t buffer_bytes = 1 * mebibyte;  // per worker, waiting for the disk; then lines drop
  Position position;                          // of the path; of the section when it names none
};

struct ErrorLog {
  std::string path = "stderr";  // "stderr" or a file
  std::string level = "info";   // debug | info | warn | error
  Position position;            // of the path; of the section when it names none
};

struct Shutdown {
  Milliseconds deadline{30'000};  // graceful drain, then connections are cut
};

struct Model {
  std::uint32_t workers = 0;  // 0: auto
  Position workers_position;  // of the key's value; of the file when absent
  std::vector<Listener> listeners;
  std::vector<TargetGroup> target_groups;
  Timeouts timeouts;
  Limits limits;
  Http2 http2;
  Forwarding forwarding;
  Admin admin;
  AccessLog access_log;
  ErrorLog log;
  Shutdown shutdown;
  // Secrets of at least 32 characters that seal stickiness cookies; the first seals, all open.
  // Empty: a random one of this process.
  std::vector<std::string> cookie_keys;
  std::string state_dir;  // of what must outlive a restart; empty: nothing does
  Position state_position;
};

}  // namespace sluice::config
