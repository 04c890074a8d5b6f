#include "proxy/choose_target.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "proxy/hash_key.h"
#include "proxy/interrupt.h"
#include "proxy/request_pump.h"
#include "proxy/retry.h"

namespace sluice::proxy {

using observe::Reason;
using upstream::Picked;

namespace {

upstream::PickRequest request_of(Exchange& exchange) {
  upstream::PickRequest request;
  request.excluded = {exchange.tried.data(), exchange.tried_count};
  request.random = exchange.worker().random().next();
  if (exchange.group_settings->algorithm == "consistent_hash") {
    request.hash = hash_of(exchange.group_settings->hash_key, exchange);
  }
  return request;
}

upstream::PickRequest request_of(Exchange& exchange, const StickySession& session) {
  upstream::PickRequest request = request_of(exchange);
  request.session_target = session.target_id;
  request.session_hash = session.hash;
  request.may_probe = may_probe(exchange);
  return request;
}

// The client is watched meanwhile.
net::Task<Reason> wait_for_room(Exchange& exchange, upstream::Place& place) {
  watch_client(exchange);
  net::Wake wake = net::Wake::closed;
  if (end_of_all_tries(exchange) == Reason::none) {
    exchange.place = &place;
    wake = co_await place.wait();
    exchange.place = nullptr;
  }
  unwatch_client(exchange);
  const Reason ended = end_of_all_tries(exchange);
  if (ended != Reason::none) co_return ended;
  co_return wake == net::Wake::expired ? Reason::target_queue_timeout : Reason::none;
}

// Until `picked` is a choice, or none is left. `was_asked`: there was no room a moment ago.
net::Task<Reason> queue(Exchange& exchange, upstream::PickRequest request, bool was_asked,
                        Picked& picked) {
  upstream::Group& group = *exchange.group;
  const bool takes_any = request.excluded.empty() && request.session_target.empty();
  upstream::Place place(group.waiting_room(), takes_any);
  if (!place.enter(group.settings().limits.queue_timeout)) co_return Reason::target_queue_full;
  // Those in front may wait for certain targets, which are not the ones that this one needs.
  if (!was_asked) group.waiting_room().call();
  const base::SteadyTime began = base::Steady::now();
  Reason reason = Reason::none;
  while (reason == Reason::none && picked.end == Picked::End::at_limit) {
    reason = co_await wait_for_room(exchange, place);
    if (reason == Reason::none) picked = group.pick(request);
  }
  group.cells().queue_time.record(base::Steady::now() - began);
  co_return reason;
}

// What was picked is the exchange's target.
Reason take(Exchange& exchange, Picked picked) {
  if (picked.end == Picked::End::at_limit) return Reason::target_queue_full;
  if (picked.end == Picked::End::no_target) return Reason::no_target;
  exchange.reservation = std::move(picked.reservation);
  exchange.pool = exchange.reservation.pool();
  exchange.is_probe = picked.is_probe;
  exchange.deregistered = false;
  note_tried(exchange, exchange.pool->target());
  return Reason::none;
}

}  // namespace

Reason choose_at_once(Exchange& exchange, const StickySession& session) {
  upstream::Group& group = *exchange.group;
  if (group.waiting_room().is_anybody_waiting()) return Reason::target_queue_full;
  return take(exchange, group.pick(request_of(exchange, session)));
}

net::Task<Reason> wait_for_target(Exchange& exchange, const StickySession& session) {
  // Only who found nobody waiting was let to ask.
  const bool was_asked = !exchange.group->waiting_room().is_anybody_waiting();
  Picked picked;
  picked.end = Picked::End::at_limit;
  Reason reason = co_await queue(exchange, request_of(exchange, session), was_asked, picked);
  if (reason == Reason::none) reason = take(exchange, std::move(picked));
  co_return reason;
}

Picked pick_another(Exchange& exchange) { return exchange.group->pick(request_of(exchange)); }

void forget_tried(Exchange& exchange, const target::Target& target) {
  const auto end = exchange.tried.begin() + static_cast<std::ptrdiff_t>(exchange.tried_count);
  const auto left = std::remove(exchange.tried.begin(), end, &target);
  exchange.tried_count = static_cast<std::size_t>(left - exchange.tried.begin());
}

void note_tried(Exchange& exchange, const target::Target& target) {
  if (exchange.tried_count < exchange.tried.size()) {
    exchange.tried[exchange.tried_count++] = &target;
  }
}

}  // namespace sluice::proxy
