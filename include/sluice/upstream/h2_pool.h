// HTTP/2 connections of one worker to one target: as few as the streams under way need.
//
// While a connection is being opened, requests wait for it instead of opening their own, as many as
// it is likely to take; that is also so until its peer has told how many streams it takes. The
// oldest connections are used first, so that the others become idle and close. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/net/dial.h"
#include "sluice/upstream/h2_connection.h"

namespace sluice::upstream {

class Pool;

struct LeasedStream {
  H2Lease lease;  // not held on error
  net::DialError error = net::DialError::none;
  std::string error_text;
  bool at_limit = false;  // the target has as many connections as it may; nothing was dialled
};

class H2Pool {
 public:
  H2Pool(net::Loop& loop, GroupCells& cells, Pool& pool);
  ~H2Pool();
  H2Pool(const H2Pool&) = delete;
  H2Pool& operator=(const H2Pool&) = delete;

  void apply(const Http2Settings& settings);
  [[nodiscard]] bool is_enabled() const { return settings_.is_enabled; }

  // A stream of a connection that was opened after `since`; not held: then `connect`.
  [[nodiscard]] H2Lease take(base::SteadyTime since = {});
  // The same, waiting for a connection that is being opened, or opening one. `dialing` ends it from
  // elsewhere.
  [[nodiscard]] net::Task<LeasedStream> connect(base::SteadyTime since,
                                                std::chrono::milliseconds connect_timeout,
                                                std::chrono::milliseconds handshake_timeout,
                                                net::Dialing& dialing);
  // `connect` would not say `at_limit`, as far as is known without counting connections.
  [[nodiscard]] bool has_room() const;

  // No connection takes new streams any more; those without streams are closed.
  void retire_all();
  void close_idle();
  bool close_oldest_idle();

 private:
  friend class H2TargetConnection;
  struct Waiter;

  [[nodiscard]] std::uint64_t max_requests() const;
  [[nodiscard]] std::chrono::milliseconds idle_timeout() const;
  [[nodiscard]] bool may_wait() const;
  [[nodiscard]] net::Task<net::Wake> wait(Waiter& waiter, net::Dialing& dialing);
  void forget(H2TargetConnection& connection);
  void learn_limit(std::uint32_t streams) { expected_streams_ = streams; }
  void bound_idle();
  // In a turn of its own: those that wait look again.
  void call_waiters();
  void fail_waiters(net::DialError error, const std::string& text);
  void wake_called();

  net::Loop& loop_;
  GroupCells& cells_;
  Pool& pool_;
  Http2Settings settings_;
  std::vector<std::shared_ptr<H2TargetConnection>> connections_;  // oldest first
  std::vector<std::weak_ptr<H2TargetConnection>> leaving_;        // that take no new streams
  std::uint32_t dials_ = 0;                                       // under way
  std::uint32_t expected_streams_ = 0;  // that a new connection will take; 0: nobody has told yet
  std::list<Waiter*> waiters_;
  bool is_call_posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::upstream
