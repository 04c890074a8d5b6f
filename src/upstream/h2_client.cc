#include "sluice/upstream/h2_client.h"

#include <utility>

#include "sluice/http/h2_head.h"

namespace sluice::upstream {

using observe::Reason;

namespace {

// Beyond what `limits.informational_responses` may allow, and what comes while nobody reads.
constexpr std::size_t waiting_heads_max = 128;

// Why there is no answer, in words about the target.
Reason reason_of_close(Reason closed) {
  switch (closed) {
    case Reason::target_ping_timeout: return closed;
    case Reason::none:
    case Reason::client_closed:
    case Reason::client_write_timeout:
    case Reason::h2_reset_by_peer:
    case Reason::h2_unprocessed: return Reason::target_closed_early;
    case Reason::header_too_large:
    case Reason::headers_too_large: return Reason::target_response_too_large;
    default: return Reason::target_response_malformed;
  }
}

}  // namespace

// --- the stream

H2TargetStream::H2TargetStream(H2Lease& lease, std::chrono::milliseconds write_timeout)
    : H2Channel(lease.connection().link(), write_timeout), lease_(lease) {}

H2TargetStream::~H2TargetStream() {
  lease_.connection().forget_settings_waiter(*this);
  if (is_attached()) link().flush_soon();  // it is about to be reset
}

bool H2TargetStream::put_head(std::span<const http::H2Session::Line> lines, bool ends) {
  was_refused_ = !link().session().open(*this, lines, ends);
  if (!was_refused_) lease_.opened();
  return !was_refused_;
}

void H2TargetStream::on_head(http::H2Fields&& fields, Reason defect, bool ends) {
  ++heads_count_;
  lease_.connection().count_answer();
  note();
  has_too_many_heads_ = has_too_many_heads_ || heads_.size() >= waiting_heads_max;
  if (!has_too_many_heads_) heads_.push_back({std::move(fields), defect, ends});
}

void H2TargetStream::on_closed(Reason reason, std::uint32_t error_code) {
  error_code_ = error_code;
  H2Channel::on_closed(reason, error_code);
}

const H2TargetStream::Head* H2TargetStream::next_head() {
  if (heads_.empty()) return nullptr;
  current_ = std::move(heads_.front());
  heads_.erase(heads_.begin());
  head_bytes_ += current_.fields.list_bytes();
  return &current_;
}

// --- the client

H2Client::H2Client(H2Lease lease, std::chrono::milliseconds write_timeout)
    : lease_(std::make_unique<H2Lease>(std::move(lease))),
      stream_(std::make_unique<H2TargetStream>(*lease_, write_timeout)),
      was_used_(lease_->connection().was_used()) {}

bool H2Client::was_unprocessed() const {
  return stream_->was_refused() || stream_->closed_reason() == Reason::h2_unprocessed;
}

// Only a connection that has ended can have died of old age: a stream that its target reset on one
// that lives was answered in its way.
bool H2Client::connection_was_used() const { return was_used_ && lease_->connection().has_ended(); }

bool H2Client::is_open() const {
  return !stream_->is_closed() && !stream_->was_refused() && !lease_->connection().has_ended();
}

net::Task<Reason> H2Client::await_websocket_offer(std::chrono::milliseconds timeout) {
  H2TargetConnection& connection = lease_->connection();
  if (!connection.has_peer_settings()) {
    if (connection.has_ended()) co_return Reason::target_connect_failed;
    connection.tell_settings(*stream_);
    stream_->set_deadline(timeout);
    const net::Wake wake = co_await stream_->wait_head();
    stream_->clear_deadline();
    connection.forget_settings_waiter(*stream_);
    if (wake == net::Wake::expired) co_return Reason::target_connect_timeout;
    if (!connection.has_peer_settings()) co_return Reason::target_connect_failed;
  }
  co_return connection.link().session().peer_takes_extended_connect()
      ? Reason::none
      : Reason::target_websocket_not_offered;
}

net::Task<Reason> H2Client::read_head(http::ResponseHead& head, http::Method method) {
  for (;;) {
    if (const H2TargetStream::Head* const next = stream_->next_head()) {
      if (next->defect != Reason::none) co_return Reason::target_response_too_large;
      const Reason defect = http::read_response_head(next->fields, next->ends, method, head);
      co_return defect == Reason::none ? Reason::none : Reason::target_response_malformed;
    }
    if (stream_->has_too_many_heads()) co_return Reason::target_too_many_informational;
    if (stream_->was_refused()) co_return Reason::target_closed_early;
    if (stream_->is_closed()) co_return reason_of_close(stream_->closed_reason());
    const net::Wake wake = co_await stream_->wait_head();
    if (wake == net::Wake::expired) co_return Reason::target_response_timeout;
    if (wake == net::Wake::closed) co_return Reason::target_closed_early;
  }
}

// There is nothing to give back but the stream: what is not whole is reset, and the connection
// stays, if it is not the last use of one that is not to be kept.
void H2Client::finish(Pool& /*pool*/, bool /*request_sent_whole*/, bool may_keep) {
  if (!may_keep) lease_->close_after();
  stream_.reset();
  lease_.reset();
}

}  // namespace sluice::upstream
