// Connections of one worker to one target: idle ones kept for reuse, new ones dialled.
//
// Last in, first out: a small load keeps few connections warm and lets the rest expire. An idle
// connection is watched; when the target closes it, or sends bytes nobody asked for (T7), it goes
// at once. A connection is given back only when both messages ended cleanly; otherwise its lease
// closes it. Connections of HTTP/2 are shared instead: see H2Pool. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/net/dial.h"
#include "sluice/net/stream.h"
#include "sluice/net/tls_session_cache.h"
#include "sluice/target/target.h"
#include "sluice/upstream/connection_count.h"
#include "sluice/upstream/h2_pool.h"

namespace sluice::upstream {

struct GroupCells;
class Pool;

// An open connection to a target.
class Connection {
 public:
  Connection(net::Loop& loop, GroupCells& cells, std::unique_ptr<net::Stream> stream,
             std::shared_ptr<const net::ClientTlsContext> tls, ConnectionCount count,
             bool is_of_one_client);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] net::Stream& stream() { return *stream_; }
  [[nodiscard]] bool was_used() const { return exchanges_ > 0; }
  [[nodiscard]] std::uint32_t exchanges() const { return exchanges_; }

 private:
  friend class Pool;
  GroupCells& cells_;
  ConnectionCount count_;
  std::unique_ptr<net::Stream> stream_;
  std::shared_ptr<const net::ClientTlsContext> tls_;  // that it was opened with
  // It began with a header that names a client: whoever used it after him would be taken for him.
  bool is_of_one_client_;
  std::uint32_t exchanges_ = 0;
  Pool* pool_ = nullptr;  // while idle
  net::Deadline idle_deadline_;
};

struct Leased {
  std::unique_ptr<Connection> connection;  // null on error
  net::DialError error = net::DialError::none;
  std::string error_text;
  bool at_limit = false;  // the target has as many connections as it may; nothing was dialled
};

class Pool {
 public:
  Pool(net::Loop& loop, GroupCells& cells, std::shared_ptr<target::Target> target);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // `max_connections`: of the target over all workers; 0: unlimited.
  void apply(const config::TargetPool& settings, std::uint32_t max_connections,
             std::shared_ptr<const net::ClientTlsContext> tls,
             config::ProxyHeaderVersion proxy_protocol = config::ProxyHeaderVersion::off,
             const Http2Settings& http2 = {});

  [[nodiscard]] target::Target& target() { return *target_; }
  [[nodiscard]] const target::Target& target() const { return *target_; }

  // HTTP/2: streams are taken from `http2`, and no connection from here.
  [[nodiscard]] bool is_http2() const { return http2_.is_enabled(); }
  [[nodiscard]] H2Pool& http2() { return http2_; }

  // An idle connection, or null: then `connect`.
  [[nodiscard]] std::unique_ptr<Connection> take_idle();
  // What `connect` has to be given the header of.
  [[nodiscard]] config::ProxyHeaderVersion proxy_protocol() const { return proxy_protocol_; }
  // A new connection, TLS included. `dialing` ends it from elsewhere. `proxy_header`, when not
  // empty, is sent first, before TLS; the connection is not kept for anybody else then.
  [[nodiscard]] net::Task<Leased> connect(std::chrono::milliseconds connect_timeout,
                                          std::chrono::milliseconds handshake_timeout,
                                          net::Dialing& dialing, std::string proxy_header = {});
  // Both messages ended cleanly and no byte is left over.
  void give_back(std::unique_ptr<Connection> connection);

  // An idle connection is at hand, or one more may be opened.
  [[nodiscard]] bool has_room() const;

  void close_idle();
  // Closes the one that has been idle for longest, if the target has as many connections as it may;
  // false: there was nothing to close.
  bool close_oldest_idle();
  // The target has left its group: nothing is kept any more.
  void retire();
  [[nodiscard]] bool is_retired() const { return retired_; }

 private:
  friend class Connection;
  friend class H2Pool;
  [[nodiscard]] const config::TargetPool& settings() const { return settings_; }
  [[nodiscard]] const std::shared_ptr<const net::ClientTlsContext>& tls() const { return tls_; }
  [[nodiscard]] ConnectionCount count_connection() const { return {target_, max_connections_}; }
  // Dials, and shakes hands where the group has TLS.
  [[nodiscard]] net::Task<net::Dialed> open(std::chrono::milliseconds connect_timeout,
                                            std::chrono::milliseconds handshake_timeout,
                                            net::Dialing& dialing, std::string proxy_header = {});
  void discard(Connection& connection);

  net::Loop& loop_;
  GroupCells& cells_;
  std::shared_ptr<target::Target> target_;
  config::TargetPool settings_;
  std::uint32_t max_connections_ = 0;
  std::shared_ptr<const net::ClientTlsContext> tls_;
  config::ProxyHeaderVersion proxy_protocol_ = config::ProxyHeaderVersion::off;
  net::TlsSessionCache tls_sessions_;              // of `tls_`
  std::vector<std::unique_ptr<Connection>> idle_;  // last used last
  bool retired_ = false;
  H2Pool http2_;
};

}  // namespace sluice::upstream
