#include "sluice/upstream/h2_connection.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "sluice/upstream/group.h"
#include "sluice/upstream/h2_client.h"
#include "sluice/upstream/h2_pool.h"

namespace sluice::upstream {

using observe::Reason;

namespace {

http::H2Settings session_settings(const Http2Settings& settings) {
  http::H2Settings out;
  out.max_concurrent_streams = settings.max_concurrent_streams;
  out.field_bytes = settings.headers_bytes;
  out.headers_bytes = settings.headers_bytes;
  out.header_count = settings.header_count;
  out.refused_heads = 0;  // each is a 502 of one exchange: the others have done nothing
  return out;
}

}  // namespace

H2TargetConnection::H2TargetConnection(net::Loop& loop, GroupCells& cells, H2Pool& pool,
                                       std::unique_ptr<net::Stream> stream,
                                       std::shared_ptr<const net::ClientTlsContext> tls,
                                       ConnectionCount count, const Http2Settings& settings)
    : loop_(loop),
      cells_(cells),
      pool_(&pool),
      count_(std::move(count)),
      stream_(std::move(stream)),
      tls_(std::move(tls)),
      settings_(settings),
      link_(*stream_, http::H2Session::Role::client, session_settings(settings), *this,
            settings.write_timeout),
      opened_at_(base::Steady::now()),
      stream_limit_(settings.max_concurrent_streams),
      idle_deadline_(
          loop.deadlines, [](void* self) { static_cast<H2TargetConnection*>(self)->close(); },
          this),
      ping_deadline_(
          loop.deadlines, [](void* self) { static_cast<H2TargetConnection*>(self)->look_after(); },
          this) {
  cells_.connections.add(1);
  cells_.connections_opened.add();
}

H2TargetConnection::~H2TargetConnection() { stop_counting(); }

void H2TargetConnection::begin() {
  ping_deadline_.set(settings_.ping_interval);
  net::spawn(serve(shared_from_this()));
}

net::Task<> H2TargetConnection::serve(std::shared_ptr<H2TargetConnection> self) {
  (void)co_await self->link_.run({});
  self->has_ended_ = true;
  self->leave_pool();
  self->ping_deadline_.clear();
  self->stream_->close();
  self->stop_counting();
  H2TargetStream* const waiter = std::exchange(self->settings_waiter_, nullptr);
  if (waiter != nullptr) (void)waiter->cancel_reader();
}

// At the latest when the pool has it no more and nobody has a lease: the group, with its cells, may
// go then.
void H2TargetConnection::stop_counting() {
  end_idle();
  if (std::exchange(is_counted_, false)) cells_.connections.add(-1);
  count_.reset();
}

// --- leases

std::uint32_t H2TargetConnection::room() const {
  if (pool_ == nullptr || has_ended() || is_doubted_) return 0;
  if (!has_peer_settings_) return leases_ == 0 ? 1 : 0;
  const std::uint32_t may_open = link_.session().may_open();
  const std::uint32_t by_peer = may_open > unopened_ ? may_open - unopened_ : 0;
  const std::uint32_t most = settings_.max_concurrent_streams;
  return std::min(by_peer, most > leases_ ? most - leases_ : 0);
}

void H2TargetConnection::add_lease() {
  if (requests_ > 0) cells_.connections_reused.add();
  end_idle();
  ++requests_;
  ++leases_;
  ++unopened_;
  const std::uint64_t most = pool_ != nullptr ? pool_->max_requests() : 0;
  if (most != 0 && requests_ >= most) leave_pool();
}

void H2TargetConnection::remove_lease(bool was_opened) {
  --leases_;
  if (!was_opened) --unopened_;
  if (leases_ == 0 && pool_ == nullptr) stop_counting();
  if (has_ended()) return;
  if (leases_ > 0) {
    if (pool_ != nullptr) pool_->call_waiters();
    return;
  }
  // One that can open no stream any more, for its identifiers are used up, is of no use either.
  const bool is_used_up = has_peer_settings_ && link_.session().may_open() == 0;
  if (pool_ == nullptr || is_used_up) return close();
  become_idle();
  pool_->call_waiters();
  pool_->bound_idle();
}

void H2TargetConnection::become_idle() {
  if (std::exchange(is_idle_, true)) return;
  cells_.connections_idle.add(1);
  if (pool_ != nullptr) idle_deadline_.set(pool_->idle_timeout());
}

void H2TargetConnection::end_idle() {
  if (!std::exchange(is_idle_, false)) return;
  cells_.connections_idle.add(-1);
  idle_deadline_.clear();
}

// --- ending

void H2TargetConnection::leave_pool() {
  if (pool_ != nullptr) std::exchange(pool_, nullptr)->forget(*this);
}

void H2TargetConnection::retire() {
  leave_pool();
  if (leases_ == 0) close();
}

// In order: GOAWAY is the last that is sent. Reading ends in a turn of its own; nothing is counted
// from now on, for the group may go before that.
void H2TargetConnection::close() {
  if (std::exchange(is_closing_, true)) return;
  leave_pool();
  ping_deadline_.clear();
  stop_counting();
  link_.session().terminate(http::H2Error::no_error);
  link_.end(Reason::none);
}

void H2TargetConnection::end_now() {
  const std::shared_ptr<H2TargetConnection> self = shared_from_this();
  close();
  (void)stream_->cancel_reader();
  (void)stream_->cancel_writer();  // a peer that does not read has had its time
}

// --- what the peer says

void H2TargetConnection::on_peer_settings() {
  const bool is_first = !std::exchange(has_peer_settings_, true);
  const std::uint32_t streams = link_.session().may_open() + leases_ - unopened_;
  stream_limit_ = std::min(streams, settings_.max_concurrent_streams);
  if (settings_waiter_ != nullptr) std::exchange(settings_waiter_, nullptr)->settings_came();
  if (pool_ == nullptr) return;
  if (is_first) pool_->learn_limit(stream_limit_);
  pool_->call_waiters();
}

void H2TargetConnection::on_goaway(std::int32_t /*last_stream_id*/, std::uint32_t /*error_code*/) {
  retire();
}

// --- keepalive

std::uint64_t H2TargetConnection::activity() const {
  return link_.session().content_received() + answers_ + pongs_;
}

void H2TargetConnection::count_answer() {
  ++answers_;
  trust();
}

void H2TargetConnection::on_pong() {
  ++pongs_;
  is_pinging_ = false;
  trust();
}

void H2TargetConnection::ping() {
  is_pinging_ = true;
  link_.session().ping();
  link_.flush_soon();
}

// One that has never said a word, or may not be asked, is not worth the wait. Once in an interval:
// clients that give up are many, and servers close who asks too often (gRPC's ENHANCE_YOUR_CALM).
void H2TargetConnection::doubt() {
  constexpr std::chrono::seconds usual_interval{10};
  if (pool_ == nullptr || has_ended() || is_closing_) return;
  const bool may_ping = settings_.ping_interval.count() != 0;
  const base::SteadyTime now = loop_.clock.now();
  const base::SteadyTime next =
      doubted_at_ + (may_ping ? std::chrono::nanoseconds(settings_.ping_interval) : usual_interval);
  if (doubted_at_ != base::SteadyTime{} && now < next) return;
  doubted_at_ = now;
  if (!has_peer_settings_ || !may_ping) return retire();
  is_doubted_ = true;
  if (is_pinging_) return;
  activity_seen_ = activity();
  ping();
  ping_deadline_.set(settings_.ping_timeout);
}

void H2TargetConnection::trust() {
  if (std::exchange(is_doubted_, false) && pool_ != nullptr) pool_->call_waiters();
}

// A target that vanished without a word keeps its requests waiting for ever; one that still lives
// answers PING, whatever it is busy with.
void H2TargetConnection::look_after() {
  if (has_ended() || is_closing_) return;
  const bool is_silent = activity() == activity_seen_;
  activity_seen_ = activity();
  if (is_silent && is_pinging_) return link_.end(Reason::target_ping_timeout);
  is_pinging_ = false;
  if (is_doubted_ || (is_silent && leases_ > 0)) ping();
  ping_deadline_.set(is_pinging_ ? settings_.ping_timeout : settings_.ping_interval);
}

// --- H2Lease

H2Lease::H2Lease(std::shared_ptr<H2TargetConnection> connection)
    : connection_(std::move(connection)) {
  connection_->add_lease();
}

H2Lease::H2Lease(H2Lease&& other) noexcept
    : connection_(std::move(other.connection_)),
      opened_at_(other.opened_at_),
      received_then_(other.received_then_),
      was_opened_(other.was_opened_),
      closes_after_(other.closes_after_) {}

H2Lease& H2Lease::operator=(H2Lease&& other) noexcept {
  if (this == &other) return *this;
  release();
  connection_ = std::move(other.connection_);
  opened_at_ = other.opened_at_;
  received_then_ = other.received_then_;
  was_opened_ = other.was_opened_;
  closes_after_ = other.closes_after_;
  return *this;
}

void H2Lease::opened() {
  if (std::exchange(was_opened_, true)) return;
  --connection_->unopened_;
  opened_at_ = connection_->loop_.clock.now();
  received_then_ = connection_->link_.bytes_received();
}

// Long enough for a target that lives to have said something, whoever gave up waiting: clients that
// leave at once prove nothing, and must not make us open connections.
bool H2Lease::was_in_vain() const {
  constexpr std::chrono::milliseconds patience{100};
  return was_opened_ && connection_->link_.bytes_received() == received_then_ &&
         connection_->loop_.clock.now() - opened_at_ >= patience;
}

// The connection may be at work below us: what is the last to hold it lets go in another turn.
void H2Lease::release() {
  if (connection_ == nullptr) return;
  if (was_in_vain()) connection_->doubt();
  const std::shared_ptr<H2TargetConnection> connection = std::move(connection_);
  if (closes_after_ && connection->leases_ == 1) connection->leave_pool();
  connection->remove_lease(was_opened_);
  if (!connection->has_ended_) return;
  net::asio::post(connection->loop_.context, [connection] {});
}

}  // namespace sluice::upstream
