// One exchange on one HTTP/1.1 connection to a target: send a request, receive its answer.
//
// The target's bytes are as little trusted as the client's: its head passes the same strict parser,
// and the connection goes back to the pool only when both messages ended cleanly with nothing left
// over (T7).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "sluice/http/h1_parser.h"
#include "sluice/http/message.h"
#include "sluice/net/transfer.h"
#include "sluice/observe/reason.h"
#include "sluice/upstream/body_reader.h"
#include "sluice/upstream/pool.h"

namespace sluice::upstream {

class H1Client {
 public:
  // `write_timeout`: between two writes that made progress.
  H1Client(std::unique_ptr<Connection> connection, const http::HeadLimits& limits,
           const http::BodyLimits& body_limits, std::chrono::milliseconds write_timeout);

  [[nodiscard]] net::Stream& stream() { return connection_->stream(); }
  [[nodiscard]] bool connection_was_used() const { return connection_->was_used(); }
  [[nodiscard]] net::Writer& writer() { return writer_; }

  // The next head of the answer, a 1xx included. None, or why the answer is unusable. The caller
  // has set the read deadline; `closed_early` also tells whether not one byte had come.
  [[nodiscard]] net::Task<observe::Reason> read_head(http::ResponseHead& head, http::Method method);
  // Forgets a 1xx head, so that the next can be read.
  void skip_head();
  [[nodiscard]] bool received_nothing() const { return received_bytes_ == 0; }

  // After the final head.
  void begin_body(const http::ResponseHead& head);
  [[nodiscard]] BodyReader& body() { return body_; }
  [[nodiscard]] const BodyReader& body() const { return body_; }

  // Head bytes so far, for the counters; bodies count themselves.
  [[nodiscard]] std::uint64_t head_bytes() const { return received_head_bytes_; }

  // After a 101: what came behind its head, which belongs to the new protocol; may be empty. The
  // head's views are invalid afterwards.
  [[nodiscard]] net::Buffer take_upgraded_bytes();

  // The exchange is over: back to the pool if it was clean and the target would go on, else closed.
  void finish(Pool& pool, bool request_sent_whole, bool target_persists);

 private:
  std::unique_ptr<Connection> connection_;
  http::BodyLimits body_limits_;
  http::H1Parser parser_;
  net::Buffer buffer_;
  net::Writer writer_;
  BodyReader body_;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t received_head_bytes_ = 0;
};

}  // namespace sluice::upstream
