#include "proxy/record.h"

#include <chrono>
#include <string>

#include "proxy/amendments.h"
#include "proxy/filters/token_place.h"

namespace sluice::proxy {

namespace {

using Nanoseconds = std::chrono::nanoseconds;

constexpr Nanoseconds did_not_happen{-1};

bool happened(base::SteadyTime time) { return time != base::SteadyTime{}; }

Nanoseconds between(base::SteadyTime from, base::SteadyTime to) {
  return happened(from) && happened(to) ? Nanoseconds(to - from) : did_not_happen;
}

// The time an exchange spent in our hands while somebody waited: from the request's head to its
// dispatch less the connect and the wait for a verdict, and from the answer's head to its dispatch.
Nanoseconds added_latency(const Exchange& exchange) {
  const Nanoseconds before = between(exchange.head_complete_at, exchange.connect_began_at);
  const Nanoseconds sending = between(exchange.connected_at, exchange.request_sent_at);
  const Nanoseconds after = between(exchange.answer_head_at, exchange.answer_sent_at);
  const Amendments* const amendments = exchange.amendments.get();
  return before + sending + after -
         (amendments != nullptr ? amendments->asked_for : Nanoseconds(0));
}

void count(Exchange& exchange, base::SteadyTime now) {
  const ListenerView& listener = *exchange.listener;
  listener.cells.request_bytes.add(exchange.received_bytes);
  listener.cells.response_bytes.add(exchange.sent_bytes);
  if (exchange.reason != observe::Reason::none) exchange.worker().ends(exchange.reason).add();
  const http::DesyncReason desync = exchange.request.desync;
  if (desync != http::DesyncReason::none) exchange.worker().desync(desync).add();
  if (exchange.rule == nullptr) return;
  if (exchange.status >= 100 && exchange.status < 600) {
    exchange.rule_group->requests_by_class[exchange.status / 100U - 1]->add();
  }
  exchange.rule_group->duration->record(now - exchange.head_complete_at);
  if (happened(exchange.answer_sent_at))
    listener.cells.added_latency.record(added_latency(exchange));
}

// The rule wants a line of it.
bool is_logged(const Exchange& exchange) {
  if (exchange.rule == nullptr) return true;
  switch (exchange.rule->rule->logged) {
    case config::LoggedExchanges::all: return true;
    case config::LoggedExchanges::errors:
      return exchange.reason != observe::Reason::none || exchange.status >= 500;
    case config::LoggedExchanges::none: break;
  }
  return false;
}

std::string_view protocol_of(const http::RequestHead& request) {
  if (request.http2) return "HTTP/2.0";
  return request.minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1";
}

// The target without the token that its query may have; empty: as it arrived.
std::string token_hidden(const Exchange& exchange) {
  const route::Jwt* jwt =
      exchange.rule != nullptr ? exchange.rule->rule->filters.jwt.get() : nullptr;
  if (jwt == nullptr || jwt->place != route::TokenPlace::query) return {};
  return target_without_token(exchange.request.target, *jwt);
}

}  // namespace

void record(Exchange& exchange) {
  // A small answer ended with the write that began it: that time was read.
  const bool ended_at_once =
      exchange.reason == observe::Reason::none && exchange.answer_in_one_write;
  const base::SteadyTime now = ended_at_once ? exchange.answer_sent_at : base::Steady::now();
  exchange.received_bytes += exchange.request_head_bytes;
  if (exchange.body_begun) exchange.received_bytes += exchange.request_body().content_bytes();
  exchange.sent_bytes += exchange.client_side->sender().bytes_written();
  count(exchange, now);
  if (!is_logged(exchange)) return;

  const Connection& connection = *exchange.connection;
  const http::RequestHead& request = exchange.request;
  observe::AccessRecord line;
  line.time = exchange.wall;
  line.client_address = exchange.client_text.empty() ? std::string_view(connection.client_address())
                                                     : std::string_view(exchange.client_text);
  line.client_port = connection.client().port();
  line.listener = exchange.listener->settings->name;
  line.scheme = exchange.scheme();
  line.method = request.method_text;
  line.host = request.host;
  line.target = request.target;
  const std::string hidden = token_hidden(exchange);
  if (!hidden.empty()) line.target = hidden;
  if (!request.method_text.empty()) line.protocol = protocol_of(request);
  line.status = exchange.status;
  line.request_bytes = exchange.received_bytes;
  line.response_bytes = exchange.sent_bytes;
  if (exchange.rule != nullptr) line.rule = exchange.rule->rule->name;
  if (exchange.group != nullptr) line.target_group = exchange.group->settings().name;
  if (exchange.pool != nullptr) line.target_address = exchange.pool->target().id();
  line.target_status = exchange.target_status;
  line.tries = exchange.tries;
  line.target_connection_reused = exchange.reused_connection;
  line.reason = exchange.reason;
  if (request.desync != http::DesyncReason::none) {
    line.classification = http::text(http::tier_of(request.desync));
    line.classification_reason = http::text(request.desync);
  }
  line.request_id = exchange.request_id;
  if (exchange.amendments != nullptr) line.user = exchange.amendments->user;
  line.user_agent = request.fields.value(http::FieldName::user_agent);
  line.referer = request.fields.value(http::FieldName::referer);
  const net::Stream& stream = exchange.connection->stream();
  line.tls_protocol = stream.tls_version();
  line.tls_cipher = stream.tls_cipher();
  line.sni = connection.sni();
  line.proxy = connection.told_by_proxy();
  line.header_time = between(exchange.first_byte_at, exchange.head_complete_at);
  line.connect_time = exchange.reused_connection
                          ? Nanoseconds(0)
                          : between(exchange.connect_began_at, exchange.connected_at);
  line.response_time = between(exchange.request_sent_at, exchange.answer_head_at);
  line.total_time = now - exchange.head_complete_at;
  exchange.worker().access_log().append(line);
}

}  // namespace sluice::proxy
