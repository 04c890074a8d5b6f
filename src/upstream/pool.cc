#include "sluice/upstream/pool.h"

#include <algorithm>
#include <utility>

#include "sluice/net/transfer.h"
#include "sluice/upstream/group.h"

namespace sluice::upstream {

namespace {

constexpr std::string_view http2_protocol = "h2";  // in ALPN

// `host` of "host:port" and "[v6]:port": what TLS verifies when the settings name nobody.
std::string host_of(const std::string& id) {
  std::string host = id.substr(0, id.rfind(':'));
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  return host;
}

}  // namespace

// One that is counted beyond the limit is taken back at once: two workers may both see the last
// place free, but never keep more connections than there are places.
ConnectionCount::ConnectionCount(std::shared_ptr<target::Target> target, std::uint32_t max)
    : target_(std::move(target)) {
  const std::int32_t before = target_->connections.fetch_add(1, std::memory_order_relaxed);
  if (max == 0 || before < static_cast<std::int64_t>(max)) return;
  target_->connections.fetch_sub(1, std::memory_order_relaxed);
  target_.reset();
}

ConnectionCount::~ConnectionCount() {
  if (target_ != nullptr) target_->connections.fetch_sub(1, std::memory_order_relaxed);
}

Connection::Connection(net::Loop& loop, GroupCells& cells, std::unique_ptr<net::Stream> stream,
                       std::shared_ptr<const net::ClientTlsContext> tls, ConnectionCount count,
                       bool is_of_one_client)
    : cells_(cells),
      count_(std::move(count)),
      stream_(std::move(stream)),
      tls_(std::move(tls)),
      is_of_one_client_(is_of_one_client),
      idle_deadline_(
          loop.deadlines,
          [](void* context) {
            auto& self = *static_cast<Connection*>(context);
            self.pool_->discard(self);
          },
          this) {
  cells_.connections.add(1);
  cells_.connections_opened.add();
}

Connection::~Connection() { cells_.connections.add(-1); }

Pool::Pool(net::Loop& loop, GroupCells& cells, std::shared_ptr<target::Target> target)
    : loop_(loop), cells_(cells), target_(std::move(target)), http2_(loop, cells, *this) {}

Pool::~Pool() { close_idle(); }

void Pool::apply(const config::TargetPool& settings, std::uint32_t max_connections,
                 std::shared_ptr<const net::ClientTlsContext> tls,
                 config::ProxyHeaderVersion proxy_protocol, const Http2Settings& http2) {
  settings_ = settings;
  max_connections_ = max_connections;
  if (tls_ != tls || proxy_protocol_ != proxy_protocol || http2.is_enabled != is_http2()) {
    close_idle();
  }
  if (tls_ != tls) {
    tls_sessions_.clear();  // what one context verified proves nothing to another
    http2_.retire_all();
  }
  http2_.apply(http2);
  tls_ = std::move(tls);
  proxy_protocol_ = proxy_protocol;
  while (idle_.size() > settings_.max_idle) discard(*idle_.front());  // idle for longest
}

std::unique_ptr<Connection> Pool::take_idle() {
  while (!idle_.empty()) {
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    cells_.connections_idle.add(-1);
    connection->pool_ = nullptr;
    connection->idle_deadline_.clear();
    connection->stream().unwatch_reader();
    if (connection->stream().hung_up()) continue;  // closed in this very turn of the loop
    cells_.connections_reused.add();
    return connection;
  }
  return nullptr;
}

bool Pool::has_room() const {
  if (max_connections_ == 0 || !idle_.empty()) return true;
  if (is_http2() && http2_.has_room()) return true;
  return target_->connections.load(std::memory_order_relaxed) <
         static_cast<std::int64_t>(max_connections_);
}

net::Task<net::Dialed> Pool::open(std::chrono::milliseconds connect_timeout,
                                  std::chrono::milliseconds handshake_timeout,
                                  net::Dialing& dialing, std::string proxy_header) {
  const std::shared_ptr<const net::ClientTlsContext> tls = tls_;
  const bool is_http2_wanted = is_http2();
  net::Dialed dialed = co_await net::dial(loop_, target_->endpoint(), connect_timeout, &dialing);
  if (dialed.stream == nullptr) co_return dialed;
  if (!proxy_header.empty()) {
    // A few bytes on a fresh connection: the kernel takes them, or it is broken.
    net::Writer writer(*dialed.stream, connect_timeout);
    const net::Transfer sent = writer.start({base::as_bytes(proxy_header)});
    if (sent != net::Transfer::ok || writer.is_unfinished()) {
      dialed = {nullptr, net::DialError::failed,
                "broke off before the header of the PROXY protocol was sent"};
      co_return dialed;
    }
  }
  if (tls == nullptr) co_return dialed;
  std::vector<std::string> protocols;
  if (is_http2_wanted) protocols.emplace_back(http2_protocol);
  net::SslPointer session = tls->new_session(host_of(target_->id()), protocols);
  // Settings that changed while we dialled do not share tickets with those of this connection.
  if (session != nullptr && tls == tls_) tls_sessions_.use(*session);
  dialed.stream->use_tls(std::move(session));
  dialing.waits_on(dialed.stream.get());
  net::HandshakeResult result = co_await net::handshake(*dialed.stream, handshake_timeout);
  dialing.waits_on(nullptr);
  if (result.error == net::DialError::none && is_http2_wanted &&
      dialed.stream->tls_alpn() != http2_protocol) {
    result = {net::DialError::tls_failed, "the target does not choose h2 in ALPN"};
  }
  if (result.error != net::DialError::none) {
    dialed = {nullptr, result.error, std::move(result.error_text)};
    co_return dialed;
  }
  (dialed.stream->tls_resumed() ? cells_.tls_resumed : cells_.tls_full).add();
  co_return dialed;
}

net::Task<Leased> Pool::connect(std::chrono::milliseconds connect_timeout,
                                std::chrono::milliseconds handshake_timeout, net::Dialing& dialing,
                                std::string proxy_header) {
  Leased leased;
  ConnectionCount count = count_connection();
  leased.at_limit = !count.is_counted();
  if (leased.at_limit) co_return leased;
  const std::shared_ptr<const net::ClientTlsContext> tls = tls_;
  const bool has_header = !proxy_header.empty();
  net::Dialed dialed =
      co_await open(connect_timeout, handshake_timeout, dialing, std::move(proxy_header));
  leased.error = dialed.error;
  leased.error_text = std::move(dialed.error_text);
  if (dialed.stream == nullptr) co_return leased;
  leased.connection = std::make_unique<Connection>(loop_, cells_, std::move(dialed.stream), tls,
                                                   std::move(count), has_header);
  co_return leased;
}

void Pool::give_back(std::unique_ptr<Connection> connection) {
  ++connection->exchanges_;
  const bool used_up =
      settings_.max_requests != 0 && connection->exchanges_ >= settings_.max_requests;
  net::Stream& stream = connection->stream();
  const bool sound = stream.is_open() && !stream.hung_up() && !stream.has_pending_output();
  if (retired_ || is_http2() || used_up || !sound || connection->tls_ != tls_ ||
      connection->is_of_one_client_ || proxy_protocol_ != config::ProxyHeaderVersion::off ||
      idle_.size() >= settings_.max_idle) {
    return;  // closes it
  }
  connection->pool_ = this;
  connection->idle_deadline_.set(settings_.idle_timeout);
  stream.watch_reader([idle = connection.get()](net::Wake) { idle->pool_->discard(*idle); });
  idle_.push_back(std::move(connection));
  cells_.connections_idle.add(1);
}

void Pool::discard(Connection& connection) {
  const auto place = std::find_if(idle_.begin(), idle_.end(), [&connection](const auto& candidate) {
    return candidate.get() == &connection;
  });
  if (place == idle_.end()) return;
  const std::unique_ptr<Connection> gone = std::move(*place);
  idle_.erase(place);
  cells_.connections_idle.add(-1);
  gone->stream().unwatch_reader();
}

void Pool::close_idle() {
  http2_.close_idle();
  for (const std::unique_ptr<Connection>& connection : idle_) {
    connection->stream().unwatch_reader();
    cells_.connections_idle.add(-1);
  }
  idle_.clear();
}

bool Pool::close_oldest_idle() {
  const std::int32_t open = target_->connections.load(std::memory_order_relaxed);
  const bool is_full = max_connections_ != 0 && open >= static_cast<std::int64_t>(max_connections_);
  if (is_full && http2_.close_oldest_idle()) return true;
  if (!is_full || idle_.empty()) return false;
  discard(*idle_.front());
  return true;
}

void Pool::retire() {
  retired_ = true;
  close_idle();
  tls_sessions_.clear();
  http2_.retire_all();
}

}  // namespace sluice::upstream
