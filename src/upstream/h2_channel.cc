#include "sluice/upstream/h2_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "sluice/http/h2_head.h"
#include "upstream/h2_lines.h"

namespace sluice::upstream {

using net::Transfer;
using observe::Reason;

namespace {

template <net::WaitSlot H2Channel::* slot>
net::Deadline::Callback expire() {
  return [](void* channel) { (static_cast<H2Channel*>(channel)->*slot).fire(net::Wake::expired); };
}

// Scratch for heads: one at a time, never held over an await.
std::vector<http::H2Session::Line>& scratch_lines() {
  thread_local std::vector<http::H2Session::Line> lines;
  return lines;
}

}  // namespace

H2Channel::H2Channel(H2Link& link, std::chrono::milliseconds write_timeout)
    : read_deadline_(link.stream().loop().deadlines, expire<&H2Channel::reader_>(), this),
      link_(link),
      write_timeout_(write_timeout),
      write_deadline_(link.stream().loop().deadlines, expire<&H2Channel::writer_>(), this) {}

H2Channel::~H2Channel() {
  link_.forget(*this);
  if (is_attached()) link_.flush_soon();  // the peer learns of it
}

// --- in

void H2Channel::on_data(base::Bytes content) {
  if (is_discarding_) return session()->consumed(*this, content.size());
  held_ += content.size();
  while (!content.empty()) {
    if (buffers_.empty() || buffers_.back().free_space().empty()) {
      buffers_.push_back(link_.stream().loop().buffers.borrow(net::BufferPool::smallest));
    }
    net::Buffer& buffer = buffers_.back();
    const std::size_t bytes = std::min(content.size(), buffer.free_space().size());
    std::memcpy(buffer.free_space().data(), content.data(), bytes);
    buffer.commit(bytes);
    content = content.subspan(bytes);
  }
  note();
}

void H2Channel::on_end(http::H2Fields&& trailers) {
  trailer_fields_ = std::move(trailers);
  body_failure_ = http::read_trailers(trailer_fields_, trailers_);
  has_ended_ = body_failure_ == Reason::none;
  note();
}

Runs H2Channel::take() {
  if (takes_ > 0 && taken_ > 0) release_taken();
  Runs runs;
  std::size_t before = 0;
  for (const net::Buffer& buffer : buffers_) {
    const base::Bytes unread = buffer.unread();
    if (before + unread.size() > taken_ && !runs.is_full()) {
      runs.add(unread.subspan(taken_ > before ? taken_ - before : 0));
    }
    before += unread.size();
  }
  taken_ += static_cast<std::size_t>(runs.bytes);
  content_bytes_ += runs.bytes;
  if (runs.bytes > 0) ++takes_;
  return runs;
}

void H2Channel::restart() {
  content_bytes_ -= taken_;
  taken_ = 0;
  takes_ = 0;
}

void H2Channel::release_taken() {
  if (taken_ == 0) return;
  std::size_t left = taken_;
  auto buffer = buffers_.begin();
  while (buffer != buffers_.end() && left >= buffer->unread().size()) {
    left -= buffer->unread().size();
    ++buffer;
  }
  buffers_.erase(buffers_.begin(), buffer);
  if (left > 0) buffers_.front().consume_in_place(left);
  if (session() != nullptr) session()->consumed(*this, taken_);
  link_.flush_soon();  // the window opens
  held_ -= taken_;
  taken_ = 0;
  was_released_ = true;
}

void H2Channel::discard_body() {
  is_discarding_ = true;
  taken_ = held_;
  release_taken();
}

net::Task<Transfer> H2Channel::fill(std::chrono::milliseconds timeout) {
  release_taken();
  while (held_ == 0 && !has_ended_ && body_failure_ == Reason::none) {
    if (is_closed_) co_return Transfer::failed;
    read_deadline_.set(timeout);
    const net::Wake wake = co_await reader_.wait();
    read_deadline_.clear();
    if (wake == net::Wake::expired) co_return Transfer::expired;
    if (wake == net::Wake::closed) co_return Transfer::cancelled;
  }
  co_return Transfer::ok;
}

std::size_t H2Channel::read(base::MutableBytes into) {
  std::size_t copied = 0;
  for (const net::Buffer& buffer : buffers_) {
    const base::Bytes unread = buffer.unread();
    const std::size_t bytes = std::min(unread.size(), into.size() - copied);
    if (bytes > 0) std::memcpy(into.data() + copied, unread.data(), bytes);
    copied += bytes;
  }
  taken_ = copied;
  release_taken();
  return copied;
}

void H2Channel::reset(http::H2Error error) {
  if (session() == nullptr || is_closed_) return;
  session()->reset(*this, error);
  link_.flush_soon();
}

bool H2Channel::cancel_reader() {
  const bool waited = reader_.armed();
  reader_.fire(net::Wake::closed);
  return waited;
}

// --- out

void H2Channel::set_head(base::Bytes head, bool /*chunked*/) { head_ = head; }

void H2Channel::add(const Runs& runs, bool is_last, std::string_view trailers) {
  runs_ = runs;
  is_last_ = is_last;
  trailers_out_ = trailers;
}

void H2Channel::add_informational(base::Bytes head) { informational_ = head; }

Transfer H2Channel::start() {
  const Transfer sent = advance();
  if (sent == Transfer::ok) {
    link_.gather();
    is_sending_ = has_pieces_out_;
  }
  if (sent == Transfer::ok && !is_sending_ && !trailers_out_.empty()) return start();
  return was_cut_ ? Transfer::failed : sent;
}

// Gives the session what it can take now.
Transfer H2Channel::advance() {
  std::vector<http::H2Session::Line>& lines = scratch_lines();
  if (is_closed_) return Transfer::failed;
  bool is_sound = true;
  if (!informational_.empty()) {
    split_lines(std::exchange(informational_, {}), lines);
    return session()->send_informational(*this, lines) ? Transfer::ok : Transfer::failed;
  }
  if (!head_.empty()) {
    const bool ends = is_last_ && runs_.bytes == 0 && trailers_out_.empty();
    bytes_written_ += head_.size();
    split_lines(std::exchange(head_, {}), lines);
    is_sound = put_head(lines, ends);
    if (is_sound && session() == nullptr) is_sound = false;
    sent_end_ = ends;
    if (ends) {
      has_pieces_out_ = is_sound;  // until the session has packed it
      return is_sound ? Transfer::ok : Transfer::failed;
    }
  }
  // Never opened, and given up by now: there is nobody to give content to.
  if (session() == nullptr) return Transfer::failed;
  if (is_sound && (runs_.bytes > 0 || (is_last_ && !sent_end_ && trailers_out_.empty()))) {
    const Runs runs = std::exchange(runs_, {});
    if (!is_tunnel_) bytes_written_ += runs.bytes;
    sent_end_ = is_last_ && trailers_out_.empty();
    is_sound = session()->send_data(*this, {runs.items.data(), runs.items.size()}, sent_end_);
    has_pieces_out_ = is_sound;
  } else if (is_sound && !trailers_out_.empty()) {
    split_lines(base::as_bytes(trailers_out_), lines);
    bytes_written_ += trailers_out_.size();
    sent_end_ = true;
    is_sound = session()->send_trailers(*this, lines);
    has_pieces_out_ = is_sound;
    trailers_out_.clear();
  }
  return is_sound ? Transfer::ok : Transfer::failed;
}

H2Channel::Progress H2Channel::progress() const {
  if (session() == nullptr) return {};
  return {.mine = session()->content_sent(*this), .all = session()->content_sent()};
}

// As over HTTP/1 only a peer that takes nothing is given up. What others take counts as well, for
// they share the connection with this one, but not for ever: else one byte for one of them would
// keep all alive. Not when its own window is shut.
bool H2Channel::has_moved_since(const Progress& before) {
  constexpr std::uint32_t periods_for_others = 4;
  if (session() == nullptr) return false;
  const Progress now = progress();
  if (now.mine != before.mine) {
    periods_waited_ = 0;
    return true;
  }
  return now.all != before.all && !session()->is_window_shut(*this) &&
         ++periods_waited_ < periods_for_others;
}

net::Task<Transfer> H2Channel::finish() {
  Transfer result = Transfer::ok;
  while (is_sending_) {
    if (was_cut_) {
      result = Transfer::failed;
      break;
    }
    if (has_pieces_out_) {
      const Progress before = progress();
      write_deadline_.set(write_timeout_);
      const net::Wake wake = co_await writer_.wait();
      write_deadline_.clear();
      if (wake == net::Wake::ready) periods_waited_ = 0;
      if (wake == net::Wake::ready || (wake == net::Wake::expired && has_moved_since(before))) {
        continue;
      }
      result = wake == net::Wake::expired ? Transfer::expired : Transfer::cancelled;
      break;
    }
    is_sending_ = false;
    if (!trailers_out_.empty()) {
      result = advance();
      is_sending_ = has_pieces_out_;
      link_.flush_soon();
    }
  }
  if (has_pieces_out_ && session() != nullptr) session()->forget_data(*this);
  has_pieces_out_ = is_sending_ = false;
  trailers_out_.clear();
  co_return result;
}

bool H2Channel::cancel() {
  const bool waited = writer_.armed();
  writer_.fire(net::Wake::closed);
  return waited;
}

void H2Channel::on_drained() {
  has_pieces_out_ = false;
  note();
}

void H2Channel::on_closed(Reason reason, std::uint32_t /*error_code*/) {
  is_closed_ = true;
  closed_reason_ = reason;
  // A stream may also end in order, in the very turn that its last piece left.
  was_cut_ = has_pieces_out_;
  has_pieces_out_ = false;
  note();
}

// A waiter that goes on may destroy the channel: the writer is looked at first, for it is rarer.
void H2Channel::wake() {
  if (writer_.armed() && (is_closed_ || !has_pieces_out_)) {
    if (reader_.armed()) note();  // its turn comes
    writer_.fire(net::Wake::ready);
    return;
  }
  reader_.fire(net::Wake::ready);
}

}  // namespace sluice::upstream
