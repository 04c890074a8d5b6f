// The client's half of an exchange over HTTP/1: reads the body behind the head in the connection's
// buffer, writes the answer to its stream, and watches the stream for the client's end.
#pragma once

#include <chrono>
#include <optional>

#include "sluice/net/stream.h"
#include "sluice/proxy/client_side.h"
#include "sluice/upstream/body_reader.h"
#include "sluice/upstream/h1_sender.h"

namespace sluice::proxy {

class H1Server final : public ClientSide {
 public:
  explicit H1Server(Exchange& exchange);

  [[nodiscard]] bool is_http2() const override { return false; }
  void begin_body() override;
  [[nodiscard]] upstream::Body& body() override { return *body_; }
  bool cancel_reader() override { return stream_.cancel_reader(); }
  [[nodiscard]] upstream::Sender& sender() override { return sender_; }
  [[nodiscard]] bool has_gone() const override { return stream_.was_reset(); }
  void watch() override;
  void unwatch() override { stream_.unwatch_reader(); }
  void body_was_read() override { ended_with_request_.reset(); }
  [[nodiscard]] net::Stream* stream() override { return &stream_; }

  // What the request used of the connection's received bytes goes; what is left begins the next.
  void consume_request();

 private:
  [[nodiscard]] bool is_at_hand() const;
  [[nodiscard]] bool has_left(bool tolerate) const;

  Exchange& exchange_;
  net::Stream& stream_;
  std::optional<upstream::BodyReader> body_;
  upstream::H1Sender sender_;
  // The client's end of sending came with the request; nothing yet: nobody has looked since.
  std::optional<bool> ended_with_request_;
};

}  // namespace sluice::proxy
