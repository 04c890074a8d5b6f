// The access log: one line per exchange, formatted by the worker, written by a thread of its own.
//
// A worker appends to its own `AccessLog` buffer; full or aged chunks go to the writer thread
// through a bounded queue. Writing never blocks a worker: when the disk stalls and the queue holds
// `buffer_bytes`, lines are dropped and counted (`access_log_dropped_total`), and said once on the
// error log. No byte of a record can end a line or a quoted value: everything that came from a peer
// is escaped (T25).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/clock.h"
#include "sluice/config/model.h"
#include "sluice/observe/log.h"
#include "sluice/observe/metrics.h"
#include "sluice/observe/reason.h"

namespace sluice::observe {

// What a header of the PROXY protocol said besides addresses, as its sender sent it. Empty:
// nothing.
struct ProxyFacts {
  std::string authority;
  std::string unique_id;
  std::string alpn;
  std::optional<bool> tls_verified;  // the client showed a certificate, and it was verified
  std::string tls_common_name;
  std::string vpc_endpoint;

  [[nodiscard]] bool is_empty() const {
    return authority.empty() && unique_id.empty() && alpn.empty() && !tls_verified.has_value() &&
           tls_common_name.empty() && vpc_endpoint.empty();
  }
};

// Views are read during `append` only. A duration below zero means "did not happen" and is logged
// as null.
struct AccessRecord {
  base::WallTime time;              // request head complete, or connection's end when it never was
  std::string_view client_address;  // the peer, or the client that a trusted proxy named
  std::uint16_t client_port = 0;
  std::string_view listener;
  std::string_view scheme;  // "http" | "https"
  std::string_view method;  // empty when the request was not understood
  std::string_view host;
  std::string_view target;           // request target as received
  std::string_view protocol;         // "HTTP/1.1"
  std::uint16_t status = 0;          // sent to the client; 499 when it left first; 0: none
  std::uint64_t request_bytes = 0;   // from the client, head included
  std::uint64_t response_bytes = 0;  // to the client, head included
  std::string_view rule;             // "default" for the default action
  std::string_view target_group;
  std::string_view target_address;  // of the last try
  std::uint16_t target_status = 0;
  std::uint8_t tries = 0;  // connections the request was sent on
  bool target_connection_reused = false;
  Reason reason = Reason::none;
  std::string_view classification;         // of an HTTP/1 request: "Severe"; empty: compliant
  std::string_view classification_reason;  // "BadUri"
  std::string_view request_id;
  std::string_view user_agent;
  std::string_view referer;
  std::string_view tls_protocol;  // "TLSv1.3"
  std::string_view tls_cipher;
  std::string_view sni;
  std::string_view user;  // that the filter basic_auth has verified; there only where it is one
  const ProxyFacts* proxy = nullptr;         // those that are there follow the fields of every line
  std::chrono::nanoseconds header_time{-1};  // first byte to the end of the request's head
  std::chrono::nanoseconds connect_time{-1};   // to the target, TLS included; 0 on a reused one
  std::chrono::nanoseconds response_time{-1};  // request sent to the answer's head
  std::chrono::nanoseconds total_time{-1};  // head complete to the last byte handed to the kernel
};

// The writer thread and its file. Created once; `reconfigure` and `reopen` from the control thread.
class AccessLogWriter {
 public:
  // Opens nothing yet.
  explicit AccessLogWriter(Registry& registry);
  ~AccessLogWriter();  // writes what is queued, waiting at most a second for a stalled disk
  AccessLogWriter(const AccessLogWriter&) = delete;
  AccessLogWriter& operator=(const AccessLogWriter&) = delete;

  // From now on the log is in `file`, which open_log_file opened for the path of `settings`; null:
  // off. Lines already queued go to the new file. Cannot fail.
  void use(const config::AccessLog& settings, const OpenedLogFile& file);
  // Both in one: opens the file for append (empty path: off). Returns the system's message on
  // failure, and then keeps what it had.
  [[nodiscard]] std::string reconfigure(const config::AccessLog& settings);
  // USR1: opens the same path anew. Returns the system's message on failure, and keeps the old
  // file.
  [[nodiscard]] std::string reopen();

 private:
  friend class AccessLog;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A worker's end. Made before and destroyed after the worker's thread runs, or in it; used by it
// only.
class AccessLog {
 public:
  // Off until `set_format` turns it on.
  AccessLog(AccessLogWriter& writer, Cells& cells);
  ~AccessLog();  // flushes
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;

  void set_format(config::AccessLogFormat format, bool enabled);
  void append(const AccessRecord& record);
  // Hands the open chunk to the writer; called by the worker's tick, so a line waits at most a
  // tick.
  void flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::observe
