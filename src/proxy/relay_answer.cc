#include "proxy/relay_answer.h"

#include <memory>
#include <string>

#include "proxy/amendments.h"
#include "proxy/filters/compress.h"
#include "proxy/headers.h"
#include "proxy/interrupt.h"
#include "proxy/target_try.h"

namespace sluice::proxy {

using net::Transfer;
using observe::Reason;

namespace {

// Why the answer's body does not go on. `read`: what reading it said; ok when its content is at
// fault.
Reason answer_failure(const Exchange& exchange, Transfer read) {
  const Reason ended = interruption(exchange);
  if (ended != Reason::none) return ended;
  if (read == Transfer::expired) return Reason::target_body_timeout;
  if (read != Transfer::ok) return Reason::target_body_cut;
  // Nothing has been sent yet: the client can be told.
  return exchange.answer_begun ? Reason::target_body_malformed : Reason::target_response_malformed;
}

}  // namespace

net::Task<Reason> relay_answer(Exchange& exchange) {
  upstream::TargetClient& target = *exchange.target;
  target.begin_body(exchange.answer);
  std::unique_ptr<upstream::Body> compressed;
  if (exchange.amendments != nullptr) compressed = compress_answer(exchange, target.body());
  upstream::Body& body = compressed != nullptr ? *compressed : target.body();
  const bool length_unknown = has_unknown_length(exchange.answer) || compressed != nullptr;
  const bool chunked = length_unknown && exchange.request.minor_version > 0;
  // An answer that overtakes its request is the connection's last: the rest of that is not read.
  exchange.keep_connection = exchange.request.persistent && !exchange.connection->must_close() &&
                             (chunked || !length_unknown) && exchange.request_body().is_finished();
  write_answer_head(exchange, chunked);
  if (exchange.head_buffer.is_empty()) co_return Reason::internal_error;  // it did not fit

  const config::Milliseconds idle = exchange.timeouts.target_idle;
  upstream::Sender& sender = exchange.client_side->sender();
  exchange.status = exchange.answer.status;
  Reason end = Reason::none;
  std::uint32_t writes = 0;
  for (;;) {
    end = interruption(exchange);
    if (end != Reason::none) break;
    const upstream::Runs runs = body.take();
    if (body.has_failed() && runs.bytes == 0) {
      end = answer_failure(exchange, Transfer::ok);
      break;
    }
    const bool finished = body.is_finished();
    if (exchange.answer_begun && runs.bytes == 0 && !finished) {
      const Transfer read = co_await body.fill(idle);
      if (read != Transfer::ok) {
        end = answer_failure(exchange, read);
        break;
      }
      if (++writes % writes_per_turn == 0) co_await exchange.worker().loop().next_turn();
      continue;
    }
    const std::string trailers = finished ? answer_trailers(exchange) : std::string();
    const bool first = !exchange.answer_begun;
    exchange.answer_begun = true;
    if (first) sender.set_head(exchange.head_buffer.unread(), chunked);
    sender.add(runs, finished, trailers);
    Transfer sent = sender.start();
    if (first) exchange.answer_sent_at = base::Steady::now();
    exchange.answer_in_one_write = first && finished && !sender.is_unfinished();
    if (sender.is_unfinished()) sent = co_await sender.finish();
    if (first) exchange.head_buffer.release();
    if (sent != Transfer::ok) {
      end = interruption(exchange);
      if (end == Reason::none) end = client_write_failure(sent);
      break;
    }
    if (finished) break;
    if (++writes % writes_per_turn == 0) co_await exchange.worker().loop().next_turn();
  }
  co_return end;
}

}  // namespace sluice::proxy
