#include "proxy/h2_connection.h"

#include <string>
#include <utility>

#include "proxy/h2_server.h"
#include "proxy/interrupt.h"
#include "sluice/observe/log.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

using observe::Reason;

namespace {

// How long a client that has been told may still open streams: more than a round trip.
constexpr std::chrono::milliseconds last_streams_time{1000};

}  // namespace

H2Connection::H2Connection(Connection& connection)
    : connection_(connection),
      link_(connection.stream(), http::H2Session::Role::server,
            connection.slot().view->snapshot->http2, *this, connection.client_write_timeout()),
      refusing_(
          connection.worker().loop().deadlines,
          [](void* self) { static_cast<H2Connection*>(self)->end_when_idle(); }, this) {}

H2Connection::~H2Connection() = default;

net::Task<> H2Connection::serve(net::Buffer received) {
  connection_.stream().set_read_deadline(connection_.idle_time());
  const Reason reason = co_await link_.run(std::move(received));
  // Streams whose exchange has not begun have gone by now; the others end by themselves.
  if (!streams_.empty()) (void)co_await emptied_.wait();
  refusing_.clear();
  count_end(reason);
}

// A connection that a client closed, or that fell idle, is no news.
void H2Connection::count_end(Reason reason) {
  if (reason == Reason::none || reason == Reason::client_closed) return;
  connection_.worker()
      .cells()
      .counter(observe::Metric::events_total, {observe::text(reason)})
      .add();
  if (!observe::log_enabled(observe::Level::info)) return;
  observe::log(observe::Level::info,
               std::string(observe::text(reason)) + ": listener " + connection_.slot().name +
                   " client " + connection_.peer().text() +
                   ": HTTP/2 connection closed: " + observe::escaped(link_.session().error_text()));
}

http::H2Stream* H2Connection::new_stream() {
  const http::H2Settings& settings = connection_.slot().view->snapshot->http2;
  if (streams_.size() >= settings.max_concurrent_streams) return nullptr;
  // The head has to be complete in time, whatever else the connection does (T16).
  connection_.stream().set_read_deadline(connection_.header_timeout());
  link_.set_silence_reason(Reason::header_timeout);
  streams_.push_back(std::make_unique<H2Server>(*this));
  streams_.back()->index_ = streams_.size() - 1;
  return streams_.back().get();
}

void H2Connection::await_no_head() {
  connection_.stream().clear_read_deadline();
  link_.set_silence_reason(Reason::none);
}

void H2Connection::head_came() {
  await_no_head();
  if (connection_.must_close()) end_soon();
}

void H2Connection::remove(H2Server& stream) {
  const std::size_t index = stream.index_;
  std::unique_ptr<H2Server> gone = std::move(streams_[index]);
  if (index + 1 != streams_.size()) {
    streams_[index] = std::move(streams_.back());
    streams_[index]->index_ = index;
  }
  streams_.pop_back();
  // Refused while its head came: nobody waits for the head any more.
  if (!gone->has_head_) await_no_head();
  gone.reset();
  if (!streams_.empty()) return;
  // Control frames do not prolong it: only a stream does.
  connection_.stream().set_read_deadline(connection_.idle_time());
  if (is_ending_ && !refusing_.is_set()) link_.end(Reason::none);
  // The connection may be gone behind this.
  emptied_.fire(net::Wake::ready);
}

void H2Connection::on_goaway(std::int32_t /*last_stream_id*/, std::uint32_t /*error_code*/) {
  end_when_idle();
}

void H2Connection::end_soon() {
  if (std::exchange(is_ending_, true)) return;
  link_.session().announce_shutdown();
  link_.flush_soon();
  refusing_.set(last_streams_time);
}

void H2Connection::end_when_idle() {
  is_ending_ = true;
  refusing_.clear();
  // Once: a peer may send GOAWAY without end.
  if (!std::exchange(is_refusing_, true)) {
    link_.session().refuse_new_streams();
    link_.flush_soon();
  }
  if (streams_.empty()) link_.end(Reason::none);
}

void H2Connection::end_exchanges_with(const upstream::Pool& pool) {
  // From the back: one that ends moves the last into its place, and that one has been visited.
  for (std::size_t i = streams_.size(); i-- > 0;) {
    if (i < streams_.size() && streams_[i]->exchange_ != nullptr) {
      deregister(*streams_[i]->exchange_, pool);
    }
  }
}

}  // namespace sluice::proxy
