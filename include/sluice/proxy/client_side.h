// The client's half of an exchange: the request comes in, the answer goes out. What HTTP/1 and
// HTTP/2 do differently towards clients is behind this; the exchange knows no more of it.
//
// One per HTTP/1 connection, which has one exchange at a time; one per HTTP/2 stream. One thread.
#pragma once

#include "sluice/net/stream.h"
#include "sluice/upstream/message.h"

namespace sluice::upstream {
class H2Channel;
}

namespace sluice::proxy {

struct Exchange;

class ClientSide {
 public:
  virtual ~ClientSide() = default;
  ClientSide(const ClientSide&) = delete;
  ClientSide& operator=(const ClientSide&) = delete;

  [[nodiscard]] virtual bool is_http2() const = 0;

  // --- the request's body
  // Reads it from its beginning; also again for another try, while `Body::can_restart`.
  virtual void begin_body() = 0;
  // After begin_body.
  [[nodiscard]] virtual upstream::Body& body() = 0;
  // Ends a wait for more of it. True when something waited; it runs before this returns.
  virtual bool cancel_reader() = 0;

  // --- the answer
  [[nodiscard]] virtual upstream::Sender& sender() = 0;

  // --- its end
  // No answer can reach it any more.
  [[nodiscard]] virtual bool has_gone() const = 0;
  // Until `unwatch`: when the client leaves, exchange.client_left is set and what the exchange
  // waits for is interrupted. At once, when it has left already. Not while the request's body is
  // read by somebody.
  virtual void watch() = 0;
  virtual void unwatch() = 0;

  // The body was read by waiting for it: what was known of the client's end is older than that.
  virtual void body_was_read() {}

  // For a tunnel: the bytes themselves, over HTTP/1 and over HTTP/2. One of the two is not null.
  [[nodiscard]] virtual net::Stream* stream() { return nullptr; }
  [[nodiscard]] virtual upstream::H2Channel* channel() { return nullptr; }

 protected:
  ClientSide() = default;
};

}  // namespace sluice::proxy
