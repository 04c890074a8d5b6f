#include "proxy/target_connection.h"

#include <utility>

#include "sluice/observe/log.h"

namespace sluice::proxy {

using observe::Reason;

namespace {

Reason reason_of(net::DialError error) {
  switch (error) {
    case net::DialError::none: return Reason::none;
    case net::DialError::refused: return Reason::target_connect_refused;
    case net::DialError::failed: return Reason::target_connect_failed;
    case net::DialError::timeout: return Reason::target_connect_timeout;
    case net::DialError::descriptors_exhausted: return Reason::descriptors_exhausted;
    case net::DialError::tls_failed: return Reason::target_tls_failed;
    case net::DialError::tls_timeout: return Reason::target_tls_timeout;
  }
  return Reason::internal_error;
}

}  // namespace

bool take_kept(upstream::Pool& pool, Connected& connected) {
  if (pool.is_http2()) {
    connected.stream = pool.http2().take();
  } else {
    connected.connection = pool.take_idle();
  }
  connected.reused = connected.connection != nullptr || connected.stream.is_held();
  return connected.reused;
}

net::Task<Connected> connect(const Connecting& settings, upstream::Pool& pool,
                             net::Dialing& dialing) {
  Connected connected;
  connected.began = base::Steady::now();
  if (pool.is_http2()) {
    upstream::LeasedStream leased = co_await pool.http2().connect(
        settings.since, settings.connect_timeout, settings.handshake_timeout, dialing);
    connected.at_limit = leased.at_limit;
    connected.reason = reason_of(leased.error);
    connected.error_text = std::move(leased.error_text);
    connected.stream = std::move(leased.lease);
  } else {
    upstream::Leased leased = co_await pool.connect(
        settings.connect_timeout, settings.handshake_timeout, dialing, settings.proxy_header);
    connected.at_limit = leased.at_limit;
    connected.reason = reason_of(leased.error);
    connected.error_text = std::move(leased.error_text);
    connected.connection = std::move(leased.connection);
  }
  if (connected.connection == nullptr && !connected.stream.is_held()) co_return connected;
  connected.done = base::Steady::now();
  settings.group.cells().connect_time.record(connected.done - connected.began);
  co_return connected;
}

void begin_client(const config::Limits& limits, config::Milliseconds write_timeout,
                  Connected connected, upstream::ClientSlot& client, base::Bytes used_next) {
  if (connected.stream.is_held()) {
    return client.emplace<upstream::H2Client>(std::move(connected.stream), write_timeout);
  }
  const http::HeadLimits head_limits{.first_line_bytes = limits.response_headers_bytes,
                                     .field_bytes = limits.response_headers_bytes,
                                     .fields_bytes = limits.response_headers_bytes,
                                     .field_count = limits.header_count};
  const http::BodyLimits body_limits{.chunk_extension_bytes = limits.chunk_extension_bytes,
                                     .trailer_bytes = limits.trailer_bytes};
  client.emplace<upstream::H1Client>(std::move(connected.connection), head_limits, body_limits,
                                     write_timeout, used_next);
}

void report_connection_error(upstream::Group& group, const target::Target& target,
                             const Connected& connected) {
  const std::string_view reason = observe::text(connected.reason);
  group.count_connection_error(reason);
  if (!observe::log_enabled(observe::Level::debug)) return;
  observe::log(observe::Level::debug, std::string(reason) + ": " + group.settings().name + " " +
                                          target.id() + ": " +
                                          observe::escaped(connected.error_text));
}

void count_try(upstream::GroupCells& cells, upstream::TargetClient& client, std::uint16_t status) {
  cells.sent_bytes.add(client.sender().bytes_written());
  cells.received_bytes.add(client.head_bytes() + client.body().content_bytes());
  if (status >= 100 && status < 600) cells.answers_by_class[status / 100U - 1]->add();
}

}  // namespace sluice::proxy
