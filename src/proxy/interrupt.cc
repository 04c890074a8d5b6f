#include "proxy/interrupt.h"

#include "proxy/amendments.h"
#include "proxy/grpc.h"
#include "proxy/hedge.h"
#include "proxy/side_request.h"

namespace sluice::proxy {

using observe::Reason;

bool interrupt(Exchange& exchange) {
  if (exchange.amendments != nullptr && exchange.amendments->asked != nullptr) {
    exchange.amendments->asked->cancel();
    return true;
  }
  if (exchange.amendments != nullptr && exchange.amendments->awaited != nullptr) {
    exchange.amendments->awaited->fire(net::Wake::closed);
    return true;
  }
  if (exchange.place != nullptr) {
    exchange.place->give_up();
    return true;
  }
  if (exchange.hedge != nullptr && exchange.hedge->ended.armed()) {
    stop_hedge(*exchange.hedge);
    return true;
  }
  if (exchange.dialing.cancel()) return true;
  if (!exchange.target.has_value()) return false;
  upstream::TargetClient& target = *exchange.target;
  // The pump alone waits to write while it runs; it ends with the exchange.
  if (exchange.pump != Exchange::Pump::running && target.sender().cancel()) return true;
  return target.cancel_reader();
}

Reason end_of_all_tries(const Exchange& exchange) {
  if (exchange.worker().is_cutting()) return Reason::shutdown_deadline;
  if (exchange.total_expired) return Reason::total_timeout;
  if (exchange.client_left) return Reason::client_closed;
  // That a target takes no more bytes is between it and us.
  const bool is_targets = exchange.pump_failure == Reason::target_response_timeout;
  return is_targets ? Reason::none : exchange.pump_failure;
}

Reason interruption(const Exchange& exchange) {
  const Reason reason = end_of_all_tries(exchange);
  if (reason != Reason::none) return reason;
  if (exchange.deregistered) return Reason::target_deregistered;
  if (exchange.hedge != nullptr && exchange.hedge->has_won) return Reason::hedge_lost;
  // A target that has answered need not take the rest: then the answer decides.
  if (exchange.target_status == 0 && exchange.pump_failure != Reason::none) {
    return exchange.pump_failure;
  }
  return exchange.try_expired ? Reason::target_try_timeout : Reason::none;
}

namespace {

bool is_of(const std::shared_ptr<upstream::Pool>& pool, const target::Target& target) {
  return pool != nullptr && &pool->target() == &target;
}

}  // namespace

// By the target: one that left, came back and leaves again has exchanges on each of its pools.
void deregister(Exchange& exchange, const upstream::Pool& pool) {
  const target::Target& target = pool.target();
  const Hedge* hedge = exchange.hedge.get();
  if (hedge != nullptr && hedge->is_running && is_of(hedge->reservation.pool(), target)) {
    return stop_hedge(*exchange.hedge);
  }
  // Of a try that is over nothing is left there, also while its hedge is awaited.
  const bool is_over = hedge != nullptr && hedge->ended.armed();
  if (is_over || !is_of(exchange.pool, target)) return;
  exchange.deregistered = true;
  if (interrupt(exchange)) return;
  (void)exchange.client_side->sender().cancel();
}

namespace {

void total_passed(void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  exchange.total_expired = true;
  if (interrupt(exchange)) return;
  (void)exchange.client_side->sender().cancel();
}

void try_passed(void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  exchange.try_expired = true;
  (void)interrupt(exchange);
}

}  // namespace

void begin_total_deadline(Exchange& exchange) {
  config::Milliseconds total = exchange.timeouts.total;
  if (is_grpc(exchange.request)) {
    const std::optional<config::Milliseconds> asked = grpc_timeout(exchange.request);
    if (asked.has_value() && (total <= config::Milliseconds::zero() || *asked < total)) {
      total = *asked;
    }
  }
  if (total <= config::Milliseconds::zero()) return;
  exchange.total_deadline.emplace(exchange.worker().loop().deadlines, total_passed, &exchange);
  exchange.total_deadline->set(total);
}

void begin_try_deadline(Exchange& exchange) {
  exchange.try_expired = false;
  const config::Milliseconds per_try = exchange.timeouts.per_try;
  if (per_try <= config::Milliseconds::zero()) return;
  exchange.try_deadline.emplace(exchange.worker().loop().deadlines, try_passed, &exchange);
  exchange.try_deadline->set(per_try);
}

void end_try_deadline(Exchange& exchange) {
  exchange.try_deadline.reset();
  exchange.try_expired = false;
}

}  // namespace sluice::proxy
