#include "sluice/net/deadline.h"

#include <algorithm>
#include <utility>

namespace sluice::net {

void Deadline::set(std::chrono::milliseconds after) {
  if (after <= std::chrono::milliseconds::zero()) {
    clear();
    return;
  }
  // The first tick that is not before the time: never early, and late by less than one tick.
  const base::Steady::duration due = wheel_.clock_.now() - wheel_.start_ + after;
  const base::Steady::duration tick = DeadlineWheel::tick;
  at_tick_ = static_cast<std::uint64_t>((due + tick - base::Steady::duration(1)) / tick);
  if (linked_tick_ != 0 && linked_tick_ <= at_tick_) return;  // found again when that slot comes up
  if (linked_tick_ != 0) wheel_.unlink(*this);
  wheel_.link(*this, at_tick_);
}

void Deadline::clear() {
  at_tick_ = 0;
  if (linked_tick_ != 0) wheel_.unlink(*this);
}

DeadlineWheel::DeadlineWheel(const base::Clock& clock) : clock_(clock), start_(clock.now()) {}

DeadlineWheel::~DeadlineWheel() {
  for (Deadline*& head : heads_) {
    while (head != nullptr) unlink(*head);
  }
}

std::uint64_t DeadlineWheel::current_tick() const {
  const auto elapsed = clock_.now() - start_;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, elapsed / tick));
}

void DeadlineWheel::link(Deadline& deadline, std::uint64_t at_tick) {
  // A slot already passed in this turn would only be seen a whole turn later.
  at_tick = std::max(at_tick, done_tick_ + 1);
  Deadline*& head = heads_[at_tick % slots];
  deadline.linked_tick_ = at_tick;
  deadline.previous_ = nullptr;
  deadline.next_ = head;
  if (head != nullptr) head->previous_ = &deadline;
  head = &deadline;
  ++linked_;
}

void DeadlineWheel::unlink(Deadline& deadline) {
  if (cursor_ == &deadline) cursor_ = deadline.next_;
  if (deadline.previous_ != nullptr) {
    deadline.previous_->next_ = deadline.next_;
  } else {
    heads_[deadline.linked_tick_ % slots] = deadline.next_;
  }
  if (deadline.next_ != nullptr) deadline.next_->previous_ = deadline.previous_;
  deadline.previous_ = deadline.next_ = nullptr;
  deadline.linked_tick_ = 0;
  --linked_;
}

void DeadlineWheel::expire_all() {
  // What a callback sets anew is linked behind the cursor or in another slot and may fire too:
  // fine.
  for (Deadline*& head : heads_) {
    cursor_ = head;
    while (cursor_ != nullptr) {
      Deadline& deadline = *cursor_;
      cursor_ = deadline.next_;
      unlink(deadline);
      if (std::exchange(deadline.at_tick_, 0) != 0) deadline.on_expiry_(deadline.context_);
    }
  }
}

void DeadlineWheel::advance() {
  const std::uint64_t now = current_tick();
  if (linked_ == 0) {
    done_tick_ = now;
    return;
  }
  // After a long sleep one whole turn sees every slot.
  if (now - std::min(now, done_tick_) > slots) done_tick_ = now - slots;
  while (done_tick_ < now) {
    const std::uint64_t slot_tick = ++done_tick_;
    cursor_ = heads_[slot_tick % slots];
    while (cursor_ != nullptr) {
      Deadline& deadline = *cursor_;
      cursor_ = deadline.next_;
      if (deadline.linked_tick_ > now) continue;  // of a later turn of the wheel
      unlink(deadline);
      if (deadline.at_tick_ == 0) continue;
      if (deadline.at_tick_ > now) {  // was moved to a later time
        link(deadline, deadline.at_tick_);
        continue;
      }
      deadline.at_tick_ = 0;
      deadline.on_expiry_(deadline.context_);
    }
  }
}

}  // namespace sluice::net
