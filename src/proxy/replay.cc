#include "proxy/replay.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "proxy/filters/mirror.h"
#include "proxy/headers.h"

namespace sluice::proxy {

using net::Transfer;

namespace {

void forget(ReplayBody& replay) {
  replay.pieces.clear();
  replay.bytes = 0;
  replay.is_kept = false;
}

// As much as there is already: few pieces for a long body, and little memory for a short one.
net::Buffer next_piece(Exchange& exchange) {
  const std::size_t kept = static_cast<std::size_t>(exchange.replay.bytes);
  const std::size_t size = std::clamp(kept, net::BufferPool::smallest, net::BufferPool::largest);
  return exchange.worker().loop().buffers.borrow(size);
}

void keep(Exchange& exchange, base::Bytes run) {
  ReplayBody& replay = exchange.replay;
  while (!run.empty()) {
    if (replay.pieces.empty() || replay.pieces.back().free_space().empty()) {
      replay.pieces.push_back(next_piece(exchange));
    }
    net::Buffer& piece = replay.pieces.back();
    const std::size_t size = std::min(run.size(), piece.free_space().size());
    std::memcpy(piece.free_space().data(), run.data(), size);
    piece.commit(size);
    replay.bytes += size;
    run = run.subspan(size);
  }
}

}  // namespace

void begin_replay(Exchange& exchange) {
  const config::Retry& retry = exchange.retry();
  // HTTP/2 targets may say that they did nothing with a request, whatever its method.
  const bool may_be_repeated =
      retry.attempts > 0 && retry.body_buffer > 0 &&
      (exchange.target->is_http2() || http::is_idempotent(exchange.request.method));
  const bool may_fit = exchange.request.framing != http::Framing::length ||
                       exchange.request.content_length <= retry.body_buffer;
  forget(exchange.replay);
  exchange.replay.is_kept = may_be_repeated && may_fit;
}

void keep_for_replay(Exchange& exchange, const upstream::Runs& runs) {
  ReplayBody& replay = exchange.replay;
  if (!replay.is_kept || runs.bytes == 0) return;
  if (replay.bytes + runs.bytes > exchange.retry().body_buffer) {
    forget(replay);
    return;
  }
  for (const base::Bytes run : runs.items) keep(exchange, run);
}

net::Task<Transfer> send_kept(Exchange& exchange) {
  const bool complete = exchange.request_body().is_finished();
  const std::string trailers = complete ? request_trailers(exchange) : std::string();
  upstream::Sender& sender = exchange.target->sender();
  // Nobody adds to it meanwhile. A body that turned out empty has no piece, but an end.
  const std::size_t pieces = exchange.replay.pieces.size();
  for (std::size_t i = 0; i < std::max<std::size_t>(pieces, 1) && !exchange.stop_pump; ++i) {
    upstream::Runs runs;
    if (i < pieces) runs.add(exchange.replay.pieces[i].unread());
    sender.add(runs, complete && i + 1 >= pieces, trailers);
    Transfer sent = sender.start();
    if (sender.is_unfinished()) sent = co_await sender.finish();
    if (sent != Transfer::ok) co_return sent;
  }
  co_return Transfer::ok;
}

bool can_rewind(const Exchange& exchange) {
  if (exchange.pump == Exchange::Pump::unused && !exchange.replay.is_used) {
    return exchange.request_body().can_restart();
  }
  return exchange.replay.is_kept;
}

void rewind_request(Exchange& exchange) {
  if (exchange.pump == Exchange::Pump::unused && !exchange.replay.is_used) {
    exchange.client_side->begin_body();
    restart_copy(exchange);
  } else {
    exchange.replay.is_used = true;
  }
  exchange.pump = Exchange::Pump::unused;
  exchange.pump_failure = observe::Reason::none;
  exchange.request_sent_whole = false;
}

}  // namespace sluice::proxy
