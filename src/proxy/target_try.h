// One try: the request sent to one target, until the head of its answer is there.
#pragma once

#include <memory>
#include <string>

#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Tries the target that was chosen (exchange.pool). None: exchange.answer is the final head, or the
// one that begins the tunnel that was asked for. `target_queue_full`: it has no room after all, and
// was not tried. `fresh_only`: on a new connection.
[[nodiscard]] net::Task<observe::Reason> try_target(Exchange& exchange, bool fresh_only);

// Ends the try without its answer: the connection is closed, and what it cost is counted.
[[nodiscard]] net::Task<> abandon_try(Exchange& exchange);

// An open connection to a target; shared with hedges.
struct Connected {
  std::unique_ptr<upstream::Connection> connection;
  upstream::H2Lease stream;  // instead, where the target speaks HTTP/2
  observe::Reason reason = observe::Reason::none;
  std::string error_text;  // with a reason; for the log
  bool at_limit = false;   // the target had no room after all
  bool reused = false;
  base::SteadyTime began{};  // zero for one that was kept
  base::SteadyTime done{};
};
[[nodiscard]] net::Task<Connected> connect(Exchange& exchange, upstream::Pool& pool,
                                           net::Dialing& dialing, bool fresh_only);
// An exchange on that connection, with the limits that hold for this one.
void begin_client(const Exchange& exchange, Connected connected, upstream::ClientSlot& client);

// Counts why there is no connection; not for one that was given up before its time.
void report_connection_error(Exchange& exchange, const target::Target& target,
                             const Connected& connected);

// Bytes and status class of a try whose client is given.
void count_try(Exchange& exchange, upstream::TargetClient& client, std::uint16_t status);

[[nodiscard]] observe::Reason client_write_failure(net::Transfer transfer);

}  // namespace sluice::proxy
