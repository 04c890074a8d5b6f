#include "sluice/net/transfer.h"

#include <cassert>

#include "sluice/base/prefetch.h"

namespace sluice::net {

namespace {

Transfer transfer_of(IoStatus status) {
  switch (status) {
    case IoStatus::ok: return Transfer::ok;
    case IoStatus::closed: return Transfer::closed;
    case IoStatus::would_block:
    case IoStatus::failed: break;
  }
  return Transfer::failed;
}

Transfer transfer_of(Wake wake) {
  switch (wake) {
    case Wake::ready: return Transfer::ok;
    case Wake::expired: return Transfer::expired;
    case Wake::closed: break;
  }
  return Transfer::cancelled;
}

}  // namespace

Transfer Writer::start(std::initializer_list<base::Bytes> pieces) {
  forget_pieces();
  for (const base::Bytes& piece : pieces) add(piece);
  return start();
}

void Writer::add(base::Bytes piece) {
  if (piece.empty()) return;
  assert(pieces_.size() < pieces_.capacity());
  pieces_.push_back(piece);
}

Transfer Writer::start() {
  const Transfer result = advance();
  if (!unfinished_) forget_pieces();
  return result;
}

Transfer Writer::advance() {
  const IoResult result = stream_.try_write({pieces_.data() + first_, pieces_.size() - first_});
  bytes_written_ += result.bytes;
  std::size_t taken = result.bytes;
  while (first_ < pieces_.size() && taken >= pieces_[first_].size())
    taken -= pieces_[first_++].size();
  if (first_ < pieces_.size() && taken > 0) pieces_[first_] = pieces_[first_].subspan(taken);
  unfinished_ = result.status == IoStatus::would_block;
  if (unfinished_) return Transfer::ok;
  return transfer_of(result.status);
}

Task<Transfer> Writer::finish() {
  Transfer result = Transfer::ok;
  while (unfinished_) {
    stream_.set_write_deadline(timeout_);
    const Wake wake = co_await stream_.wait_writable();
    stream_.clear_write_deadline();
    result = transfer_of(wake);
    if (result != Transfer::ok) break;
    result = advance();
  }
  unfinished_ = false;
  forget_pieces();
  co_return result;
}

IoStatus try_read_into(Stream& stream, Buffer& buffer, std::size_t capacity) {
  if (!stream.may_read()) return IoStatus::would_block;
  if (!buffer.has_memory()) buffer = stream.loop().buffers.borrow(capacity);
  const IoResult result = stream.try_read(buffer.free_space());
  if (result.status == IoStatus::ok) buffer.commit(result.bytes);
  return result.status;
}

bool ReadInto::has_read() {
  const IoStatus status = try_read_into(stream_, buffer_, capacity_);
  if (status == IoStatus::would_block) {
    if (buffer_.has_memory() && buffer_.is_empty()) buffer_.release();
    return false;
  }
  result_ = transfer_of(status);
  return true;
}

void ReadInto::wait() {
  stream_.watch_reader([this](Wake wake) { go_on(wake); });
}

void ReadInto::go_on(Wake wake) {
  base::prefetch(used_next_);
  if (wake != Wake::ready) {
    result_ = transfer_of(wake);
  } else if (!has_read()) {
    return wait();
  }
  waiting_.resume();  // and this is gone
}

}  // namespace sluice::net
