#include "proxy/hedge.h"

#include <cstring>
#include <utility>

#include "proxy/choose_target.h"
#include "proxy/interrupt.h"
#include "proxy/request_pump.h"
#include "proxy/retry.h"
#include "proxy/target_try.h"
#include "sluice/target/latency.h"

namespace sluice::proxy {

using net::Transfer;
using observe::Reason;

namespace {

// Not where there is a session: another target does not know it.
bool may_hedge(const Exchange& exchange, const StickySession& session) {
  const config::Retry& retry = exchange.retry();
  if (!session.target_id.empty() || session.hash.has_value()) return false;
  return retry.hedge_delay > config::Milliseconds::zero() && retry.attempts > 0 &&
         exchange.hedge == nullptr && exchange.upgrade == Upgrade::none &&
         exchange.request.method == http::Method::get &&
         exchange.request.framing == http::Framing::none;
}

bool is_over(const Hedge& hedge) { return hedge.is_stopped || hedge.has_expired; }

void end_waiting(Hedge& hedge) {
  if (hedge.dialing.cancel() || !hedge.target.has_value()) return;
  if (!hedge.target->sender().cancel()) (void)hedge.target->cancel_reader();
}

net::Task<Reason> connect_hedge(Exchange& exchange, Hedge& hedge) {
  upstream::Pool& pool = *hedge.reservation.pool();
  Connected connected;
  if (!take_kept(pool, connected)) {
    const Connecting settings = connecting(exchange, pool, {});
    connected = co_await connect(settings, pool, hedge.dialing);
  }
  if (connected.at_limit) co_return Reason::target_queue_full;
  if (connected.reason != Reason::none) {
    if (!is_over(hedge)) report_connection_error(*exchange.group, pool.target(), connected);
    co_return connected.reason;
  }
  hedge.reused_connection = connected.reused;
  hedge.connect_began_at = connected.reused ? base::Steady::now() : connected.began;
  hedge.connected_at = connected.reused ? hedge.connect_began_at : connected.done;
  begin_client(exchange, std::move(connected), hedge.target);
  co_return Reason::none;
}

// The head that the first try has sent, as it is: the fields that differ between targets (Host,
// where the configuration says so) name the first one, as they do in a replayed answer of a cache.
net::Task<Reason> ask(Exchange& exchange, Hedge& hedge) {
  ++exchange.tries;
  upstream::Sender& sender = hedge.target->sender();
  sender.set_head(hedge.head.unread(), false);
  sender.add({}, true, {});
  Transfer sent = sender.start();
  if (sender.is_unfinished()) sent = co_await sender.finish();
  hedge.request_sent_at = base::Steady::now();
  if (sent != Transfer::ok) co_return Reason::target_closed_early;
  hedge.target->set_head_deadline(exchange.timeouts.response_header);
  for (std::uint32_t informational = 0; !is_over(hedge); ++informational) {
    const Reason reason = co_await hedge.target->read_head(hedge.answer, http::Method::get);
    if (reason != Reason::none) co_return reason;
    if (hedge.answer.status >= 200) break;
    if (informational >= exchange.model().limits.informational_responses) {
      co_return Reason::target_too_many_informational;
    }
    hedge.target->skip_head();
  }
  hedge.target->clear_head_deadline();
  hedge.answer_head_at = base::Steady::now();
  co_return Reason::none;
}

void report(Exchange& exchange, const Hedge& hedge, Reason reason) {
  const std::optional<target::Outcome> outcome =
      outcome_of(exchange, hedge.target, reason, hedge.answer.status);
  if (!outcome.has_value()) return;
  exchange.group->state().report(hedge.reservation.pool()->target(), *outcome, false,
                                 exchange.worker().loop().clock.now());
}

// It has no answer that counts. A failure of its own speaks against its target.
void lose(Exchange& exchange, Hedge& hedge, Reason reason) {
  if (!hedge.is_stopped && reason != Reason::none) report(exchange, hedge, reason);
  if (hedge.target.has_value()) count_try(exchange, *hedge.target, 0);
  hedge.target.reset();
  hedge.reservation.release();
}

net::Task<> run_hedge(Exchange& exchange) {
  Hedge& hedge = *exchange.hedge;
  Reason reason = co_await connect_hedge(exchange, hedge);
  if (reason == Reason::none && !is_over(hedge)) reason = co_await ask(exchange, hedge);
  if (hedge.has_expired) reason = Reason::target_try_timeout;
  hedge.try_deadline.clear();
  hedge.is_running = false;
  hedge.has_won = reason == Reason::none && !hedge.is_stopped;
  if (!hedge.has_won) lose(exchange, hedge, reason);
  if (hedge.ended.armed()) {
    hedge.ended.fire(net::Wake::ready);
  } else if (hedge.has_won) {
    (void)interrupt(exchange);
  }
}

void start_hedge(void* context) {
  auto& exchange = *static_cast<Exchange*>(context);
  Hedge& hedge = *exchange.hedge;
  // Who waits for room came first.
  if (exchange.informational_sent || exchange.group->waiting_room().is_anybody_waiting()) return;
  // Only while the first target has the word; until then its connection has the time.
  if (!exchange.target.has_value()) {
    return hedge.start_at.set(exchange.retry().hedge_delay);
  }
  upstream::RetryBudget& budget = exchange.group->retry_budget();
  if (!budget.take_retry()) {
    exchange.group->cells().budget_exhausted.add();
    return;
  }
  upstream::Picked picked = pick_another(exchange);
  if (picked.end != upstream::Picked::End::chosen) return budget.give_back();
  hedge.reservation = std::move(picked.reservation);
  note_tried(exchange, hedge.reservation.pool()->target());
  const base::Bytes head = exchange.head_buffer.unread();
  hedge.head = exchange.worker().loop().buffers.borrow(head.size());
  std::memcpy(hedge.head.free_space().data(), head.data(), head.size());
  hedge.head.commit(head.size());
  hedge.was_started = hedge.is_running = true;
  hedge.try_deadline.set(exchange.timeouts.per_try);
  net::spawn(run_hedge(exchange));
}

void try_passed(void* context) {
  Hedge& hedge = *static_cast<Exchange*>(context)->hedge;
  hedge.has_expired = true;
  end_waiting(hedge);
}

// The hedge's connection and answer become the exchange's. `reason`: how the first try ended.
void adopt(Exchange& exchange, Hedge& hedge, Reason reason) {
  report_try(exchange, reason);
  if (reason == Reason::hedge_lost) {  // it has taken so long already
    const base::SteadyTime now = base::Steady::now();
    target::record_latency(exchange.pool->target(), now - exchange.request_sent_at, now);
  }
  if (exchange.target.has_value()) count_try(exchange, *exchange.target, 0);
  exchange.target = std::move(hedge.target);
  exchange.answer.clear();
  std::swap(exchange.answer, hedge.answer);
  exchange.reservation = std::move(hedge.reservation);
  exchange.pool = exchange.reservation.pool();
  exchange.deregistered = false;
  exchange.reused_connection = hedge.reused_connection;
  exchange.connect_began_at = hedge.connect_began_at;
  exchange.connected_at = hedge.connected_at;
  exchange.request_sent_at = hedge.request_sent_at;
  exchange.answer_head_at = hedge.answer_head_at;
  exchange.target_status = exchange.answer.status;
  exchange.request_sent_whole = true;
  exchange.group->cells().response_time.record(hedge.answer_head_at - hedge.request_sent_at);
}

}  // namespace

Hedge::Hedge(Exchange& exchange)
    : start_at(exchange.worker().loop().deadlines, start_hedge, &exchange),
      try_deadline(exchange.worker().loop().deadlines, try_passed, &exchange) {}

void begin_hedge(Exchange& exchange, const StickySession& session) {
  if (!may_hedge(exchange, session)) return;
  exchange.hedge = std::make_unique<Hedge>(exchange);
  exchange.hedge->start_at.set(exchange.retry().hedge_delay);
}

void stop_hedge(Hedge& hedge) {
  hedge.is_stopped = true;
  if (hedge.is_running) end_waiting(hedge);
}

net::Task<bool> end_hedge(Exchange& exchange, Reason reason) {
  if (exchange.hedge == nullptr) co_return false;
  Hedge& hedge = *exchange.hedge;
  hedge.start_at.clear();
  const bool is_wanted = reason != Reason::none && end_of_all_tries(exchange) == Reason::none;
  if (!is_wanted) stop_hedge(hedge);
  if (hedge.is_running) {
    if (is_wanted) watch_client(exchange);
    if (exchange.client_left) stop_hedge(hedge);
    if (hedge.is_running) (void)co_await hedge.ended.wait();
    if (is_wanted) unwatch_client(exchange);
  }
  const bool has_answer = hedge.has_won && is_wanted && end_of_all_tries(exchange) == Reason::none;
  if (hedge.was_started) {
    (has_answer ? exchange.group->cells().hedges_won : exchange.group->cells().hedges_lost).add();
  }
  if (has_answer) {
    adopt(exchange, hedge, reason);
  } else if (hedge.target.has_value()) {
    report(exchange, hedge, Reason::none);
    count_try(exchange, *hedge.target, hedge.answer.status);
  }
  exchange.hedge.reset();
  co_return has_answer;
}

}  // namespace sluice::proxy
