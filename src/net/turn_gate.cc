#include "sluice/net/turn_gate.h"

#include <boost/asio/post.hpp>

namespace sluice::net {

// The first of a turn arranges for the next: what is posted runs behind a look at the sockets.
bool TurnGate::admit() {
  if (admitted_ == per_turn_) return false;
  if (admitted_++ == 0) asio::post(loop_.context, [this] { turn(); });
  return true;
}

void TurnGate::turn() {
  admitted_ = 0;
  while (!waiting_.empty() && admit()) {
    const std::coroutine_handle<> next = waiting_.front();
    waiting_.pop_front();
    next.resume();
  }
}

}  // namespace sluice::net
