#include "sluice/upstream/body_reader.h"

namespace sluice::upstream {

void BodyReader::begin(http::Framing framing, std::uint64_t content_length,
                       const http::BodyLimits& limits, base::Bytes with_head) {
  body_ = http::H1Body(framing, content_length, limits);
  with_head_ = with_head;
  used_ = 0;
  read_any_ = false;
  content_bytes_ = 0;
  buffer_.release();
}

Runs BodyReader::take() {
  Runs runs;
  const bool from_head = used_ < with_head_.size();
  if (!from_head && !buffer_.has_memory()) return runs;
  base::Bytes input = from_head ? with_head_.subspan(used_) : buffer_.unread();
  std::size_t consumed = 0;
  while (!runs.is_full() && !body_.finished() && !body_.failed()) {
    const http::H1Body::Step step = body_.decode(input);
    consumed += step.consumed;
    input = input.subspan(step.consumed);
    if (!step.content.empty()) {
      runs.add(step.content);
    } else if (step.consumed == 0 || input.empty()) {
      break;
    }
  }
  if (from_head) {
    used_ += consumed;
  } else {
    buffer_.consume_in_place(consumed);
  }
  content_bytes_ += runs.bytes;
  return runs;
}

bool BodyReader::try_fill() {
  buffer_.rewind_if_empty();
  const net::IoStatus status = net::try_read_into(stream_, buffer_, buffer_bytes);
  if (status == net::IoStatus::would_block && buffer_.has_memory() && buffer_.is_empty()) {
    buffer_.release();
  }
  if (status == net::IoStatus::ok) read_any_ = true;
  return status == net::IoStatus::ok;
}

net::Task<net::Transfer> BodyReader::fill(std::chrono::milliseconds timeout) {
  buffer_.rewind_if_empty();
  stream_.set_read_deadline(timeout);
  net::Transfer result = co_await net::read_into(stream_, buffer_, buffer_bytes);
  stream_.clear_read_deadline();
  if (result == net::Transfer::ok) read_any_ = true;
  if (result == net::Transfer::closed && body_.finish_at_close()) result = net::Transfer::ok;
  co_return result;
}

net::Buffer BodyReader::take_buffer() {
  net::Buffer taken = std::move(buffer_);
  if (taken.has_memory() && taken.is_empty()) taken.release();
  return taken;
}

bool BodyReader::has_stray_bytes() const {
  return used_ < with_head_.size() || (buffer_.has_memory() && !buffer_.is_empty());
}

}  // namespace sluice::upstream
