#include "proxy/handshake_room.h"

namespace sluice::proxy {

namespace {

void expire(void* context) { static_cast<net::WaitSlot*>(context)->fire(net::Wake::expired); }

}  // namespace

net::Task<bool> HandshakeRoom::enter(std::uint32_t limit, std::chrono::milliseconds patience) {
  limit_ = limit;
  if (waiting_.empty() && has_room()) {
    ++active_;
    co_return true;
  }
  net::WaitSlot slot;
  net::Deadline deadline(loop_.deadlines, expire, &slot);
  deadline.set(patience);
  const auto place = waiting_.insert(waiting_.end(), &slot);
  const net::Wake wake = co_await slot.wait();
  if (wake != net::Wake::ready) {
    waiting_.erase(place);
    co_return false;
  }
  deadline.clear();
  // A handshake that fails at once would let the next in from inside its own end, and so on.
  co_await loop_.next_turn();
  co_return true;
}

void HandshakeRoom::leave() {
  --active_;
  while (!waiting_.empty() && has_room()) {
    ++active_;  // the place is taken before its owner runs
    net::WaitSlot* const first = waiting_.front();
    waiting_.pop_front();
    first->fire(net::Wake::ready);
  }
}

}  // namespace sluice::proxy
