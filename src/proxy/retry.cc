#include "proxy/retry.h"

#include <algorithm>

#include "proxy/hedge.h"
#include "proxy/interrupt.h"
#include "proxy/replay.h"
#include "sluice/target/latency.h"

namespace sluice::proxy {

using observe::Reason;

namespace {

// The handshake of a WebSocket is a GET, also where HTTP/2 calls it CONNECT (RFC 8441 5).
bool is_idempotent(const Exchange& exchange) {
  return exchange.upgrade == Upgrade::websocket || http::is_idempotent(exchange.request.method);
}

}  // namespace

bool was_dead(const upstream::ClientSlot& client, Reason reason) {
  return reason == Reason::target_closed_early && client.has_value() &&
         client->connection_was_used() && client->received_nothing();
}

bool was_turned_away(const upstream::ClientSlot& client, Reason reason) {
  return reason == Reason::target_closed_early && client.has_value() && client->was_unprocessed();
}

Failure failure_of(bool was_sent, Reason reason) {
  switch (reason) {
    case Reason::target_connect_refused:
    case Reason::target_connect_failed:
    case Reason::target_connect_timeout:
    case Reason::target_tls_failed:
    case Reason::target_tls_timeout: return Failure::connect;
    case Reason::target_closed_early: return Failure::reset;
    case Reason::target_try_timeout: return was_sent ? Failure::timeout : Failure::connect;
    case Reason::target_ping_timeout:
    case Reason::target_response_timeout: return Failure::timeout;
    case Reason::target_response_malformed:
    case Reason::target_upgrade_invalid:
    case Reason::target_websocket_not_offered: return Failure::malformed;
    default: return Failure::none;
  }
}

bool is_retried(const config::Retry& retry, Failure failure) {
  switch (failure) {
    case Failure::none: return false;
    case Failure::connect: return retry.connect_failure;
    case Failure::reset: return retry.reset;
    case Failure::timeout: return retry.timeout;
    case Failure::malformed: return retry.malformed;
  }
  return false;
}

std::optional<target::Outcome> outcome_of(const upstream::ClientSlot& client, Reason reason,
                                          std::uint16_t status) {
  if (reason == Reason::none) {
    return status >= 500 ? target::Outcome::server_error : target::Outcome::success;
  }
  if (was_dead(client, reason) || was_turned_away(client, reason)) return std::nullopt;
  // Of what it does it may do well.
  if (reason == Reason::target_websocket_not_offered) return std::nullopt;
  switch (failure_of(client.has_value(), reason)) {
    case Failure::none: break;
    case Failure::connect:
    case Failure::reset: return target::Outcome::failure;
    // The request may be at fault: one alone proves nothing.
    case Failure::timeout:
    case Failure::malformed: return target::Outcome::timeout;
  }
  return std::nullopt;
}

std::optional<target::Outcome> outcome_of(const Exchange& exchange,
                                          const upstream::ClientSlot& client, Reason reason,
                                          std::uint16_t status) {
  if (reason != Reason::none && end_of_all_tries(exchange) != Reason::none) return std::nullopt;
  return outcome_of(client, reason, status);
}

void report_try(Exchange& exchange, Reason reason) {
  target::Target& target = exchange.pool->target();
  const std::optional<target::Outcome> outcome =
      outcome_of(exchange, exchange.target, reason, exchange.answer.status);
  if (outcome.has_value()) {
    const base::SteadyTime now = exchange.worker().loop().clock.now();
    exchange.group->state().report(target, *outcome, exchange.is_probe, now);
    // An error that comes fast must not make its target look good.
    if (outcome == target::Outcome::success) {
      target::record_latency(target, exchange.answer_head_at - exchange.request_sent_at, now);
    }
  } else if (exchange.is_probe) {
    target::GroupState::give_up_probe(target);
  }
  exchange.is_probe = false;
}

bool died_of_old_age(const Exchange& exchange, Reason reason) {
  const bool hedge_has_won = exchange.hedge != nullptr && exchange.hedge->has_won;
  const bool may_repeat = (was_dead(exchange.target, reason) && is_idempotent(exchange)) ||
                          was_turned_away(exchange.target, reason);
  return may_repeat && !hedge_has_won && !exchange.client_left && !exchange.informational_sent &&
         can_rewind(exchange);
}

bool may_try_again(const Exchange& exchange, Reason reason) {
  const config::Retry& retry = exchange.retry();
  if (exchange.tried_count > retry.attempts || exchange.tried_count >= Exchange::tries_max) {
    return false;
  }
  if (end_of_all_tries(exchange) != Reason::none) return false;
  if (exchange.answer_begun || exchange.informational_sent) return false;
  const Failure failure = failure_of(exchange.target.has_value(), reason);
  const bool by_status =
      reason == Reason::none &&
      std::ranges::find(retry.statuses, exchange.answer.status) != retry.statuses.end();
  if (!by_status && !is_retried(retry, failure)) return false;
  if (failure == Failure::connect || was_turned_away(exchange.target, reason)) {
    return can_rewind(exchange);
  }
  return is_idempotent(exchange) && can_rewind(exchange);
}

bool may_probe(const Exchange& exchange) {
  const config::Retry& retry = exchange.retry();
  return retry.attempts > exchange.tried_count && retry.reset && retry.timeout &&
         is_idempotent(exchange) && exchange.request.framing == http::Framing::none;
}

}  // namespace sluice::proxy
