#include "sluice/upstream/waiting_room.h"

#include <utility>

namespace sluice::upstream {

Place::~Place() {
  if (!entered_) return;
  if (room_.trying_ == this) room_.trying_ = nullptr;
  if (room_.next_ == position_) ++room_.next_;
  room_.places_.erase(position_);
  room_.waiting_.add(-1);
  room_.state_->waiters().leave(&room_);
}

bool Place::enter(std::chrono::milliseconds timeout) {
  if (entered_) return true;
  if (room_.places_.size() >= room_.capacity_) return false;
  room_.places_.push_back(this);
  position_ = std::prev(room_.places_.end());
  entered_ = true;
  until_ = room_.loop_.clock.now() + timeout;
  room_.waiting_.add(1);
  room_.state_->waiters().enter(&room_);
  room_.schedule();
  return true;
}

net::Task<net::Wake> Place::wait() {
  const net::Wake wake = co_await slot_.wait();
  co_return wake;
}

WaitingRoom::WaitingRoom(net::Loop& loop, observe::Gauge& waiting,
                         std::shared_ptr<target::GroupState> state)
    : loop_(loop),
      waiting_(waiting),
      state_(std::move(state)),
      tick_(
          loop.deadlines, [](void* context) { static_cast<WaitingRoom*>(context)->tick(); }, this) {
  // `alive` is looked at on this worker's thread only.
  state_->waiters().add_worker(this, [this, alive = alive_] {
    net::asio::post(loop_.context, [this, alive] {
      if (*alive) let_in();
    });
  });
}

WaitingRoom::~WaitingRoom() {
  state_->waiters().remove_worker(this);
  *alive_ = false;
}

// Not at once: who makes room is in the middle of ending its own exchange.
void WaitingRoom::call() {
  if (places_.empty() || called_) return;
  called_ = true;
  net::asio::post(loop_.context, [this, alive = alive_] {
    if (!*alive) return;
    called_ = false;
    let_in();
  });
}

// Each that is woken may end its exchange at once, others with it, and with the last of them a
// group that has left the configuration.
void WaitingRoom::let_in() {
  const std::shared_ptr<bool> alive = alive_;
  // They left while the offer was on its way: it is for somebody else.
  if (places_.empty()) return offer();
  next_ = places_.begin();
  while (next_ != places_.end()) {
    Place& place = **next_++;
    const bool takes_any = place.takes_any_;
    trying_ = &place;
    place.slot_.fire(net::Wake::ready);
    if (!*alive) return;
    const bool still_waits = std::exchange(trying_, nullptr) != nullptr;
    if (still_waits && takes_any) break;
  }
  next_ = places_.end();
}

void WaitingRoom::schedule() {
  if (!places_.empty() && !tick_.is_set()) tick_.set(net::DeadlineWheel::tick);
}

// Ends one wait whose time is over; false: there is none.
bool WaitingRoom::expire() {
  const base::SteadyTime now = loop_.clock.now();
  for (Place* place : places_) {
    if (place->until_ > now || !place->slot_.armed()) continue;
    place->slot_.fire(net::Wake::expired);
    return true;
  }
  return false;
}

void WaitingRoom::tick() {
  const std::shared_ptr<bool> alive = alive_;
  while (*alive && expire()) {
  }
  if (*alive && !places_.empty()) let_in();
  if (*alive) schedule();
}

}  // namespace sluice::upstream
