#include "sluice/proxy/h1_server.h"

#include <algorithm>

#include "proxy/interrupt.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

H1Server::H1Server(Exchange& exchange)
    : exchange_(exchange),
      stream_(exchange.connection->stream()),
      sender_(stream_, exchange.model().timeouts.client_write) {}

void H1Server::begin_body() {
  const config::Limits& limits = exchange_.model().limits;
  const base::Bytes received = exchange_.connection->received.unread();
  body_.emplace(stream_);
  body_->begin(exchange_.request.framing, exchange_.request.content_length,
               {.chunk_extension_bytes = limits.chunk_extension_bytes,
                .trailer_bytes = limits.trailer_bytes},
               received.subspan(exchange_.request_head_bytes));
}

void H1Server::consume_request() {
  net::Buffer& received = exchange_.connection->received;
  std::size_t used = exchange_.request_head_bytes;
  if (body_.has_value()) used += body_->head_buffer_used();
  received.consume(std::min(used, received.unread().size()));
  if (body_.has_value() && received.is_empty()) {
    net::Buffer rest = body_->take_buffer();
    if (rest.has_memory()) received = std::move(rest);
  }
}

// Nothing more of it has to come: with the client's end of sending it is whole, or never will be.
bool H1Server::is_at_hand() const {
  if (body_->is_finished() || exchange_.pump == Exchange::Pump::finished) return true;
  if (exchange_.request.framing != http::Framing::length || !body_->within_head_buffer()) {
    return false;
  }
  const std::size_t received = exchange_.connection->received.unread().size();
  return received - exchange_.request_head_bytes >= exchange_.request.content_length;
}

void H1Server::watch() {
  if (!ended_with_request_.has_value()) ended_with_request_ = stream_.hung_up();
  // While the body is not read yet its end may be on its way, with an end of sending behind it.
  const bool tolerate = *ended_with_request_ || !is_at_hand() ||
                        exchange_.listener->settings->half_close == config::HalfClose::tolerate;
  if (has_left(tolerate)) {
    exchange_.client_left = true;  // between two watches
    return;
  }
  struct Watch {
    H1Server* self;
    bool tolerate;
    void operator()(net::Wake) const {
      if (self->has_left(tolerate)) {
        self->exchange_.client_left = true;
        (void)interrupt(self->exchange_);
        return;
      }
      self->stream_.watch_reader(*this);  // pipelined bytes: not now
    }
  };
  stream_.watch_reader(Watch{this, tolerate});
}

bool H1Server::has_left(bool tolerate) const {
  return stream_.was_reset() || (stream_.hung_up() && !tolerate);
}

}  // namespace sluice::proxy
