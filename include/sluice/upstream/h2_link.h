// An HTTP/2 connection at work, either end of it: a session (http/h2_session.h) on a stream of
// net/. Reads what the peer sends, writes what the session has.
//
// Writes of all streams leave together, once per turn of the loop, or when 64 KiB have gathered.
// Streams are told of events only when the session's own calls have returned (`H2Channel::wake`):
// what they do then may use the session. Owned with its stream by whoever runs it. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include "sluice/http/h2_session.h"
#include "sluice/net/buffer.h"
#include "sluice/net/stream.h"
#include "sluice/net/task.h"
#include "sluice/observe/reason.h"

namespace sluice::upstream {

class H2Channel;

class H2Link {
 public:
  // `write_timeout`: between two writes that the kernel took something of.
  H2Link(net::Stream& stream, http::H2Session::Role role, const http::H2Settings& settings,
         http::H2Session::Owner& owner, std::chrono::milliseconds write_timeout);
  ~H2Link();
  H2Link(const H2Link&) = delete;
  H2Link& operator=(const H2Link&) = delete;

  [[nodiscard]] http::H2Session& session() { return session_; }
  [[nodiscard]] const http::H2Session& session() const { return session_; }
  [[nodiscard]] net::Stream& stream() { return stream_; }

  // To the end of the connection, for which every stream has been told the reason then: none when
  // it ended in order, or client_closed, client_write_timeout, or what the session found.
  // `received`: bytes that were read before.
  [[nodiscard]] net::Task<observe::Reason> run(net::Buffer received);
  // Ends `run` with that reason.
  void end(observe::Reason reason);
  [[nodiscard]] bool has_ended() const { return has_ended_; }
  [[nodiscard]] std::uint64_t bytes_received() const { return bytes_received_; }
  // What `run` returns when the stream's read deadline passes; none at first.
  void set_silence_reason(observe::Reason reason) { silence_reason_ = reason; }

  // What the session has leaves at the end of this turn.
  void flush_soon();
  // Gathers what the session has, so that whoever gave it something learns whether it is out of its
  // hands (on_drained).
  void gather();
  // Writes what has been gathered; false when the kernel takes no more: then it goes on by itself.
  bool flush();

 private:
  friend class H2Channel;
  void note(H2Channel& channel);    // it has to be woken
  void forget(H2Channel& channel);  // it goes
  void wake_noted();
  void may_write(net::Wake wake);
  [[nodiscard]] bool feed(base::Bytes bytes);

  net::Stream& stream_;
  http::H2Session session_;
  std::chrono::milliseconds write_timeout_;
  net::Buffer output_;
  std::uint64_t bytes_received_ = 0;
  net::WaitSlot written_;  // for `run`, which waits for it at its end
  H2Channel* first_noted_ = nullptr;
  H2Channel* last_noted_ = nullptr;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  observe::Reason reason_ = observe::Reason::none;
  observe::Reason silence_reason_ = observe::Reason::none;
  bool has_ended_ = false;
  bool is_blocked_ = false;  // the kernel takes no more for now
  bool is_flush_posted_ = false;
  bool is_gathering_ = false;
  bool is_waking_ = false;
};

}  // namespace sluice::upstream
