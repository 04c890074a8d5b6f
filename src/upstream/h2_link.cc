#include "sluice/upstream/h2_link.h"

#include <array>
#include <utility>

#include "sluice/net/transfer.h"
#include "sluice/upstream/h2_channel.h"

namespace sluice::upstream {

using net::IoStatus;
using observe::Reason;

namespace {

constexpr std::size_t output_bytes = 64 * 1024;
constexpr std::size_t input_bytes = 32 * 1024;
// What a session may want to write in one piece: a frame of 16 KiB, or the end of a field block.
constexpr std::size_t room_for_a_piece = 17 * 1024;
// A peer that sends without end lets the others have their turn after so many reads.
constexpr std::uint32_t reads_per_turn = 32;

}  // namespace

H2Link::H2Link(net::Stream& stream, http::H2Session::Role role, const http::H2Settings& settings,
               http::H2Session::Owner& owner, std::chrono::milliseconds write_timeout)
    : stream_(stream), session_(role, settings, owner), write_timeout_(write_timeout) {}

H2Link::~H2Link() {
  *alive_ = false;
  if (is_blocked_) stream_.unwatch_writer();
}

net::Task<Reason> H2Link::run(net::Buffer received) {
  std::uint32_t reads = 0;
  bool goes_on = true;
  flush_soon();  // our settings
  if (received.has_memory() && !received.is_empty()) {
    goes_on = feed(received.unread());
    received.consume(received.unread().size());
  }
  while (goes_on && !has_ended_ && !session_.is_over()) {
    const IoStatus status = net::try_read_into(stream_, received, input_bytes);
    if (status == IoStatus::ok) {
      goes_on = feed(received.unread());
      received.consume(received.unread().size());
      if (++reads % reads_per_turn == 0) co_await stream_.loop().next_turn();
      continue;
    }
    if (status != IoStatus::would_block) {
      end(Reason::client_closed);
      break;
    }
    received.release();
    const net::Wake wake = co_await stream_.wait_readable();
    if (wake != net::Wake::expired) continue;
    session_.terminate(http::H2Error::no_error);
    end(silence_reason_);
  }
  received.release();
  has_ended_ = true;
  gather();
  (void)flush();  // GOAWAY above all
  // After an end in order what has been promised is written, the end of a last answer above all.
  while (reason_ == Reason::none && is_blocked_) {
    const net::Wake wake = co_await written_.wait();
    if (wake != net::Wake::ready) break;
  }
  session_.abandon(reason_ == Reason::none ? Reason::client_closed : reason_);
  wake_noted();
  co_return reason_;
}

// False: the peer broke a rule, and the session is over.
bool H2Link::feed(base::Bytes bytes) {
  bytes_received_ += bytes.size();
  const Reason reason = session_.receive(bytes, stream_.loop().clock.now());
  if (reason != Reason::none) reason_ = reason;
  wake_noted();
  flush_soon();
  return reason == Reason::none;
}

// `run` goes on in a turn of its own: this may be called from inside of what it would end.
void H2Link::end(Reason reason) {
  if (has_ended_) return;
  has_ended_ = true;
  reason_ = reason;
  net::asio::post(stream_.loop().context, [this, alive = alive_] {
    if (*alive) (void)stream_.cancel_reader();
  });
}

void H2Link::flush_soon() {
  if (is_flush_posted_ || is_blocked_) return;
  is_flush_posted_ = true;
  net::asio::post(stream_.loop().context, [this, alive = alive_] {
    if (!*alive) return;
    is_flush_posted_ = false;
    gather();
    if (*alive) (void)flush();
  });
}

void H2Link::gather() {
  if (is_gathering_ || !session_.wants_send()) return wake_noted();
  is_gathering_ = true;
  for (;;) {
    if (!output_.has_memory()) output_ = stream_.loop().buffers.borrow(output_bytes);
    const std::size_t bytes = session_.send(output_.free_space());
    output_.commit(bytes);
    // Found out only now: the peer did not read while it broke a rule.
    if (session_.failure() != Reason::none) end(session_.failure());
    if (output_.free_space().size() >= room_for_a_piece) break;
    if (!flush()) break;
  }
  is_gathering_ = false;
  if (output_.is_empty()) {
    output_.release();
  } else {
    flush_soon();
  }
  wake_noted();  // may end everything
}

bool H2Link::flush() {
  if (is_blocked_) return false;
  const base::Bytes bytes = output_.has_memory() ? output_.unread() : base::Bytes{};
  if (bytes.empty() && !stream_.has_pending_output()) return true;
  const std::array<base::Bytes, 1> pieces{bytes};
  const net::IoResult result = stream_.try_write(pieces);
  if (output_.has_memory()) output_.consume(result.bytes);
  if (result.status == IoStatus::failed || result.status == IoStatus::closed) {
    end(Reason::client_closed);
    return false;
  }
  if (result.status == IoStatus::ok) {
    if (!is_gathering_ && output_.has_memory() && output_.is_empty()) output_.release();
    return true;
  }
  if (output_.has_memory()) output_.compact();
  is_blocked_ = true;
  stream_.set_write_deadline(write_timeout_);
  stream_.watch_writer([this](net::Wake wake) { may_write(wake); });
  return false;
}

void H2Link::may_write(net::Wake wake) {
  const std::shared_ptr<bool> alive = alive_;
  is_blocked_ = false;
  stream_.clear_write_deadline();
  if (wake == net::Wake::expired) {
    end(Reason::client_write_timeout);
  } else if (wake == net::Wake::closed) {
    end(Reason::client_closed);
  } else if (flush()) {
    gather();  // whoever it wakes may end everything
    if (!*alive) return;
    (void)flush();
  }
  // The last that is done here: `run` ends with it.
  if (!is_blocked_) written_.fire(net::Wake::ready);
}

void H2Link::note(H2Channel& channel) {
  if (std::exchange(channel.is_noted_, true)) return;
  channel.next_noted_ = nullptr;
  (first_noted_ == nullptr ? first_noted_ : last_noted_->next_noted_) = &channel;
  last_noted_ = &channel;
}

void H2Link::forget(H2Channel& channel) {
  if (!std::exchange(channel.is_noted_, false)) return;
  H2Channel* previous = nullptr;
  for (H2Channel* each = first_noted_; each != &channel; each = each->next_noted_) previous = each;
  (previous == nullptr ? first_noted_ : previous->next_noted_) = channel.next_noted_;
  if (last_noted_ == &channel) last_noted_ = previous;
}

// One that is woken may note others, or go.
void H2Link::wake_noted() {
  if (is_waking_ || is_gathering_) return;
  is_waking_ = true;
  const std::shared_ptr<bool> alive = alive_;
  while (first_noted_ != nullptr) {
    H2Channel& channel = *first_noted_;
    first_noted_ = channel.next_noted_;
    channel.is_noted_ = false;
    channel.wake();
    if (!*alive) return;
  }
  last_noted_ = nullptr;
  is_waking_ = false;
}

}  // namespace sluice::upstream
