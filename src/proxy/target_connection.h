// A connection to a target, for one request of whoever asks: a try, a hedge, a side request.
#pragma once

#include <memory>
#include <string>

#include "sluice/config/model.h"
#include "sluice/net/task.h"
#include "sluice/observe/reason.h"
#include "sluice/upstream/client_slot.h"
#include "sluice/upstream/group.h"

namespace sluice::proxy {

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

// How a new connection is opened.
struct Connecting {
  upstream::Group& group;  // of the pool; counts it
  config::Milliseconds connect_timeout;
  config::Milliseconds handshake_timeout;
  base::SteadyTime since{};  // HTTP/2: one that somebody opened after it will do
  std::string proxy_header;  // of the PROXY protocol; empty: none
};

// One that was kept, without waiting. False: there is none.
[[nodiscard]] bool take_kept(upstream::Pool& pool, Connected& connected);
// A new one. `settings` and `dialing`, which ends it from elsewhere, outlive the call.
[[nodiscard]] net::Task<Connected> connect(const Connecting& settings, upstream::Pool& pool,
                                           net::Dialing& dialing);

// A request on that connection. `used_next`: as H1Client has it.
void begin_client(const config::Limits& limits, config::Milliseconds write_timeout,
                  Connected connected, upstream::ClientSlot& client, base::Bytes used_next = {});

// Counts why there is no connection; not for one that was given up before its time.
void report_connection_error(upstream::Group& group, const target::Target& target,
                             const Connected& connected);

// Bytes and status class of a try whose client is given.
void count_try(upstream::GroupCells& cells, upstream::TargetClient& client, std::uint16_t status);

}  // namespace sluice::proxy
