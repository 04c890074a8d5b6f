// One exchange on one stream of an HTTP/2 connection to a target.
//
// Dropping it before both messages are whole resets the stream with CANCEL (RFC 9113 7): what
// closing the connection is in HTTP/1, but no other stream notices.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "sluice/upstream/h2_channel.h"
#include "sluice/upstream/h2_connection.h"
#include "sluice/upstream/target_client.h"

namespace sluice::upstream {

// The stream; it is opened with its request's head.
class H2TargetStream final : public H2Channel {
 public:
  // `lease` outlives it.
  H2TargetStream(H2Lease& lease, std::chrono::milliseconds write_timeout);
  ~H2TargetStream() override;

  struct Head {
    http::H2Fields fields;
    observe::Reason defect = observe::Reason::none;
    bool ends = false;
  };
  // The next head, if one has come. Its views live until the next call.
  [[nodiscard]] const Head* next_head();
  // More 1xx than anybody could have read.
  [[nodiscard]] bool has_too_many_heads() const { return has_too_many_heads_; }
  [[nodiscard]] bool was_answered() const { return heads_count_ > 0; }
  [[nodiscard]] std::uint64_t head_bytes() const { return head_bytes_; }
  // It could not be opened, for the connection takes none any more.
  [[nodiscard]] bool was_refused() const { return was_refused_; }
  [[nodiscard]] std::uint32_t error_code() const { return error_code_; }

  [[nodiscard]] auto wait_head() { return reader_.wait(); }
  // The peer's first SETTINGS have come, for which it waits in the same way.
  void settings_came() { note(); }
  void set_deadline(std::chrono::milliseconds after) { read_deadline_.set(after); }
  void clear_deadline() { read_deadline_.clear(); }

 private:
  bool put_head(std::span<const http::H2Session::Line> lines, bool ends) override;
  void on_head(http::H2Fields&& fields, observe::Reason defect, bool ends) override;
  void on_closed(observe::Reason reason, std::uint32_t error_code) override;

  H2Lease& lease_;
  std::vector<Head> heads_;  // come, and not read yet
  Head current_;
  std::uint64_t heads_count_ = 0;
  std::uint64_t head_bytes_ = 0;
  std::uint32_t error_code_ = 0;
  bool has_too_many_heads_ = false;
  bool was_refused_ = false;
};

class H2Client final : public TargetClient {
 public:
  // `write_timeout`: until the connection has taken what it was given.
  H2Client(H2Lease lease, std::chrono::milliseconds write_timeout);
  ~H2Client() override = default;
  H2Client(H2Client&&) noexcept = default;
  H2Client& operator=(H2Client&&) = delete;

  [[nodiscard]] bool is_http2() const override { return true; }
  [[nodiscard]] bool connection_was_used() const override;
  [[nodiscard]] bool received_nothing() const override { return !stream_->was_answered(); }
  [[nodiscard]] bool was_unprocessed() const override;
  [[nodiscard]] bool is_open() const override;

  [[nodiscard]] net::Task<observe::Reason> await_websocket_offer(
      std::chrono::milliseconds timeout) override;
  [[nodiscard]] Sender& sender() override { return *stream_; }
  [[nodiscard]] net::Task<observe::Reason> read_head(http::ResponseHead& head,
                                                     http::Method method) override;
  void set_head_deadline(std::chrono::milliseconds after) override { stream_->set_deadline(after); }
  void clear_head_deadline() override { stream_->clear_deadline(); }
  bool cancel_reader() override { return stream_->cancel_reader(); }
  void skip_head() override {}
  void begin_body(const http::ResponseHead& /*head*/) override {}
  [[nodiscard]] Body& body() override { return *stream_; }
  [[nodiscard]] std::uint64_t head_bytes() const override { return stream_->head_bytes(); }
  void finish(Pool& pool, bool request_sent_whole, bool may_keep) override;
  [[nodiscard]] H2Channel* channel() override { return stream_.get(); }

 private:
  std::unique_ptr<H2Lease> lease_;  // on the heap: the stream has its address
  std::unique_ptr<H2TargetStream> stream_;
  bool was_used_;
};

}  // namespace sluice::upstream
