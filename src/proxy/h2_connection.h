// All streams of one HTTP/2 client connection (RFC 9113): each is an exchange of its own, in a
// coroutine of its own.
//
// Work begun for a stream counts until its exchange has ended, also after the client has reset it
// (T13): so many at a time as `http2.max_concurrent_streams` says. One thread.
#pragma once

#include <memory>
#include <vector>

#include "sluice/http/h2_session.h"
#include "sluice/net/deadline.h"
#include "sluice/net/task.h"
#include "sluice/upstream/h2_link.h"

namespace sluice::upstream {
class Pool;
}

namespace sluice::proxy {

class Connection;
class H2Server;

class H2Connection final : private http::H2Session::Owner {
 public:
  explicit H2Connection(Connection& connection);
  ~H2Connection() override;
  H2Connection(const H2Connection&) = delete;
  H2Connection& operator=(const H2Connection&) = delete;

  // Begins with what was read before; the connection and all its exchanges are over when it
  // returns.
  [[nodiscard]] net::Task<> serve(net::Buffer received);

  // The client is told to open no more streams, and has a second to learn it; then those that come
  // are refused, and the connection ends with its last stream.
  void end_soon();
  void end_when_idle();  // the same at once
  // Exchanges at a target of `pool` end (its deregistration delay is over).
  void end_exchanges_with(const upstream::Pool& pool);

  [[nodiscard]] Connection& connection() { return connection_; }
  [[nodiscard]] upstream::H2Link& link() { return link_; }

 private:
  friend class H2Server;
  [[nodiscard]] http::H2Stream* new_stream() override;
  void on_peer_settings() override {}
  void on_goaway(std::int32_t last_stream_id, std::uint32_t error_code) override;
  void on_pong() override {}
  void head_came();  // of a stream
  void await_no_head();
  void remove(H2Server& stream);  // destroys it
  void count_end(observe::Reason reason);

  Connection& connection_;
  upstream::H2Link link_;
  std::vector<std::unique_ptr<H2Server>> streams_;  // with their exchanges, if those have begun
  net::Deadline refusing_;
  net::WaitSlot emptied_;
  bool is_ending_ = false;
  bool is_refusing_ = false;
};

}  // namespace sluice::proxy
