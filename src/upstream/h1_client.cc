#include "sluice/upstream/h1_client.h"

#include <utility>

namespace sluice::upstream {

using observe::Reason;

namespace {

Reason reason_of(net::Transfer transfer) {
  switch (transfer) {
    case net::Transfer::ok: return Reason::none;
    case net::Transfer::expired: return Reason::target_response_timeout;
    case net::Transfer::closed:
    case net::Transfer::failed:
    case net::Transfer::cancelled: break;
  }
  return Reason::target_closed_early;
}

// The codec's reasons are worded for requests; what the log needs here is who sent nonsense and
// whether a limit of ours was the cause.
Reason reason_of(Reason defect) {
  switch (defect) {
    case Reason::request_line_too_long:
    case Reason::header_too_large:
    case Reason::headers_too_large:
    case Reason::too_many_headers: return Reason::target_response_too_large;
    default: return Reason::target_response_malformed;
  }
}

// Nothing more has come: a read that filled its buffer exactly leaves that open, so it is tried.
// What may still be read afterwards is a part of a TLS record.
bool is_quiet(net::Stream& stream) {
  if (!stream.may_read()) return true;
  char byte = 0;
  return stream.try_read({&byte, 1}).status == net::IoStatus::would_block && !stream.may_read();
}

}  // namespace

H1Client::H1Client(std::unique_ptr<Connection> connection, const http::HeadLimits& limits,
                   const http::BodyLimits& body_limits, std::chrono::milliseconds write_timeout,
                   base::Bytes used_next)
    : connection_(std::move(connection)),
      used_next_(used_next),
      body_limits_(body_limits),
      parser_(limits),
      sender_(connection_->stream(), write_timeout),
      body_(connection_->stream()) {}

net::Task<Reason> H1Client::read_head(http::ResponseHead& head, http::Method method) {
  for (;;) {
    if (buffer_.has_memory() && !buffer_.is_empty()) {
      const http::Progress progress = parser_.parse(buffer_.unread(), head, method);
      if (progress == http::Progress::failed) co_return reason_of(parser_.reason());
      if (progress == http::Progress::complete) {
        received_head_bytes_ += parser_.head_bytes();
        co_return Reason::none;
      }
      if (buffer_.free_space().empty()) {
        buffer_.compact();
        if (buffer_.free_space().empty() && !connection_->stream().loop().buffers.grow(buffer_)) {
          co_return Reason::target_response_too_large;
        }
      }
    }
    const std::size_t before = buffer_.has_memory() ? buffer_.unread().size() : 0;
    const net::Transfer read = co_await net::read_into(connection_->stream(), buffer_,
                                                       net::BufferPool::smallest, used_next_);
    if (read != net::Transfer::ok) co_return reason_of(read);
    received_bytes_ += buffer_.unread().size() - before;
  }
}

void H1Client::skip_head() {
  buffer_.consume(parser_.head_bytes());
  parser_.reset();
}

void H1Client::begin_body(const http::ResponseHead& head) {
  buffer_.consume_in_place(parser_.head_bytes());
  body_.begin(head.framing, head.content_length, body_limits_, buffer_.unread());
}

net::Buffer H1Client::take_upgraded_bytes() {
  buffer_.consume(parser_.head_bytes());
  net::Buffer rest = std::move(buffer_);
  if (rest.is_empty()) rest.release();
  return rest;
}

void H1Client::finish(Pool& pool, bool request_sent_whole, bool may_keep) {
  const bool clean =
      body_.is_finished() && !body_.has_stray_bytes() && is_quiet(connection_->stream());
  if (clean && request_sent_whole && may_keep) {
    pool.give_back(std::move(connection_));
  } else {
    connection_.reset();
  }
}

}  // namespace sluice::upstream
