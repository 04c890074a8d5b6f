#include "proxy/tunnel.h"

#include <utility>

#include "sluice/upstream/h2_channel.h"

namespace sluice::proxy {

using net::IoStatus;
using net::Transfer;
using observe::Reason;

namespace {

// ClientSide and TargetClient tell it in the same words.
template <typename Side>
std::unique_ptr<TunnelPeer> peer_of(Side& side) {
  net::Stream* const stream = side.stream();
  return stream != nullptr ? make_tunnel_peer(*stream) : make_tunnel_peer(*side.channel());
}

template <void (Tunnel::*on_expiry)()>
net::Deadline::Callback call() {
  return [](void* tunnel) { (static_cast<Tunnel*>(tunnel)->*on_expiry)(); };
}

}  // namespace

Tunnel::Tunnel(Exchange& exchange)
    : exchange_(exchange),
      client_(peer_of(*exchange.client_side)),
      target_(peer_of(*exchange.target)),
      to_target_{.from = *client_, .to = *target_, .our_role = http::WebSocketRole::client},
      to_client_{.from = *target_, .to = *client_, .our_role = http::WebSocketRole::server},
      idle_(exchange.worker().loop().deadlines, call<&Tunnel::idle_time_passed>(), this),
      ping_(exchange.worker().loop().deadlines, call<&Tunnel::ping_time_passed>(), this),
      lifetime_(exchange.worker().loop().deadlines, call<&Tunnel::lifetime_passed>(), this),
      closing_(exchange.worker().loop().deadlines, call<&Tunnel::closing_time_passed>(), this),
      began_at_(exchange.worker().loop().clock.now()) {
  exchange.worker().add(*this);
  exchange.group->cells().tunnels_total.add();
  exchange.group->cells().tunnels.add(1);
}

Tunnel::~Tunnel() {
  exchange_.group->cells().tunnels.add(-1);
  exchange_.worker().remove(*this);
  if (is_gone_ != nullptr) *is_gone_ = true;
}

net::Task<> Tunnel::run(net::Buffer from_client, net::Buffer from_target) {
  to_target_.buffer = std::move(from_client);
  to_client_.buffer = std::move(from_target);
  to_target_.heard_at = to_client_.heard_at = began_at_;
  begin_times();
  reconsider();  // a reload may have come while the handshake was under way
  net::spawn(pass_to_target(*this));
  co_await pass(to_client_);
  if (!to_target_.has_ended) (void)co_await to_target_ended_.wait();
  exchange_.received_bytes += to_target_.bytes;
  exchange_.sent_bytes += to_client_.bytes;
}

net::Task<> Tunnel::pass_to_target(Tunnel& tunnel) {
  co_await tunnel.pass(tunnel.to_target_);
  // The last that is done here: the tunnel ends with it.
  tunnel.to_target_ended_.fire(net::Wake::ready);
}

// While nothing flows this is the one frame of a direction, and waits without a buffer.
net::Task<> Tunnel::pass(TunnelHalf& half) {
  std::uint32_t writes = 0;
  while (!half.has_ended) {
    if (exchange_.deregistered) end_now(End::drained);
    if (is_done(half)) {
      half.from.shutdown_write();  // it has sent and got a close frame
      break;
    }
    if (has_own_frame(half)) {
      co_await send_own_frame(half);
    } else if (half.buffer.has_memory() && !half.buffer.is_empty()) {
      const base::Bytes bytes = scan(half);
      if (takes_bytes(half)) {
        const net::IoResult now = half.to.try_write(bytes);
        if (now.status == IoStatus::would_block) co_await write(half, bytes.subspan(now.bytes));
        if (now.status == IoStatus::failed) write_ended(half, Transfer::failed);
      }
      passed(half, bytes);
      if (++writes % writes_per_turn == 0) co_await exchange_.worker().loop().next_turn();
    } else if (!read_some(half)) {
      (void)co_await half.from.wait_readable();  // also woken to look at what is to be done
    }
  }
  half.buffer.release();
  half.has_ended = true;
}

// A peer that does not read is bounded by the same time as one that does not write.
net::Task<> Tunnel::write(TunnelHalf& half, base::Bytes bytes) {
  const Transfer sent = co_await half.to.write(bytes, settings().idle_timeout);
  write_ended(half, sent);
}

net::Task<> Tunnel::send_own_frame(TunnelHalf& half) {
  const bool is_close = is_closing_;
  const auto mask = static_cast<std::uint32_t>(exchange_.worker().random().next());
  half.own_frame = is_close ? http::close_frame(half.our_role, close_code_, mask)
                            : http::ping_frame(half.our_role, mask);
  half.is_ping_due = false;
  co_await write(half, half.own_frame.bytes());
  if (!is_close) co_return;
  half.has_our_close = true;
  wake_if_done(other(half));
}

// Between two frames, and not behind a close frame.
bool Tunnel::has_own_frame(const TunnelHalf& half) const {
  return (is_closing_ || half.is_ping_due) && takes_bytes(half) && half.frames.at_boundary() &&
         !half.frames.has_closed();
}

bool Tunnel::takes_bytes(const TunnelHalf& half) { return !half.has_our_close && !half.is_refused; }

// What of the buffer is passed on at once: while closing no further than to the end of the frame
// under way, for our close frame follows it.
base::Bytes Tunnel::scan(TunnelHalf& half) const {
  const base::Bytes bytes = half.buffer.unread();
  if (is_closing_) return bytes.first(half.frames.feed_frame(bytes));
  half.frames.feed(bytes);
  return bytes;
}

void Tunnel::passed(TunnelHalf& half, base::Bytes bytes) {
  if (takes_bytes(half)) {
    half.bytes += bytes.size();
    upstream::GroupCells& cells = exchange_.group->cells();
    (&half == &to_target_ ? cells.tunnel_bytes_to_target : cells.tunnel_bytes_to_client)
        .add(bytes.size());
  }
  half.buffer.consume(bytes.size());
  if (half.has_senders_close || !half.frames.has_closed() || !half.frames.at_boundary()) return;
  half.has_senders_close = true;
  wake_if_done(other(half));
}

// False: there is nothing, and nothing is held.
bool Tunnel::read_some(TunnelHalf& half) {
  const IoStatus status = half.from.try_read_into(half.buffer);
  if (status == IoStatus::would_block) {
    half.buffer.release();
    return false;
  }
  if (status == IoStatus::ok) {
    half.heard_at = exchange_.worker().loop().clock.now();
  } else {
    read_ended(half, status);
  }
  return true;
}

// Its own end is found by reading; until then the sender may go on, so that what the other
// direction still brings, a close frame above all, reaches it and is not overtaken by a reset.
void Tunnel::write_ended(TunnelHalf& half, Transfer transfer) {
  if (transfer == Transfer::ok) return;
  half.is_refused = true;
  if (transfer == Transfer::failed) {
    if (end_ == End::none) end_ = &half == &to_client_ ? End::client : End::target;
    const TunnelHalf& back = other(half);
    if (back.has_ended && !back.frames.has_closed()) return cut();
    if (!is_closing_) closing_.set(close_grace);
    return;
  }
  end_now(transfer == Transfer::expired ? End::idle : End::drained);
}

// `half.from` has no more bytes. Its end is passed on; then the other side has its grace.
void Tunnel::read_ended(TunnelHalf& half, IoStatus status) {
  half.has_ended = true;
  if (end_ == End::none) end_ = &half == &to_target_ ? End::client : End::target;
  // A server that closes behind its close frame resets what it has not read: that is in order.
  const bool is_broken = status != IoStatus::closed || other(half).is_refused;
  if (is_broken && !half.frames.has_closed()) return cut();
  half.to.shutdown_write();
  if (!is_closing_) closing_.set(close_grace);
}

TunnelHalf& Tunnel::other(const TunnelHalf& half) {
  return &half == &to_client_ ? to_target_ : to_client_;
}

// The sender's closing handshake is complete, with the other side or with us (RFC 6455 7.1.4).
bool Tunnel::is_done(const TunnelHalf& half) {
  const TunnelHalf& back = other(half);
  return half.has_senders_close && (back.has_our_close || back.has_senders_close);
}

// It may wait for bytes that need not come. The tunnel goes on: the caller's direction has not
// ended.
void Tunnel::wake_if_done(TunnelHalf& half) {
  if (!half.has_ended && is_done(half)) (void)half.from.cancel_reader();
}

Reason Tunnel::reason() const {
  const bool closed_in_order = to_target_.frames.has_closed() || to_client_.frames.has_closed();
  switch (end_) {
    case End::none: return Reason::none;
    case End::client: return closed_in_order ? Reason::none : Reason::client_closed;
    case End::target: return closed_in_order ? Reason::none : Reason::tunnel_target_lost;
    case End::idle: return Reason::tunnel_idle_timeout;
    case End::lifetime: return Reason::tunnel_lifetime;
    case End::drained: return Reason::tunnel_drained;
  }
  return Reason::none;
}

}  // namespace sluice::proxy
