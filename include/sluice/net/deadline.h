// Timeouts for tens of thousands of connections: a wheel of intrusive lists on one tick per worker.
//
// Setting, moving and clearing a deadline is a few stores; moving it to a later time does not even
// relink (the wheel looks again when the old slot comes up). Resolution is one tick: a deadline
// fires between its time and one tick later. A timer raced on every read would make the read 2.5
// times as expensive (measured; docs/architecture.md). One thread only.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "sluice/base/clock.h"

namespace sluice::net {

class DeadlineWheel;

// Calls `on_expiry(context)` once when its time has come. Movable nowhere: it is linked by address.
class Deadline {
 public:
  using Callback = void (*)(void* context);
  Deadline(DeadlineWheel& wheel, Callback on_expiry, void* context)
      : wheel_(wheel), on_expiry_(on_expiry), context_(context) {}
  ~Deadline() { clear(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Zero or less: no deadline.
  void set(std::chrono::milliseconds after);
  void clear();
  [[nodiscard]] bool is_set() const { return at_tick_ != 0; }

 private:
  friend class DeadlineWheel;
  DeadlineWheel& wheel_;
  Callback on_expiry_;
  void* context_;
  std::uint64_t at_tick_ = 0;  // 0: not set (it may still be linked, the wheel forgets it lazily)
  std::uint64_t linked_tick_ = 0;
  Deadline* previous_ = nullptr;
  Deadline* next_ = nullptr;
};

class DeadlineWheel {
 public:
  static constexpr std::chrono::milliseconds tick{20};

  explicit DeadlineWheel(const base::Clock& clock);
  ~DeadlineWheel();
  DeadlineWheel(const DeadlineWheel&) = delete;
  DeadlineWheel& operator=(const DeadlineWheel&) = delete;

  // Fires everything whose time has come by the clock. Callbacks may set, clear and destroy any
  // deadline.
  void advance();
  // Fires everything that is set, whatever its time: the way to end all waiting at once.
  void expire_all();
  [[nodiscard]] bool empty() const { return linked_ == 0; }

 private:
  friend class Deadline;
  static constexpr std::size_t slots = 1024;  // 20 seconds a turn; later deadlines take more turns

  [[nodiscard]] std::uint64_t current_tick() const;
  void link(Deadline& deadline, std::uint64_t at_tick);
  void unlink(Deadline& deadline);

  const base::Clock& clock_;
  base::SteadyTime start_;
  std::uint64_t done_tick_ = 0;  // all slots up to this tick were looked at
  std::size_t linked_ = 0;
  std::array<Deadline*, slots> heads_{};
  Deadline* cursor_ = nullptr;  // next to look at while `advance` walks a slot
};

}  // namespace sluice::net
