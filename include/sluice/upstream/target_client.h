// One exchange with a target: the request goes out, the answer comes in. What HTTP/1 and HTTP/2 do
// differently towards targets is behind this; forwarding knows no more of it.
//
// Heads first (`read_head` until it is the final one), then the body. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "sluice/http/message.h"
#include "sluice/net/buffer.h"
#include "sluice/net/stream.h"
#include "sluice/observe/reason.h"
#include "sluice/upstream/message.h"

namespace sluice::upstream {

class H2Channel;
class Pool;

class TargetClient {
 public:
  virtual ~TargetClient() = default;

  [[nodiscard]] virtual bool is_http2() const = 0;
  // An earlier exchange was served on this connection.
  [[nodiscard]] virtual bool connection_was_used() const = 0;
  // Not one byte of an answer has come.
  [[nodiscard]] virtual bool received_nothing() const = 0;
  // The target is known to have done nothing with the request (RFC 9113 8.7): it may be sent
  // elsewhere, whatever its method.
  [[nodiscard]] virtual bool was_unprocessed() const { return false; }
  [[nodiscard]] virtual bool is_open() const = 0;

  // HTTP/2, before anything is sent: none when the target offers WebSockets (RFC 8441 3), for which
  // its SETTINGS are awaited. Else target_websocket_not_offered; or target_connect_timeout,
  // target_connect_failed when there are no SETTINGS within `timeout`, or at all.
  [[nodiscard]] virtual net::Task<observe::Reason> await_websocket_offer(
      std::chrono::milliseconds /*timeout*/) {
    co_return observe::Reason::none;
  }

  [[nodiscard]] virtual Sender& sender() = 0;
  // The next head of the answer, a 1xx included. None, or why the answer is unusable.
  [[nodiscard]] virtual net::Task<observe::Reason> read_head(http::ResponseHead& head,
                                                             http::Method method) = 0;
  // By then `read_head` must have got its head; it ends with target_response_timeout.
  virtual void set_head_deadline(std::chrono::milliseconds after) = 0;
  virtual void clear_head_deadline() = 0;
  // Ends what waits to read. True when something waited; it runs before this returns, and may
  // destroy whatever it owns.
  virtual bool cancel_reader() = 0;
  // Forgets a 1xx head, so that the next can be read.
  virtual void skip_head() = 0;
  // After the final head.
  virtual void begin_body(const http::ResponseHead& head) = 0;
  [[nodiscard]] virtual Body& body() = 0;
  // Head bytes so far, for the counters and for the size of a copy; bodies count themselves.
  [[nodiscard]] virtual std::uint64_t head_bytes() const = 0;

  // Both messages are over: the connection serves others if it is clean and may be kept, else it is
  // closed.
  virtual void finish(Pool& pool, bool request_sent_whole, bool may_keep) = 0;

  // --- for a tunnel: the bytes themselves; one of the two is not null
  [[nodiscard]] virtual net::Stream* stream() { return nullptr; }
  [[nodiscard]] virtual H2Channel* channel() { return nullptr; }
  // What came behind its head, which belongs to the new protocol; may be empty. The head's views
  // are invalid afterwards.
  [[nodiscard]] virtual net::Buffer take_upgraded_bytes() { return {}; }

 protected:
  TargetClient() = default;
  TargetClient(const TargetClient&) = default;
  TargetClient(TargetClient&&) = default;
  TargetClient& operator=(const TargetClient&) = default;
  TargetClient& operator=(TargetClient&&) = default;
};

}  // namespace sluice::upstream
