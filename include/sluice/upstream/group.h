// A target group at work in one worker: which target takes the next try, and the pools of
// connections.
//
// Identity is the group's name: a reload that keeps the name keeps this object, with the pools of
// the targets that stay. One thread.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sluice/balance/balancer.h"
#include "sluice/config/model.h"
#include "sluice/net/loop.h"
#include "sluice/net/tls_context.h"
#include "sluice/observe/metrics.h"
#include "sluice/target/eligible.h"
#include "sluice/target/group_state.h"
#include "sluice/target/target_set.h"
#include "sluice/upstream/pool.h"
#include "sluice/upstream/retry_budget.h"
#include "sluice/upstream/waiting_room.h"

namespace sluice::upstream {

// One validated configuration of a group; immutable, shared by the workers.
struct GroupSettings {
  std::string name;
  std::string algorithm;
  std::shared_ptr<target::GroupState> state;  // live, shared by all workers; never null
  std::shared_ptr<const target::TargetSet> targets;
  std::shared_ptr<const net::ClientTlsContext> tls;  // null: plain HTTP
  config::ProxyHeaderVersion proxy_protocol = config::ProxyHeaderVersion::off;
  bool is_grpc = false;  // with http2: checked as gRPC unless told else
  Http2Settings http2;   // towards targets
  bool in_use = true;    // some rule, or a filter, has work for it
  config::TargetPool pool;
  config::TimeoutOverrides timeouts;
  config::PassiveHealth passive_health;
  config::FailOpen fail_open;
  config::Retry retry;
  config::TargetLimits limits;
  config::HashKey hash_key;
  bool anomaly_mitigation = false;
  config::Stickiness stickiness;
  config::WebSocket websocket;
  config::Milliseconds deregistration_delay{0};
  config::Milliseconds slow_start{0};
};

// What became of a request's session (stickiness), as the label `result` has it.
enum class SessionResult : std::uint8_t { kept, fresh, repinned, expired, invalid };
inline constexpr std::size_t session_results = 5;
inline constexpr std::array<std::string_view, session_results> session_texts{
    "kept", "new", "repinned", "expired", "invalid"};

// The cells of a group; labels {target_group} unless said otherwise in observe/metrics.h.
struct GroupCells {
  GroupCells(observe::Cells& cells, const std::string& group);

  observe::Counter& sent_bytes;
  observe::Counter& received_bytes;
  observe::Counter& budget_exhausted;
  observe::Counter& hedges_won;
  observe::Counter& hedges_lost;
  observe::Counter& fail_open_requests;
  observe::Counter& connections_opened;
  observe::Counter& connections_reused;
  observe::Counter& tls_resumed;
  observe::Counter& tls_full;
  observe::Counter& tunnels_total;
  observe::Counter& tunnel_bytes_to_target;
  observe::Counter& tunnel_bytes_to_client;
  std::array<observe::Counter*, 5> answers_by_class;               // 1xx..5xx
  std::array<observe::Counter*, session_results> session_results;  // as SessionResult
  observe::Gauge& connections;
  observe::Gauge& connections_idle;
  observe::Gauge& active_requests;
  observe::Gauge& queue;
  observe::Gauge& tunnels;
  observe::Histogram& response_time;
  observe::Histogram& connect_time;
  observe::Histogram& queue_time;
  observe::Cells& cells;  // for errors, which are rare enough to look their cell up
};

class Group;

// One of the requests that a target has, from its choice to the end of the exchange (or tunnel).
class Reservation {
 public:
  Reservation() = default;
  // `max`: requests of the target over all workers, 0: unlimited. Not `is_held` when it has as
  // many.
  Reservation(std::shared_ptr<Group> group, std::shared_ptr<Pool> pool, std::uint32_t max);
  ~Reservation() { release(); }
  Reservation(Reservation&& other) noexcept;
  Reservation& operator=(Reservation&& other) noexcept;

  [[nodiscard]] bool is_held() const { return group_ != nullptr; }
  [[nodiscard]] const std::shared_ptr<Pool>& pool() const { return pool_; }
  void release();

 private:
  std::shared_ptr<Group> group_;  // null: nothing is counted
  std::shared_ptr<Pool> pool_;
};

struct PickRequest {
  std::span<const target::Target* const> excluded;  // that this exchange has tried
  std::uint64_t random = 0;
  std::optional<std::uint64_t> hash;          // of the group's hash_key
  std::optional<std::uint64_t> session_hash;  // stickiness of type hash
  std::string_view session_target;            // id; empty: no session
  bool may_probe = false;                     // may be sent to a target that is only tried out
};

struct Picked {
  enum class End : std::uint8_t {
    chosen,
    no_target,  // none is left that may take it
    at_limit,   // those that may are full: wait (Group::waiting_room), then pick again
  };
  End end = End::no_target;
  Reservation reservation;  // holds the pool when chosen
  bool is_probe = false;  // GroupState::report has to be told its outcome, or give_up_probe called
  bool kept_session = false;
};

class Group : public std::enable_shared_from_this<Group> {
 public:
  Group(net::Loop& loop, observe::Cells& cells, std::shared_ptr<const GroupSettings> settings);
  ~Group();
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  // A new configuration of the same name. Pools of targets that stay live on unless TLS towards
  // them changed; those of targets that left are retired and returned: what is under way there goes
  // on.
  [[nodiscard]] std::vector<std::shared_ptr<Pool>> apply(
      std::shared_ptr<const GroupSettings> settings);

  // The group has left the configuration; the same for all its targets.
  [[nodiscard]] std::vector<std::shared_ptr<Pool>> retire();

  [[nodiscard]] const GroupSettings& settings() const { return *settings_; }
  [[nodiscard]] target::GroupState& state() { return *settings_->state; }
  [[nodiscard]] GroupCells& cells() { return cells_; }
  [[nodiscard]] net::Loop& loop() { return loop_; }
  [[nodiscard]] RetryBudget& retry_budget() { return retry_budget_; }
  [[nodiscard]] WaitingRoom& waiting_room() { return waiting_room_; }

  // The target that takes the next try. A session's target comes first, whatever its weight, as
  // long as it is healthy and not ejected; then one that is probing, if the request may be used for
  // that; then the balancer decides.
  [[nodiscard]] Picked pick(const PickRequest& request);

  // Some target may take work, and the group does not fail open.
  [[nodiscard]] bool is_well();

  // The target is registered here.
  [[nodiscard]] bool has(const target::Target& target) const;

  void count_connection_error(std::string_view reason);
  void count_retry(std::string_view reason);
  void count_session(SessionResult result) {
    cells_.session_results[static_cast<std::size_t>(result)]->add();
  }
  void close_idle();

  // A connection may be kept for this worker's next request: the target may have another one, or
  // no other worker waits for it.
  [[nodiscard]] bool may_keep_connection() const {
    return settings_->limits.max_connections == 0 || !waiting_room_.do_others_wait();
  }
  // Once a tick: closes idle connections that stand in the way of other workers' requests.
  void make_room_for_others();

 private:
  friend class Reservation;
  void refresh_eligible();
  [[nodiscard]] Picked choose(const std::shared_ptr<Pool>& pool);
  [[nodiscard]] std::optional<Picked> pick_session(const PickRequest& request);
  [[nodiscard]] std::optional<Picked> pick_probe(const PickRequest& request);
  [[nodiscard]] Picked pick_balanced(const PickRequest& request);

  net::Loop& loop_;
  GroupCells cells_;
  std::shared_ptr<const GroupSettings> settings_;
  RetryBudget retry_budget_;
  WaitingRoom waiting_room_;
  std::unique_ptr<balance::Balancer> balancer_;
  std::unique_ptr<balance::Balancer> session_balancer_;  // with stickiness of type hash
  std::unordered_map<const target::Target*, std::shared_ptr<Pool>> pools_;
  std::unordered_map<std::string_view, const target::Target*> targets_by_id_;

  // What of the set may take work, as of `generation_`.
  target::Eligible eligible_;
  std::vector<std::shared_ptr<Pool>> eligible_pools_;  // one for each eligible member, in its order
  std::uint64_t generation_ = 0;
};

}  // namespace sluice::upstream
