#include "proxy/target_try.h"

#include <algorithm>
#include <string>
#include <utility>

#include "proxy/filters/mirror.h"
#include "proxy/headers.h"
#include "proxy/interrupt.h"
#include "proxy/proxy_header_out.h"
#include "proxy/replay.h"
#include "proxy/reply.h"
#include "proxy/request_pump.h"
#include "proxy/target_connection.h"
#include "proxy/upgrade.h"

namespace sluice::proxy {

namespace {

using net::Transfer;
using observe::Reason;

constexpr std::string_view h1_continue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::string_view h2_continue = ":status: 100\r\n";

// The usual way to a connection: nothing to wait for. Choosing a kept one is our own time: part of
// what lies between the request's head and its dispatch.
bool take_kept_connection(Exchange& exchange) {
  Connected connected;
  if (!take_kept(*exchange.pool, connected)) return false;
  exchange.reused_connection = true;
  begin_client(exchange, std::move(connected), exchange.target);
  exchange.connect_began_at = exchange.connected_at = exchange.head_complete_at;
  return true;
}

// A new connection. While it is opened the client is watched: nobody else reads it yet.
net::Task<Reason> connect_try(Exchange& exchange) {
  exchange.reused_connection = false;
  watch_client(exchange);
  Connected connected;
  if (interruption(exchange) == Reason::none) {
    // Of those that were open at the last try, any may have died with it.
    const Connecting settings = connecting(exchange, *exchange.pool, exchange.request_sent_at);
    connected = co_await connect(settings, *exchange.pool, exchange.dialing);
  }
  unwatch_client(exchange);
  const Reason ended = interruption(exchange);
  if (ended != Reason::none) co_return ended;
  if (connected.at_limit) co_return Reason::target_queue_full;
  if (connected.reason != Reason::none) {
    report_connection_error(*exchange.group, exchange.pool->target(), connected);
    co_return connected.reason;
  }
  exchange.reused_connection = connected.reused;
  exchange.connect_began_at = connected.began;
  exchange.connected_at = connected.done;
  begin_client(exchange, std::move(connected), exchange.target);
  co_return Reason::none;
}

// The request has left, or will not. A target that refuses our bytes may have said why: its answer
// is read before the write is judged.
Reason judge_sent(Exchange& exchange, bool is_whole, Transfer sent) {
  if (exchange.hedge == nullptr) exchange.head_buffer.release();  // a hedge would send it, too
  exchange.request_sent_whole = is_whole && sent == Transfer::ok;
  exchange.request_sent_at = base::Steady::now();
  const Reason ended = interruption(exchange);
  if (ended != Reason::none) return ended;
  return sent == Transfer::expired ? Reason::target_response_timeout : Reason::none;
}

// An extended CONNECT, which is not over with its head.
bool asks_by_connect(const Exchange& exchange) {
  return exchange.upgrade != Upgrade::none && exchange.target->is_http2();
}

// RFC 8441 3: a WebSocket is asked for only where the target's SETTINGS offer it, and of a new
// connection these may still be under way. Nothing has been sent yet.
net::Task<Reason> await_offer(Exchange& exchange) {
  watch_client(exchange);
  Reason reason = interruption(exchange);
  if (reason == Reason::none) {
    reason = co_await exchange.target->await_websocket_offer(exchange.timeouts.connect);
  }
  unwatch_client(exchange);
  // A part of the connect, not of our own time.
  if (!exchange.reused_connection) exchange.connected_at = base::Steady::now();
  const Reason ended = interruption(exchange);
  if (ended != Reason::none) co_return ended;
  if (reason == Reason::target_connect_failed || reason == Reason::target_connect_timeout) {
    Connected connected;
    connected.reason = reason;
    connected.error_text = "no SETTINGS came";
    report_connection_error(*exchange.group, exchange.pool->target(), connected);
  }
  co_return reason;
}

Reason prepare_head(Exchange& exchange) {
  write_request_head(exchange, exchange.target->is_http2());
  if (exchange.head_buffer.is_empty()) return Reason::internal_error;  // it did not fit
  if (exchange.amendments != nullptr) begin_copy(exchange);
  return Reason::none;
}

// A request without a body: one write, which nearly always ends at once; else finish_head is next.
Reason send_head(Exchange& exchange) {
  upstream::Sender& sender = exchange.target->sender();
  ++exchange.tries;
  sender.set_head(exchange.head_buffer.unread(), false);
  sender.add({}, !asks_by_connect(exchange), {});
  const Transfer sent = sender.start();
  return sender.is_unfinished() ? Reason::none : judge_sent(exchange, true, sent);
}

net::Task<Reason> finish_head(Exchange& exchange) {
  const Transfer sent = co_await exchange.target->sender().finish();
  co_return judge_sent(exchange, true, sent);
}

// The head, and in the same write the part of the body that came with it. What an earlier try had
// sent is the pump's, for a target may answer without taking it.
net::Task<Reason> send_with_body(Exchange& exchange) {
  upstream::Body& body = exchange.request_body();
  upstream::Runs runs;
  const bool is_replayed = exchange.replay.is_used;
  if (!is_replayed) {
    runs = body.take();
    copy_content(exchange, runs);
    if (!body.is_finished()) {
      begin_replay(exchange);
      keep_for_replay(exchange, runs);
    }
  }
  const Reason defect = body_defect(exchange);
  if (defect != Reason::none) co_return defect;
  const bool complete = body.is_finished() && !is_replayed;
  if (complete) end_copy(exchange);
  const std::string trailers = complete ? request_trailers(exchange) : std::string();
  upstream::Sender& sender = exchange.target->sender();
  sender.set_head(exchange.head_buffer.unread(), has_unknown_length(exchange.request));
  sender.add(runs, complete, trailers);
  ++exchange.tries;
  Transfer sent = sender.start();
  if (sender.is_unfinished()) sent = co_await sender.finish();
  co_return judge_sent(exchange, complete, sent);
}

net::Task<bool> send_informational(Exchange& exchange, base::Bytes head) {
  upstream::Sender& sender = exchange.client_side->sender();
  sender.add_informational(head);
  Transfer sent = sender.start();
  if (sender.is_unfinished()) sent = co_await sender.finish();
  if (sent != Transfer::ok) {
    set_end(exchange, exchange.total_expired ? Reason::total_timeout : client_write_failure(sent));
  }
  co_return sent == Transfer::ok;
}

bool has_more_to_send(const Exchange& exchange) {
  if (exchange.upgrade != Upgrade::none) return false;  // what follows is for the tunnel
  return !exchange.request_body().is_finished() || exchange.replay.is_used;
}

// The rest of a longer body follows in a coroutine of its own.
net::Task<Reason> begin_pump(Exchange& exchange) {
  if (!exchange.target->is_open()) co_return Reason::none;
  if (exchange.request.expects_continue && !exchange.continue_sent &&
      exchange.request_body().content_bytes() == 0) {
    exchange.continue_sent = true;
    const std::string_view go_on = exchange.client_side->is_http2() ? h2_continue : h1_continue;
    const bool told = co_await send_informational(exchange, base::as_bytes(go_on));
    if (!told) co_return exchange.reason;
  }
  co_return start_pump(exchange);
}

// A 1xx other than the 101 of a tunnel; none: read on.
net::Task<Reason> pass_informational(Exchange& exchange) {
  upstream::TargetClient& target = *exchange.target;
  if (exchange.answer.status != 100 && exchange.request.minor_version > 0) {
    write_informational_head(exchange);
    exchange.informational_sent = true;
    const bool sent = co_await send_informational(exchange, exchange.head_buffer.unread());
    if (!sent) co_return exchange.reason;
    // A deadline that passes while we wait for the client finds nobody to wake, and is gone.
    if (exchange.pump != Exchange::Pump::running) {
      target.set_head_deadline(exchange.timeouts.response_header);
    }
  }
  target.skip_head();
  co_return Reason::none;
}

// The final head of the answer; 1xx are swallowed or passed on.
net::Task<Reason> read_answer_head(Exchange& exchange) {
  upstream::TargetClient& target = *exchange.target;
  // The target's time begins when it has the whole request; until then the pump's timeouts hold.
  if (exchange.pump != Exchange::Pump::running) {
    target.set_head_deadline(exchange.timeouts.response_header);
  }
  for (std::uint32_t informational = 0;; ++informational) {
    Reason reason = interruption(exchange);
    if (reason != Reason::none) co_return reason;
    reason = co_await target.read_head(exchange.answer, exchange.request.method);
    if (reason != Reason::none) {
      target.clear_head_deadline();
      const Reason ended = interruption(exchange);
      co_return ended != Reason::none ? ended : reason;
    }
    const std::uint16_t status = exchange.answer.status;
    if (begins_tunnel(exchange)) {
      reason = judge_switch(exchange);
      if (reason != Reason::none) co_return reason;
      break;
    }
    // To the client of an extended CONNECT any 2xx says that its WebSocket is open (RFC 8441 5).
    if (!exchange.request.connect_protocol.empty() && status >= 200 && status < 300) {
      co_return Reason::target_upgrade_invalid;
    }
    if (status >= 200) break;
    if (informational >= exchange.model().limits.informational_responses) {
      co_return Reason::target_too_many_informational;
    }
    reason = co_await pass_informational(exchange);
    if (reason != Reason::none) co_return reason;
  }
  target.clear_head_deadline();
  exchange.answer_head_at = base::Steady::now();
  exchange.target_status = exchange.answer.status;
  exchange.group->cells().response_time.record(exchange.answer_head_at - exchange.request_sent_at);
  co_return Reason::none;
}

}  // namespace

Connecting connecting(const Exchange& exchange, const upstream::Pool& pool,
                      base::SteadyTime since) {
  return {.group = *exchange.group,
          .connect_timeout = exchange.timeouts.connect,
          .handshake_timeout = exchange.model().timeouts.tls_handshake,
          .since = since,
          .proxy_header = proxy_header_of(*exchange.connection, pool.proxy_protocol())};
}

Reason client_write_failure(Transfer transfer) {
  return transfer == Transfer::expired ? Reason::client_write_timeout : Reason::client_closed;
}

void begin_client(const Exchange& exchange, Connected connected, upstream::ClientSlot& client) {
  begin_client(exchange.model().limits, exchange.timeouts.target_idle, std::move(connected), client,
               often_used(exchange));
}

net::Task<Reason> try_target(Exchange& exchange, bool fresh_only) {
  const bool is_bodiless = exchange.request.framing == http::Framing::none;
  begin_try_deadline(exchange);
  if (exchange.client_side->has_gone()) exchange.client_left = true;
  Reason reason = interruption(exchange);
  if (reason == Reason::none && (fresh_only || !take_kept_connection(exchange))) {
    reason = co_await connect_try(exchange);
  }
  if (reason == Reason::none && asks_by_connect(exchange)) {
    reason = co_await await_offer(exchange);
  }
  if (reason == Reason::none) reason = prepare_head(exchange);
  if (reason == Reason::none && is_bodiless) reason = send_head(exchange);
  if (reason == Reason::none && is_bodiless && exchange.target->sender().is_unfinished()) {
    reason = co_await finish_head(exchange);
  }
  if (reason == Reason::none && !is_bodiless) reason = co_await send_with_body(exchange);
  if (reason == Reason::none && has_more_to_send(exchange)) reason = co_await begin_pump(exchange);
  if (reason == Reason::none) {
    watch_client(exchange);
    reason = co_await read_answer_head(exchange);
    unwatch_client(exchange);
  }
  end_try_deadline(exchange);
  co_return reason;
}

void count_try(Exchange& exchange, upstream::TargetClient& client, std::uint16_t status) {
  count_try(exchange.group->cells(), client, status);
}

net::Task<> abandon_try(Exchange& exchange) {
  if (!exchange.target.has_value()) co_return;
  co_await end_pump(exchange);
  unwatch_client(exchange);
  count_try(exchange, *exchange.target, exchange.target_status);
  exchange.answer.clear();
  exchange.target.reset();
  exchange.target_status = 0;
}

}  // namespace sluice::proxy
