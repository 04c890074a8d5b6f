// A second try beside the first: a GET whose first target has not answered within the group's
// `retry.hedge_delay` is sent to another one, too, and the first answer counts.
//
// The hedge is a coroutine of its own with a connection of its own; it touches nothing of the first
// try but to wake it when it has won. It ends before the exchange does (`end_hedge`).
#pragma once

#include "proxy/stickiness.h"
#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

struct Hedge {
  explicit Hedge(Exchange& exchange);

  net::Deadline start_at;
  net::Deadline try_deadline;
  bool was_started = false;
  bool is_running = false;
  bool is_stopped = false;   // its answer is not wanted any more
  bool has_expired = false;  // its own try's time is over
  bool has_won = false;      // it has an answer, and the first try has been woken
  net::WaitSlot ended;

  upstream::Reservation reservation;
  upstream::ClientSlot target;
  http::ResponseHead answer;  // views into the target's buffer
  net::Dialing dialing;
  net::Buffer head;
  bool reused_connection = false;
  base::SteadyTime connect_began_at{};
  base::SteadyTime connected_at{};
  base::SteadyTime request_sent_at{};
  base::SteadyTime answer_head_at{};
};

// Sets the clock when the group hedges and the request is one that may be sent twice at a time.
void begin_hedge(Exchange& exchange, const StickySession& session);

// Its answer is not wanted any more: ends what it waits for. The exchange may be over when this
// returns.
void stop_hedge(Hedge& hedge);

// The first try has ended with `reason`. When that is a failure and the hedge is still under way,
// its end is awaited. True: the hedge's answer has taken the place of the first try, which is
// counted.
[[nodiscard]] net::Task<bool> end_hedge(Exchange& exchange, observe::Reason reason);

}  // namespace sluice::proxy
