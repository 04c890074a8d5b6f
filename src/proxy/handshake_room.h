// How many TLS handshakes with clients are under way in one worker, and who waits to begin one.
//
// A crowd of new clients must not take the memory and the time of those that are being served:
// beyond `limits.tls_handshakes` a connection waits, with nothing but its socket, in the order of
// arrival. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>

#include "sluice/net/loop.h"
#include "sluice/net/turn_gate.h"

namespace sluice::proxy {

class HandshakeRoom {
 public:
  explicit HandshakeRoom(net::Loop& loop) : loop_(loop), gate_(loop, steps_per_turn) {}

  // True: there is room, and `leave` must follow. False: there was none for so long. `limit` is
  // that of now; 0: unlimited.
  [[nodiscard]] net::Task<bool> enter(std::uint32_t limit, std::chrono::milliseconds patience);
  void leave();

  // For each step of a handshake.
  [[nodiscard]] net::TurnGate& gate() { return gate_; }

 private:
  // A full handshake with RSA of 2048 bits computes for about a millisecond: what else is ready
  // waits for no more than a few of them.
  static constexpr std::uint32_t steps_per_turn = 4;

  [[nodiscard]] bool has_room() const { return limit_ == 0 || active_ < limit_; }

  net::Loop& loop_;
  net::TurnGate gate_;
  std::uint32_t limit_ = 0;
  std::uint32_t active_ = 0;
  std::list<net::WaitSlot*> waiting_;
};

}  // namespace sluice::proxy
