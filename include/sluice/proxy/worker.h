// The data plane of one thread: its loop, view, listeners and client connections.
//
// Built and driven by app/worker. `apply`, `drain` and `cut` run on the worker's own thread (the
// control plane posts them); nothing here is shared but the snapshot, the targets' live cells and
// the metrics.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include <string>
#include <vector>

#include "sluice/http/desync.h"
#include "sluice/net/listener.h"
#include "sluice/net/loop.h"
#include "sluice/observe/access_log.h"
#include "sluice/observe/metrics.h"
#include "sluice/proxy/random.h"
#include "sluice/proxy/view.h"

namespace sluice::proxy {

class Connection;
class HandshakeRoom;
class PasswordVerifier;
struct Passwords;
class SideRequest;
class TokenCaches;
class Tunnel;
struct Exchange;

// A listener as its connections know it: found by name, for as long as any connection of it lives.
// After the listener was removed it keeps the last view that had it, and its connections end one by
// one.
struct ListenerSlot {
  std::string name;
  std::shared_ptr<const View> view;
  const ListenerView* listener = nullptr;  // in `view`
  bool is_draining = false;                // answers say `Connection: close`
  // Connections closed for their header of the PROXY protocol since a line of the log said so.
  std::uint64_t unsaid_refusals = 0;
  base::SteadyTime refusal_said_at{};  // zero: never
};

// Sockets for a listener that this worker is to serve from now on.
struct NewSocket {
  std::string listener;
  net::OwnedFd socket;
};

class Worker {
 public:
  // `worker_count`: of the process, for limits that are shared out. `verifier`: the process's,
  // which outlives the worker; without it no password is right.
  Worker(observe::Cells& cells, observe::AccessLogWriter& log_writer, std::uint32_t worker_count,
         PasswordVerifier* verifier = nullptr);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // A new configuration: groups and listeners are reconciled by name, new sockets begin to accept,
  // and sockets of listeners that are gone stop.
  void apply(std::shared_ptr<const Snapshot> snapshot, std::vector<NewSocket> sockets,
             const std::vector<std::string>& replaced);

  // New settings of one group of the configuration: it has other members. No-op for a group that is
  // not there.
  void apply(const std::shared_ptr<const upstream::GroupSettings>& settings);

  // No new connections; the next answer on each connection says close; connections that stay idle
  // for `idle_grace` are closed. `drained` is called once when the last has gone, and with it what
  // was done beside.
  void drain(std::chrono::milliseconds idle_grace, std::function<void()> drained);
  // Ends every connection now.
  void cut();

  [[nodiscard]] bool is_draining() const { return draining_; }
  [[nodiscard]] bool is_cutting() const { return cutting_; }
  [[nodiscard]] std::size_t connection_count() const { return connections_.size(); }

  // --- for the data path
  [[nodiscard]] net::Loop& loop() { return loop_; }
  [[nodiscard]] observe::Cells& cells() { return cells_; }
  [[nodiscard]] observe::AccessLog& access_log() { return access_log_; }
  [[nodiscard]] Random& random() { return random_; }
  [[nodiscard]] HandshakeRoom& handshakes() { return *handshakes_; }
  [[nodiscard]] TokenCaches& tokens();   // of the filter jwt
  [[nodiscard]] Passwords& passwords();  // of the filter basic_auth
  [[nodiscard]] observe::Counter& ends(observe::Reason reason) {
    return *ends_[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] observe::Counter& desync(http::DesyncReason reason) {
    return *desync_[static_cast<std::size_t>(reason)];
  }
  // IMF-fixdate of now (RFC 9110 5.6.7), renewed once a second.
  [[nodiscard]] std::string_view http_date();

  void add(Connection& connection);
  void remove(Connection& connection);
  void add(Tunnel& tunnel);
  void remove(Tunnel& tunnel);
  void add(SideRequest& request);
  void remove(SideRequest& request);
  // Of the configuration in force.
  [[nodiscard]] config::Milliseconds shutdown_deadline() const;

  // Exchanges are recycled, with their header storage: no allocation in the steady state.
  [[nodiscard]] std::unique_ptr<Exchange> take_exchange();
  void give_back(std::unique_ptr<Exchange> exchange);

 private:
  struct BoundListener {
    std::shared_ptr<ListenerSlot> slot;
    std::unique_ptr<net::Listener> socket;
  };

  void apply(const std::shared_ptr<upstream::Group>& group,
             const std::shared_ptr<const upstream::GroupSettings>& settings);
  void start_listener(NewSocket socket);
  void accepted(const std::shared_ptr<ListenerSlot>& slot, net::OwnedFd fd,
                const net::Endpoint& peer);
  void close_idle_connections();
  void reconsider_tunnels();
  void forget_registered_again();
  void cut_deregistered();
  void cancel_side_requests();
  void end_drain();

  observe::Cells& cells_;
  net::Loop loop_;
  observe::AccessLog access_log_;
  Random random_;
  std::unique_ptr<HandshakeRoom> handshakes_;
  std::unique_ptr<TokenCaches> tokens_;   // null until somebody asks
  std::unique_ptr<Passwords> passwords_;  // the same
  PasswordVerifier* verifier_;
  std::array<observe::Counter*, observe::reason_count> ends_;
  std::array<observe::Counter*, http::desync_reason_count> desync_{};  // but for `none`
  std::map<std::string, std::shared_ptr<upstream::Group>> groups_;
  std::shared_ptr<const View> view_;
  std::map<std::string, BoundListener> listeners_;
  std::vector<std::unique_ptr<Exchange>> spare_exchanges_;
  std::vector<Connection*> connections_;  // each knows its index
  std::vector<Tunnel*> tunnels_;          // the same
  std::vector<SideRequest*> side_requests_;
  // Targets that left their group: what is under way there may go on until its time.
  struct Leaving {
    std::shared_ptr<upstream::Group> group;
    std::shared_ptr<upstream::Pool> pool;
    base::SteadyTime until;
  };
  std::vector<Leaving> leaving_;
  std::uint32_t worker_count_;
  bool draining_ = false;
  bool idle_grace_passed_ = false;
  bool cutting_ = false;
  std::function<void()> drained_;
  std::unique_ptr<net::Deadline> idle_grace_;
  std::string date_;
  std::int64_t date_second_ = 0;
};

}  // namespace sluice::proxy
