#include "sluice/upstream/h2_pool.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "sluice/upstream/group.h"
#include "sluice/upstream/pool.h"

namespace sluice::upstream {

// A request that waits for a connection that somebody else opens.
struct H2Pool::Waiter {
  Waiter(H2Pool& of, std::chrono::milliseconds timeout)
      : pool(of),
        deadline(
            of.loop_.deadlines,
            [](void* self) { static_cast<Waiter*>(self)->slot.fire(net::Wake::expired); }, this) {
    place = pool.waiters_.insert(pool.waiters_.end(), this);
    deadline.set(std::max(timeout, std::chrono::milliseconds(1)));
  }
  ~Waiter() { pool.waiters_.erase(place); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  H2Pool& pool;
  net::WaitSlot slot;
  net::Deadline deadline;
  std::list<Waiter*>::iterator place;
  bool is_called = false;
  net::DialError error = net::DialError::none;  // of the dial it waited for
  std::string error_text;
};

H2Pool::H2Pool(net::Loop& loop, GroupCells& cells, Pool& pool)
    : loop_(loop), cells_(cells), pool_(pool) {}

H2Pool::~H2Pool() {
  *alive_ = false;
  const auto connections = std::exchange(connections_, {});
  for (const auto& connection : connections) {
    connection->pool_ = nullptr;
    connection->end_now();
  }
  // Those that are closing end in a later turn, and there may be none.
  for (const auto& leaving : std::exchange(leaving_, {})) {
    if (const auto connection = leaving.lock()) connection->end_now();
  }
}

void H2Pool::apply(const Http2Settings& settings) {
  if (settings_ != settings) retire_all();
  settings_ = settings;
}

std::uint64_t H2Pool::max_requests() const { return pool_.settings().max_requests; }
std::chrono::milliseconds H2Pool::idle_timeout() const { return pool_.settings().idle_timeout; }

H2Lease H2Pool::take(base::SteadyTime since) {
  for (const auto& connection : connections_) {
    if (connection->room() == 0 || connection->opened_at() <= since) continue;
    const std::shared_ptr<H2TargetConnection> chosen = connection;  // it may leave the pool
    return H2Lease(chosen);
  }
  return {};
}

// As many as the connections that are on their way will probably take, but for those who open them.
bool H2Pool::may_wait() const {
  std::uint64_t coming = dials_;
  for (const auto& connection : connections_) coming += connection->has_peer_settings() ? 0 : 1;
  std::uint64_t each = settings_.max_concurrent_streams;
  if (expected_streams_ != 0) each = std::min<std::uint64_t>(each, expected_streams_);
  const std::uint64_t most = max_requests();
  if (most != 0) each = std::min(each, most);
  return waiters_.size() < coming * (each - std::min<std::uint64_t>(each, 1));
}

bool H2Pool::has_room() const {
  return may_wait() || std::ranges::any_of(connections_, [](const auto& connection) {
           return connection->room() > 0;
         });
}

net::Task<net::Wake> H2Pool::wait(Waiter& waiter, net::Dialing& dialing) {
  dialing.waits_in(&waiter.slot);
  const net::Wake wake = co_await waiter.slot.wait();
  dialing.waits_in(nullptr);
  co_return wake;
}

net::Task<LeasedStream> H2Pool::connect(base::SteadyTime since,
                                        std::chrono::milliseconds connect_timeout,
                                        std::chrono::milliseconds handshake_timeout,
                                        net::Dialing& dialing) {
  const base::SteadyTime until = loop_.clock.now() + connect_timeout;
  LeasedStream leased;
  for (;;) {
    leased.lease = take(since);
    if (leased.lease.is_held()) co_return leased;
    if (!may_wait()) break;
    Waiter waiter(*this, std::chrono::ceil<std::chrono::milliseconds>(until - loop_.clock.now()));
    const net::Wake wake = co_await wait(waiter, dialing);
    if (wake != net::Wake::ready) {
      leased.error = net::DialError::timeout;
      co_return leased;
    }
    if (waiter.error != net::DialError::none) {
      leased.error = waiter.error;
      leased.error_text = std::move(waiter.error_text);
      co_return leased;
    }
  }
  ConnectionCount count = pool_.count_connection();
  leased.at_limit = !count.is_counted();
  if (leased.at_limit) co_return leased;
  const std::shared_ptr<const net::ClientTlsContext> tls = pool_.tls();
  ++dials_;
  net::Dialed dialed = co_await pool_.open(connect_timeout, handshake_timeout, dialing);
  --dials_;
  if (dialed.stream == nullptr) {
    // Who gives up says nothing about the target: another one has to open it.
    if (dialing.was_cancelled()) {
      call_waiters();
    } else {
      fail_waiters(dialed.error, dialed.error_text);
    }
    leased.error = dialed.error;
    leased.error_text = std::move(dialed.error_text);
    co_return leased;
  }
  const auto connection = std::make_shared<H2TargetConnection>(
      loop_, cells_, *this, std::move(dialed.stream), tls, std::move(count), settings_);
  connections_.push_back(connection);
  leased.lease = H2Lease(connection);
  connection->begin();
  if (pool_.is_retired() || tls != pool_.tls()) connection->retire();
  co_return leased;
}

// --- those that wait

void H2Pool::call_waiters() { fail_waiters(net::DialError::none, {}); }

void H2Pool::fail_waiters(net::DialError error, const std::string& text) {
  if (waiters_.empty()) return;
  for (Waiter* const waiter : waiters_) {
    if (waiter->is_called && waiter->error != net::DialError::none) continue;
    waiter->is_called = true;
    waiter->error = error;
    waiter->error_text = text;
  }
  if (std::exchange(is_call_posted_, true)) return;
  net::asio::post(loop_.context, [this, alive = alive_] {
    if (!*alive) return;
    is_call_posted_ = false;
    wake_called();
  });
}

// Each that goes on may end others, and with the last of them the pool.
void H2Pool::wake_called() {
  const std::shared_ptr<bool> alive = alive_;
  while (*alive) {
    const auto next =
        std::ranges::find_if(waiters_, [](const Waiter* waiter) { return waiter->is_called; });
    if (next == waiters_.end()) return;
    (*next)->is_called = false;
    (*next)->slot.fire(net::Wake::ready);
  }
}

// --- connections that leave

void H2Pool::forget(H2TargetConnection& connection) {
  const bool never_answered = !connection.has_peer_settings() && connection.has_ended();
  std::erase_if(leaving_, [](const auto& each) { return each.expired(); });
  leaving_.push_back(connection.weak_from_this());
  std::erase_if(connections_, [&](const auto& each) { return each.get() == &connection; });
  if (never_answered) {
    fail_waiters(net::DialError::failed, "ended before its SETTINGS came");
  } else {
    call_waiters();
  }
}

void H2Pool::retire_all() {
  const auto connections = connections_;
  for (const auto& connection : connections) connection->retire();
}

void H2Pool::close_idle() {
  const auto connections = connections_;
  for (const auto& connection : connections) {
    if (connection->is_idle()) connection->close();
  }
}

bool H2Pool::close_oldest_idle() {
  for (const auto& connection : connections_) {
    if (!connection->is_idle()) continue;
    const std::shared_ptr<H2TargetConnection> oldest = connection;
    oldest->close();
    return true;
  }
  return false;
}

void H2Pool::bound_idle() {
  const auto idle = std::ranges::count_if(
      connections_, [](const auto& connection) { return connection->is_idle(); });
  if (static_cast<std::uint64_t>(idle) > pool_.settings().max_idle) (void)close_oldest_idle();
}

}  // namespace sluice::upstream
