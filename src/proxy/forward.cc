#include "proxy/forward.h"

#include "proxy/choose_target.h"
#include "proxy/filters/error_pages.h"
#include "proxy/hedge.h"
#include "proxy/interrupt.h"
#include "proxy/relay_answer.h"
#include "proxy/replay.h"
#include "proxy/reply.h"
#include "proxy/request_pump.h"
#include "proxy/retry.h"
#include "proxy/target_try.h"
#include "proxy/tunnel.h"
#include "proxy/upgrade.h"

namespace sluice::proxy {

namespace {

using observe::Reason;

// Of one try, at connections that end behind a GOAWAY each; one is enough for other causes.
constexpr int afresh_max = 8;

// The first costs nothing: a connection that ends in order loses no request. More of them are load
// that the target did not ask for, and come out of the group's budget.
bool may_go_afresh(Exchange& exchange, int before) {
  upstream::Group& group = *exchange.group;
  if (before == 0 || group.retry_budget().take_retry()) return true;
  group.cells().budget_exhausted.add();
  return false;
}

// A kept connection had died of old age: once more, on a new one.
net::Task<Reason> try_afresh(Exchange& exchange, Reason reason) {
  exchange.group->count_retry(observe::text(reason));
  co_await abandon_try(exchange);
  rewind_request(exchange);
  const Reason again = co_await try_target(exchange, true);
  co_return again;
}

// The hedge beside the try has answered, or the try's own end stands.
net::Task<Reason> settle_hedge(Exchange& exchange, Reason reason) {
  const bool hedge_answered = co_await end_hedge(exchange, reason);
  if (hedge_answered || reason == Reason::none) co_return Reason::none;
  // The wait for the hedge may have ended with the exchange.
  const Reason ended = end_of_all_tries(exchange);
  co_return ended != Reason::none ? ended : reason;
}

// The next target after a try that failed, or was answered with a status that is tried again
// (`reason` is none). Such an answer is passed on when no other target takes the request at once; a
// failed try is given up first, for its target has other work. False: the try was the last.
net::Task<bool> go_elsewhere(Exchange& exchange, const StickySession& session, Reason reason) {
  upstream::Group& group = *exchange.group;
  if (!group.retry_budget().take_retry()) {
    group.cells().budget_exhausted.add();
    co_return false;
  }
  const bool has_failed = reason != Reason::none;
  if (has_failed) {
    co_await abandon_try(exchange);
    exchange.reservation.release();
  }
  Reason next = choose_at_once(exchange, session);
  if (has_failed && next == Reason::target_queue_full) {
    next = co_await wait_for_target(exchange, session);
  }
  if (next != Reason::none) {
    group.retry_budget().give_back();
    co_return false;
  }
  group.count_retry(has_failed ? observe::text(reason) : "status");
  co_await abandon_try(exchange);
  rewind_request(exchange);
  co_return true;
}

// Another worker was quicker to open the last connection that the target may have: back to the
// queue, as if it had not been chosen.
net::Task<Reason> choose_again(Exchange& exchange, const StickySession& session) {
  report_try(exchange, Reason::target_queue_full);  // frees a probe; says nothing else
  forget_tried(exchange, exchange.pool->target());
  exchange.reservation.release();
  Reason reason = choose_at_once(exchange, session);
  if (reason == Reason::target_queue_full) reason = co_await wait_for_target(exchange, session);
  co_return reason;
}

// Tries targets until one answers, nothing may be tried any more, or the exchange has to end.
net::Task<Reason> obtain_answer(Exchange& exchange, const StickySession& session) {
  exchange.group->retry_budget().add_request();
  Reason reason = choose_at_once(exchange, session);
  if (reason == Reason::target_queue_full) reason = co_await wait_for_target(exchange, session);
  while (reason == Reason::none) {
    begin_hedge(exchange, session);
    reason = co_await try_target(exchange, false);
    bool was_unprocessed = false;
    for (int afresh = 0; afresh < afresh_max && died_of_old_age(exchange, reason); ++afresh) {
      if (!may_go_afresh(exchange, afresh)) break;
      was_unprocessed = exchange.target->was_unprocessed();
      reason = co_await try_afresh(exchange, reason);
      if (!was_unprocessed) break;
    }
    if (exchange.hedge != nullptr) reason = co_await settle_hedge(exchange, reason);
    if (reason == Reason::target_queue_full) {
      // It sheds load, and may have no more connections: asking it again would never end.
      if (was_unprocessed) {
        report_try(exchange, reason);
        co_return reason;
      }
      reason = co_await choose_again(exchange, session);
      continue;
    }
    report_try(exchange, reason);
    if (!may_try_again(exchange, reason)) co_return reason;
    const bool moved = co_await go_elsewhere(exchange, session, reason);
    if (!moved) {
      const Reason ended = end_of_all_tries(exchange);
      co_return ended != Reason::none ? ended : reason;
    }
    reason = Reason::none;
  }
  co_return reason;
}

// A target that breaks its answers off is not well, though their heads came.
void report_relay(Exchange& exchange, Reason reason) {
  if (reason != Reason::target_body_cut && reason != Reason::target_body_timeout &&
      reason != Reason::target_body_malformed) {
    return;
  }
  exchange.group->state().report(exchange.pool->target(), target::Outcome::failure, false,
                                 exchange.worker().loop().clock.now());
}

// The sessions that the target's answer keeps or begins: they are counted, and the cookies go with
// it.
void keep_sessions(Exchange& exchange, const GroupSession& group_session,
                   const StickySession& session) {
  const target::Target& target = exchange.pool->target();
  const auto result = session_result(exchange, session, target);
  if (result.has_value()) exchange.group->count_session(*result);
  count_group_session(exchange, group_session);
  add_group_cookies(exchange, group_session);
  add_cookie(exchange, set_cookie_for(exchange, session, target));
}

// Behind an ambiguous request whatever came with it has nobody to be answered to.
bool may_keep_connection(const Exchange& exchange) {
  const bool ends = exchange.ends_connections && !exchange.target->is_http2();
  return exchange.answer.persistent && exchange.group->may_keep_connection() && !ends;
}

// The connection lives on when the whole of the answer that nobody shall see is at hand already.
net::Task<After> replace_answer(Exchange& exchange, const route::ErrorPages::Page& page) {
  std::string fields = fields_that_stay(exchange);
  if (exchange.pump == Exchange::Pump::running) co_await end_pump(exchange);
  exchange.target->begin_body(exchange.answer);
  upstream::Body& body = exchange.target->body();
  while (!body.is_finished() && body.take().bytes > 0) {
  }
  count_try(exchange, *exchange.target, exchange.target_status);
  const std::uint16_t status = exchange.answer.status;
  if (body.is_finished() && !body.has_failed()) {
    exchange.target->finish(*exchange.pool, exchange.request_sent_whole,
                            may_keep_connection(exchange));
  }
  exchange.target.reset();
  exchange.reservation.release();
  co_return co_await respond_with_page(exchange, page, status, std::move(fields));
}

}  // namespace

net::Task<After> forward(Exchange& exchange, GroupSession group_session) {
  Reason reason = judge_upgrade(exchange);
  if (reason != Reason::none) co_return co_await fail(exchange, reason);
  begin_total_deadline(exchange);
  const StickySession session = find_session(exchange);
  reason = co_await obtain_answer(exchange, session);
  if (reason == Reason::none) {
    keep_sessions(exchange, group_session, session);
    if (begins_tunnel(exchange)) co_return co_await run_tunnel(exchange);
    if (const route::ErrorPages::Page* page = page_instead_of_answer(exchange)) {
      co_return co_await replace_answer(exchange, *page);
    }
    watch_client(exchange);
    reason = co_await relay_answer(exchange);
    unwatch_client(exchange);
    report_relay(exchange, reason);
  }
  if (exchange.target.has_value()) {
    if (exchange.pump == Exchange::Pump::running) co_await end_pump(exchange);
    unwatch_client(exchange);
    count_try(exchange, *exchange.target, exchange.target_status);
  }
  if (reason != Reason::none) {
    exchange.target.reset();
    exchange.reservation.release();
    co_return co_await fail(exchange, reason);
  }
  exchange.target->finish(*exchange.pool, exchange.request_sent_whole,
                          may_keep_connection(exchange));
  exchange.target.reset();
  exchange.reservation.release();
  if (!exchange.request_body().is_finished()) exchange.keep_connection = false;
  co_return exchange.keep_connection ? After::keep : After::close;
}

}  // namespace sluice::proxy
