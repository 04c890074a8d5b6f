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
#include "sluice/upstream/body_reader.h"
#include "sluice/upstream/h1_sender.h"
#include "sluice/upstream/pool.h"
#include "sluice/upstream/target_client.h"

namespace sluice::upstream {

class H1Client final : public TargetClient {
 public:
  // `write_timeout`: between two writes that made progress. `used_next`: as in net::read_into, when
  // the answer comes.
  H1Client(std::unique_ptr<Connection> connection, const http::HeadLimits& limits,
           const http::BodyLimits& body_limits, std::chrono::milliseconds write_timeout,
           base::Bytes used_next = {});

  [[nodiscard]] bool is_http2() const override { return false; }
  [[nodiscard]] bool connection_was_used() const override { return connection_->was_used(); }
  [[nodiscard]] bool received_nothing() const override { return received_bytes_ == 0; }
  [[nodiscard]] bool is_open() const override { return connection_->stream().is_open(); }

  [[nodiscard]] Sender& sender() override { return sender_; }
  [[nodiscard]] net::Task<observe::Reason> read_head(http::ResponseHead& head,
                                                     http::Method method) override;
  void set_head_deadline(std::chrono::milliseconds after) override {
    connection_->stream().set_read_deadline(after);
  }
  void clear_head_deadline() override { connection_->stream().clear_read_deadline(); }
  bool cancel_reader() override { return connection_->stream().cancel_reader(); }
  void skip_head() override;
  void begin_body(const http::ResponseHead& head) override;
  [[nodiscard]] Body& body() override { return body_; }
  [[nodiscard]] std::uint64_t head_bytes() const override { return received_head_bytes_; }
  void finish(Pool& pool, bool request_sent_whole, bool may_keep) override;

  [[nodiscard]] net::Stream* stream() override { return &connection_->stream(); }
  [[nodiscard]] net::Buffer take_upgraded_bytes() override;

 private:
  std::unique_ptr<Connection> connection_;
  base::Bytes used_next_;
  http::BodyLimits body_limits_;
  http::H1Parser parser_;
  net::Buffer buffer_;
  H1Sender sender_;
  BodyReader body_;
  std::uint64_t received_bytes_ = 0;
  std::uint64_t received_head_bytes_ = 0;
};

}  // namespace sluice::upstream
