// One stream of an HTTP/2 connection as a message in and a message out: what the servers' side and
// the targets' side of a stream have in common.
//
// Content that came waits in buffers of the worker's pool, bounded by the window that the stream
// has; taking it opens the window again. What goes out stays the sender's until the session has
// taken it: awaiting that is the back-pressure, for this stream alone. One thread.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "sluice/http/h2_session.h"
#include "sluice/net/buffer.h"
#include "sluice/net/deadline.h"
#include "sluice/net/task.h"
#include "sluice/upstream/h2_link.h"
#include "sluice/upstream/message.h"

namespace sluice::upstream {

class H2Channel : public http::H2Stream, public Body, public Sender {
 public:
  // `write_timeout`: without a byte of it leaving, or of others while its turn has not come.
  H2Channel(H2Link& link, std::chrono::milliseconds write_timeout);
  ~H2Channel() override;

  // Body
  [[nodiscard]] Runs take() override;
  [[nodiscard]] net::Task<net::Transfer> fill(std::chrono::milliseconds timeout) override;
  [[nodiscard]] bool is_finished() const override { return has_ended_ && taken_ == held_; }
  [[nodiscard]] bool has_failed() const override {
    return body_failure_ != observe::Reason::none && taken_ == held_;
  }
  [[nodiscard]] observe::Reason failure() const override { return body_failure_; }
  [[nodiscard]] const http::Fields& trailers() const override { return trailers_; }
  [[nodiscard]] std::uint64_t content_bytes() const override { return content_bytes_; }
  [[nodiscard]] bool can_restart() const override { return takes_ <= 1 && !was_released_; }
  void restart();  // while it can
  // Drops what is held, and what comes.
  void discard_body();

  // Sender
  void set_head(base::Bytes head, bool chunked) override;
  void add(const Runs& runs, bool is_last, std::string_view trailers) override;
  void add_informational(base::Bytes head) override;
  net::Transfer start() override;
  [[nodiscard]] bool is_unfinished() const override { return is_sending_; }
  [[nodiscard]] net::Task<net::Transfer> finish() override;
  bool cancel() override;
  [[nodiscard]] std::uint64_t bytes_written() const override { return bytes_written_; }

  // Ends a wait to read.
  bool cancel_reader();

  // --- for a tunnel, instead of the body: bytes as they come
  // From now on; what the stream carries then is counted by the tunnel alone.
  void begin_tunnel() { is_tunnel_ = true; }
  [[nodiscard]] std::size_t held_bytes() const { return held_; }
  [[nodiscard]] std::size_t read(base::MutableBytes into);  // opens the window by as much
  [[nodiscard]] net::WaitSlot::Awaiter wait_readable() { return reader_.wait(); }
  // How far the stream's window may grow, from now on.
  void bound_window(std::uint32_t bytes) {
    if (session() != nullptr) session()->bound_window(*this, bytes);
  }
  void set_write_timeout(std::chrono::milliseconds timeout) { write_timeout_ = timeout; }
  [[nodiscard]] net::Loop& loop() { return link_.stream().loop(); }

  // Ends the stream from our side.
  void reset(http::H2Error error);
  // The stream has ended; none in `closed_reason` when in order.
  [[nodiscard]] bool is_closed() const { return is_closed_; }
  [[nodiscard]] observe::Reason closed_reason() const { return closed_reason_; }
  // All of the peer's message has come.
  [[nodiscard]] bool has_peer_ended() const { return has_ended_; }
  [[nodiscard]] bool was_sent_whole() const { return sent_end_; }

 protected:
  friend class H2Link;
  // Something has happened since, and the session's calls have returned. May destroy the channel.
  virtual void wake();
  // How a head leaves: as a request or as an answer. False: the stream has ended.
  virtual bool put_head(std::span<const http::H2Session::Line> lines, bool ends) = 0;

  void on_data(base::Bytes content) override;
  void on_end(http::H2Fields&& trailers) override;
  void on_drained() override;
  void on_closed(observe::Reason reason, std::uint32_t error_code) override;

  [[nodiscard]] H2Link& link() { return link_; }
  void note() { link_.note(*this); }

  net::WaitSlot reader_;
  net::Deadline read_deadline_;

 private:
  void release_taken();
  [[nodiscard]] net::Transfer advance();
  struct Progress {
    std::uint64_t mine = 0;  // content that has left, of this stream and of all
    std::uint64_t all = 0;
  };
  [[nodiscard]] Progress progress() const;
  [[nodiscard]] bool has_moved_since(const Progress& before);

  H2Link& link_;
  H2Channel* next_noted_ = nullptr;
  bool is_noted_ = false;

  // --- in
  std::vector<net::Buffer> buffers_;
  std::size_t held_ = 0;   // content in `buffers_`
  std::size_t taken_ = 0;  // of it
  std::uint64_t content_bytes_ = 0;
  std::uint32_t takes_ = 0;
  bool was_released_ = false;
  bool has_ended_ = false;
  bool is_discarding_ = false;
  observe::Reason body_failure_ = observe::Reason::none;
  http::H2Fields trailer_fields_;
  http::Fields trailers_;

  // --- out
  std::chrono::milliseconds write_timeout_;
  net::WaitSlot writer_;
  net::Deadline write_deadline_;
  std::uint32_t periods_waited_ =
      0;  // of write_timeout_, while only others of the connection moved
  base::Bytes informational_;
  base::Bytes head_;
  Runs runs_;
  std::string trailers_out_;
  bool is_last_ = false;
  bool is_sending_ = false;      // `start` was not enough
  bool has_pieces_out_ = false;  // the session has them; an end waits for a window as they do
  bool was_cut_ = false;         // the stream ended with pieces still out
  bool sent_end_ = false;
  std::uint64_t bytes_written_ = 0;

  bool is_tunnel_ = false;
  bool is_closed_ = false;
  observe::Reason closed_reason_ = observe::Reason::none;
};

}  // namespace sluice::upstream
