#include "proxy/request_pump.h"

#include <string>

#include "proxy/filters/mirror.h"
#include "proxy/headers.h"
#include "proxy/interrupt.h"
#include "proxy/replay.h"

namespace sluice::proxy {

using net::Transfer;
using observe::Reason;

namespace {

Reason client_read_failure(Transfer transfer) {
  switch (transfer) {
    case Transfer::expired: return Reason::body_timeout;
    case Transfer::closed: return Reason::body_incomplete;
    default: return Reason::client_closed;
  }
}

// What is left of the body, to its end or until one side does not go on.
net::Task<> pump_rest(Exchange& exchange) {
  upstream::Body& body = exchange.request_body();
  upstream::Sender& sender = exchange.target->sender();
  std::uint32_t writes = 0;
  while (!exchange.stop_pump) {
    const upstream::Runs runs = body.take();
    keep_for_replay(exchange, runs);
    copy_content(exchange, runs);
    exchange.pump_failure = body_defect(exchange);
    if (exchange.pump_failure != Reason::none) break;
    if (runs.bytes == 0 && !body.is_finished()) {
      const Transfer read = co_await body.fill(exchange.model().timeouts.client_body);
      if (exchange.stop_pump) break;
      if (read != Transfer::ok) {
        exchange.pump_failure = client_read_failure(read);
        break;
      }
      continue;
    }
    if (body.is_finished()) end_copy(exchange);
    const std::string trailers = body.is_finished() ? request_trailers(exchange) : std::string();
    sender.add(runs, body.is_finished(), trailers);
    Transfer sent = sender.start();
    if (sender.is_unfinished()) sent = co_await sender.finish();
    if (sent == Transfer::expired) exchange.pump_failure = Reason::target_response_timeout;
    // A target that takes no more may have answered already: reading that is the other coroutine's
    // part.
    if (sent != Transfer::ok) break;
    if (body.is_finished()) {
      exchange.request_sent_whole = true;
      break;
    }
    if (++writes % writes_per_turn == 0) co_await exchange.worker().loop().next_turn();
  }
}

net::Task<> pump_request_body(Exchange& exchange) {
  upstream::TargetClient& target = *exchange.target;
  Transfer sent = Transfer::ok;
  const bool was_read_whole = exchange.replay.is_used && exchange.request_body().is_finished();
  if (exchange.replay.is_used) sent = co_await send_kept(exchange);
  if (sent == Transfer::expired) exchange.pump_failure = Reason::target_response_timeout;
  if (was_read_whole) {
    exchange.request_sent_whole = sent == Transfer::ok && !exchange.stop_pump;
  } else if (sent == Transfer::ok) {
    co_await pump_rest(exchange);
  }
  exchange.pump = Exchange::Pump::finished;
  if (exchange.stop_pump) {
    exchange.pump_ended.fire(net::Wake::ready);
    co_return;
  }
  if (exchange.request_sent_whole) exchange.request_sent_at = base::Steady::now();
  if (exchange.pump_failure == Reason::none) {
    // Now the target has the word, also one that took no more, and the client is only watched.
    if (exchange.target_status == 0) {
      target.set_head_deadline(exchange.timeouts.response_header);
    }
    if (!was_read_whole) exchange.client_side->body_was_read();
    watch_client(exchange);
  }
  // Nobody needs the answer any more. This may end the exchange: nothing of it is touched
  // afterwards.
  const bool is_over = exchange.pump_failure != Reason::none || exchange.client_left;
  if (is_over) (void)target.cancel_reader();
}

}  // namespace

Reason body_defect(const Exchange& exchange) {
  const upstream::Body& body = exchange.request_body();
  if (body.has_failed()) return body.failure();
  if (exchange.body_limit != 0 && body.content_bytes() > exchange.body_limit) {
    return Reason::body_too_large;
  }
  return Reason::none;
}

Reason start_pump(Exchange& exchange) {
  exchange.pump = Exchange::Pump::running;
  exchange.stop_pump = false;
  net::spawn(pump_request_body(exchange));
  return exchange.pump_failure;
}

net::Task<> end_pump(Exchange& exchange) {
  if (exchange.pump != Exchange::Pump::running) co_return;
  exchange.stop_pump = true;
  (void)exchange.client_side->cancel_reader();
  if (exchange.pump == Exchange::Pump::running) (void)exchange.target->sender().cancel();
  if (exchange.pump == Exchange::Pump::running) (void)co_await exchange.pump_ended.wait();
}

void watch_client(Exchange& exchange) {
  if (exchange.pump != Exchange::Pump::running) exchange.client_side->watch();
}

void unwatch_client(Exchange& exchange) {
  if (exchange.pump != Exchange::Pump::running) exchange.client_side->unwatch();
}

}  // namespace sluice::proxy
