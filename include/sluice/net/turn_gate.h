// Lets a few of many through in each turn of the loop: for work that takes long enough for a crowd
// of it to keep everything else waiting.
//
// First come, first served. Nothing cancels a waiting coroutine; it goes on by itself. One thread.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>

#include "sluice/net/loop.h"

namespace sluice::net {

class TurnGate {
 public:
  TurnGate(Loop& loop, std::uint32_t per_turn) : loop_(loop), per_turn_(per_turn) {}
  TurnGate(const TurnGate&) = delete;
  TurnGate& operator=(const TurnGate&) = delete;

  struct Pass {
    TurnGate& gate;

    [[nodiscard]] bool await_ready() const { return gate.waiting_.empty() && gate.admit(); }
    void await_suspend(std::coroutine_handle<> waiting) const { gate.waiting_.push_back(waiting); }
    void await_resume() const noexcept {}
  };
  // `co_await gate.pass();`
  [[nodiscard]] Pass pass() { return Pass{*this}; }

 private:
  bool admit();
  void turn();

  Loop& loop_;
  std::uint32_t per_turn_;
  std::uint32_t admitted_ = 0;  // in this turn
  std::deque<std::coroutine_handle<>> waiting_;
};

}  // namespace sluice::net
