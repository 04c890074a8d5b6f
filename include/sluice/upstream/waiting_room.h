// Where requests wait for a target with room, in the order of their coming; bounded by the group's
// `limits.queue` and `limits.queue_timeout`.
//
// Room is offered to the workers with waiting requests in turn (target/waiters.h), and to the
// requests of a worker in their order. Each tries for itself: one that waits for a certain target,
// or may not have some, lets those behind it go first. A tick (20 ms) looks for what was missed.
// One per group and worker.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>

#include "sluice/net/loop.h"
#include "sluice/net/task.h"
#include "sluice/observe/metrics.h"
#include "sluice/target/group_state.h"

namespace sluice::upstream {

class WaitingRoom;

// One request's place. Owned by who waits; leaves the room when it goes.
class Place {
 public:
  // `takes_any`: when it finds no room, nobody behind it would.
  Place(WaitingRoom& room, bool takes_any) : room_(room), takes_any_(takes_any) {}
  ~Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  // False: the room is full.
  [[nodiscard]] bool enter(std::chrono::milliseconds timeout);
  // Ready: try again now, and wait again when there is no room; the place is kept. Expired: the
  // time is over. Closed: somebody called `give_up`.
  [[nodiscard]] net::Task<net::Wake> wait();
  void give_up() { slot_.fire(net::Wake::closed); }

 private:
  friend class WaitingRoom;
  WaitingRoom& room_;
  const bool takes_any_;
  net::WaitSlot slot_;
  std::list<Place*>::iterator position_{};
  base::SteadyTime until_{};
  bool entered_ = false;
};

class WaitingRoom {
 public:
  WaitingRoom(net::Loop& loop, observe::Gauge& waiting, std::shared_ptr<target::GroupState> state);
  ~WaitingRoom();
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  void apply(std::size_t capacity) { capacity_ = capacity; }
  [[nodiscard]] std::size_t size() const { return places_.size(); }
  // Requests wait, here or at another worker: who comes now takes its place behind them.
  [[nodiscard]] bool is_anybody_waiting() const { return state_->waiters().count() != 0; }
  [[nodiscard]] bool do_others_wait() const { return state_->waiters().count() > places_.size(); }

  // Something may have got room: of the workers with waiting requests the next in turn tries.
  void offer() { state_->waiters().wake_next(); }
  // The requests of this worker try at its next turn.
  void call();

 private:
  friend class Place;
  void let_in();
  [[nodiscard]] bool expire();
  void tick();
  void schedule();

  net::Loop& loop_;
  observe::Gauge& waiting_;
  const std::shared_ptr<target::GroupState> state_;
  std::size_t capacity_ = 0;
  std::list<Place*> places_;
  std::list<Place*>::iterator next_ = places_.end();  // to be let in; while that goes on
  Place* trying_ = nullptr;                           // null: it has gone
  net::Deadline tick_;
  bool called_ = false;  // a turn is posted
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice::upstream
