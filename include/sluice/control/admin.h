// The admin listener: liveness, readiness, metrics and status over HTTP, off the data path.
//
// Runs on the control thread's io_context, on Boost.Beast. Without tokens it listens on loopback
// addresses and Unix sockets (mode 0600) only, and who gets there may do everything; with tokens
// every call but /livez and /readyz needs one. A web page in a browser on the same machine can
// reach loopback too: requests that one could forge are refused by their Host, Origin and
// Sec-Fetch-Site (T24). Bounds: 64 connections, 16 KiB of header, 64 KiB of body, 10 s for
// a request and its answer each, 30 s idle;
// 16 streams of events (SSE), which have as long for each write.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/control/events.h"
#include "sluice/control/registrations.h"
#include "sluice/control/target_status.h"
#include "sluice/net/endpoint.h"

namespace boost::asio {
class io_context;
}

namespace sluice::control {

class AdminTokens;

struct AdminListener {
  std::string name;
  std::string address;  // where it listens, with the real port
};

struct AdminCertificate {
  std::string listener;
  std::string file;
  std::vector<std::string> names;
  std::chrono::system_clock::time_point not_after{};
};

// What GET /v1/status tells.
struct AdminStatus {
  std::string version;
  std::uint64_t revision = 0;                         // of the configuration being served
  std::chrono::system_clock::time_point loaded_at{};  // when that one went into effect
  std::chrono::system_clock::time_point started_at{};
  std::size_t workers = 0;
  std::vector<AdminListener> listeners;
  std::vector<AdminCertificate> certificates;
  std::int64_t client_connections = 0;
  std::string last_reload_error;  // empty: the last reload succeeded
  bool is_draining = false;
};

// What became of a reload.
struct AdminReload {
  bool is_success = false;
  std::uint64_t revision = 0;         // that serves now
  std::vector<std::string> problems;  // FILE:LINE:COL: path: what; warnings, too
};

// What the admin listener asks the program, on the control thread and only there. All are required.
// An exception from one becomes a 500, and is logged.
struct AdminHooks {
  std::function<bool()> is_ready;        // takes traffic: configuration loaded, not draining
  std::function<std::string()> metrics;  // Prometheus text format 0.0.4
  std::function<AdminStatus()> status;
  // As control::Targets has them.
  std::function<std::vector<GroupStatus>()> target_groups;
  std::function<std::optional<GroupStatus>(std::string_view name)> target_group;
  std::function<std::optional<std::vector<TargetStatus>>(std::string_view group)> targets;
  std::function<Events&()> events;
  // One target as it is; nothing: there is none in use, nor one that drains.
  std::function<std::optional<TargetStatus>(std::string_view group, std::string_view id)> target;
  std::function<bool(std::string_view group)> is_group;
  std::function<void(TargetChange change, Registrations::Done done)> change_target;
  // Reads the configuration again.
  std::function<void(std::function<void(AdminReload)> done)> reload;
};

// Control thread only, as the io_context is run by one thread. The io_context must outlive it.
class AdminServer {
 public:
  explicit AdminServer(boost::asio::io_context& context, AdminHooks hooks);
  ~AdminServer();  // closes; no hook is called afterwards
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Opens the listening socket: empty text, or why not. A former listener is replaced only on
  // success, its connections finish the request they are at; the endpoint listened on already
  // changes nothing. Port 0 takes a free port (see `bound`). A stale Unix socket file is replaced.
  [[nodiscard]] std::string listen(const net::Endpoint& endpoint);
  // The two halves of `listen`. `open` may fail, and changes nothing: null, with `error` set, or a
  // socket that nobody accepts from yet and that closes with its last holder; for the endpoint
  // listened on already, the one that there is. `use` cannot fail.
  struct Acceptor;
  [[nodiscard]] std::shared_ptr<Acceptor> open(const net::Endpoint& endpoint, std::string& error,
                                               bool has_tokens = false) const;
  void use(const std::shared_ptr<Acceptor>& opened);
  // From the next request on; null: no call needs one. An address that others reach is refused by
  // `open` without.
  void use_tokens(std::shared_ptr<const AdminTokens> tokens);
  // Listens on it already.
  [[nodiscard]] bool serves(const net::Endpoint& endpoint) const;
  // Stops listening and cuts every connection. `listen` may follow.
  void close();
  // Where it listens, with the real port; nothing when it does not.
  [[nodiscard]] std::optional<net::Endpoint> bound() const;

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::control
