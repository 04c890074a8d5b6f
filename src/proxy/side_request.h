// A request of our own to a target group, made beside an exchange: the question of forward_auth,
// the copy of mirror.
//
// It has a target of its own, picked, counted and limited as that of an exchange, and a time limit
// over all it does. It begins with an exchange, and keeps nothing of it: text is copied, view and
// group are shared. So it may outlive the exchange, in a coroutine that owns it. Its worker knows
// every one and ends it with the rest. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sluice/http/message.h"
#include "sluice/net/deadline.h"
#include "sluice/net/dial.h"
#include "sluice/net/task.h"
#include "sluice/observe/reason.h"
#include "sluice/proxy/exchange.h"
#include "sluice/upstream/client_slot.h"
#include "sluice/upstream/group.h"

namespace sluice::proxy {

// Of clean text only: nothing is looked at again.
struct SideRequestHead {
  std::string method;
  std::string authority;  // Host; empty: the target's own address
  std::string target;     // path and query
  std::string fields;     // whole lines, none about the connection or the framing
};

// Content that was copied; up to a bound of whoever did.
struct SideRequestBody {
  std::vector<net::Buffer> pieces;
  std::uint64_t bytes = 0;
  bool is_there = false;  // an empty body has a length, too
};

class SideRequest {
 public:
  struct Settings {
    std::size_t group = 0;          // of the exchange's view
    config::Milliseconds timeout;   // from `ask` on, for all of it
    bool may_wait_for_room = true;  // in the group's queue, when every target is at its limit
  };

  SideRequest(const Exchange& exchange, const Settings& settings, SideRequestHead head,
              SideRequestBody body = {});
  ~SideRequest();  // what is under way is given up
  SideRequest(const SideRequest&) = delete;
  SideRequest& operator=(const SideRequest&) = delete;

  // Once. None: `answer` is the final head. Else why there is none: target_try_timeout when its
  // time was over, client_closed after `cancel`.
  [[nodiscard]] net::Task<observe::Reason> ask();
  [[nodiscard]] const http::ResponseHead& answer() const { return answer_; }

  // After `ask`: the content of the answer, at most `most` bytes of it. False: there was more, or
  // it broke off. `kept`: it goes there; null: it is dropped.
  [[nodiscard]] net::Task<bool> read_body(std::uint64_t most, std::string* kept);
  // After a body was read whole: the connection serves others.
  void finish();

  // Nobody needs the rest of the answer: the same without waiting. What is not there yet is
  // dropped in a coroutine of its own, as far as that is worth the connection.
  static void let_go(std::unique_ptr<SideRequest> request);

  // Ends what it waits for. It, and who waits for it, may be gone when this returns.
  void cancel();
  // The same when it is at a target of that pool, whose deregistration delay is over.
  void deregister(const upstream::Pool& pool);

  [[nodiscard]] upstream::Group& group() { return *group_; }

 private:
  friend class Worker;
  static constexpr std::size_t tries_max = 16;

  [[nodiscard]] observe::Reason end() const;
  [[nodiscard]] upstream::PickRequest pick_request();
  [[nodiscard]] observe::Reason take(upstream::Picked picked);
  void forget_last_tried();
  [[nodiscard]] observe::Reason choose_at_once();
  [[nodiscard]] net::Task<observe::Reason> wait_for_room();
  [[nodiscard]] net::Task<observe::Reason> open(bool fresh_only);
  [[nodiscard]] net::Task<observe::Reason> send();
  [[nodiscard]] net::Task<observe::Reason> read_head();
  [[nodiscard]] net::Task<observe::Reason> try_target(bool fresh_only);
  [[nodiscard]] bool died_of_old_age(observe::Reason reason) const;
  [[nodiscard]] bool may_go_elsewhere(observe::Reason reason) const;
  [[nodiscard]] bool write_head();
  [[nodiscard]] bool is_idempotent() const;
  void begin_body();
  [[nodiscard]] bool is_fault_of_target(observe::Reason reason) const;
  void report(observe::Reason reason);
  void drop_try();
  [[nodiscard]] bool ends_connection() const;
  void end_waiting();
  static net::Task<> drop_rest(std::unique_ptr<SideRequest> request);

  Worker& worker_;
  // First: it may be the last to hold the group, whose cells the rest counts in.
  std::shared_ptr<const View> view_;
  std::shared_ptr<upstream::Group> group_;
  Settings settings_;
  SideRequestHead head_;
  SideRequestBody body_;
  std::optional<std::uint64_t> hash_;
  std::string proxy_header_;
  bool comes_of_ambiguous_;  // made of a request that servers may read differently
  net::Deadline deadline_;
  std::size_t index_ = 0;  // in the worker's list

  upstream::Reservation reservation_;
  std::shared_ptr<upstream::Pool> pool_;
  upstream::ClientSlot client_;
  net::Buffer head_buffer_;
  http::ResponseHead answer_;  // views into the client's buffer
  net::Dialing dialing_;
  upstream::Place* place_ = nullptr;  // while it waits for a target with room
  std::array<const target::Target*, tries_max> tried_{};
  std::size_t tried_count_ = 0;
  base::SteadyTime try_began_{};
  base::SteadyTime sent_at_{};
  bool was_sent_whole_ = false;
  bool has_begun_body_ = false;
  bool is_cancelled_ = false;
  bool has_expired_ = false;
  bool is_deregistered_ = false;
};

}  // namespace sluice::proxy
