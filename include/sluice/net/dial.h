// A connection to an address within a deadline, clear or TLS.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "sluice/net/endpoint.h"
#include "sluice/net/stream.h"
#include "sluice/net/task.h"
#include "sluice/net/turn_gate.h"

namespace sluice::net {

enum class DialError : std::uint8_t {
  none,
  refused,  // RST, or nobody listens on the Unix socket
  failed,   // unreachable and everything else the kernel says
  timeout,
  descriptors_exhausted,  // or local ports, or memory: ours to answer for, not the target's
  tls_failed,
  tls_timeout,
};

struct Dialed {
  std::unique_ptr<Stream> stream;  // null on error
  DialError error = DialError::none;
  std::string error_text;  // for the log; empty when the kind says it all
};

// The way to end a dial, or the handshake after it, from elsewhere on the same thread: what waits
// then returns as if its time were over. Owned by who may want to; outlives the coroutine.
class Dialing {
 public:
  // True when something waited; it has gone on when this returns.
  bool cancel();
  // While something waits on `stream`; null: nothing does.
  void waits_on(Stream* stream) {
    stream_ = stream;
    if (stream != nullptr) was_cancelled_ = false;
  }
  // The same for what waits until somebody else has dialled.
  void waits_in(WaitSlot* slot) { slot_ = slot; }
  // The last wait on a stream was ended by `cancel`.
  [[nodiscard]] bool was_cancelled() const { return was_cancelled_; }

 private:
  Stream* stream_ = nullptr;
  WaitSlot* slot_ = nullptr;
  bool was_cancelled_ = false;
};

[[nodiscard]] Task<Dialed> dial(Loop& loop, Endpoint endpoint, std::chrono::milliseconds timeout,
                                Dialing* dialing = nullptr);

// The handshake of either side on a connected stream whose TLS session is set.
struct HandshakeResult {
  DialError error = DialError::none;
  std::string error_text;
};
// `gate`: each step, of which some take a millisecond of computing, passes it first; null: none.
[[nodiscard]] Task<HandshakeResult> handshake(Stream& stream, std::chrono::milliseconds timeout,
                                              TurnGate* gate = nullptr);

}  // namespace sluice::net
