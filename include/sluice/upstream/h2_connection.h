// An HTTP/2 connection to a target, shared by the exchanges that have a lease of it.
//
// A lease is the right to open one stream: there are never more than the peer allows. Reading goes
// on in a coroutine of the connection's own, which keeps it alive until the peer, or whoever ends
// it, has ended it. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "sluice/http/h2_session.h"
#include "sluice/net/deadline.h"
#include "sluice/net/stream.h"
#include "sluice/upstream/connection_count.h"
#include "sluice/upstream/h2_link.h"

namespace sluice::upstream {

struct GroupCells;
class H2Pool;
class H2TargetStream;

// What a group says about HTTP/2 towards its targets.
struct Http2Settings {
  bool is_enabled = false;
  std::uint32_t max_concurrent_streams = 128;       // of one connection; the peer may allow fewer
  std::chrono::milliseconds ping_interval{30'000};  // of silence with open streams; 0: no PING
  std::chrono::milliseconds ping_timeout{10'000};   // for its answer
  std::size_t headers_bytes = 64 * 1024;            // of an answer's head; one field has as much
  std::size_t header_count = 100;
  std::chrono::milliseconds write_timeout{60'000};  // between two writes that made progress

  bool operator==(const Http2Settings&) const = default;
};

class H2TargetConnection final : public http::H2Session::Owner,
                                 public std::enable_shared_from_this<H2TargetConnection> {
 public:
  // `tls`: that it was opened with.
  H2TargetConnection(net::Loop& loop, GroupCells& cells, H2Pool& pool,
                     std::unique_ptr<net::Stream> stream,
                     std::shared_ptr<const net::ClientTlsContext> tls, ConnectionCount count,
                     const Http2Settings& settings);
  ~H2TargetConnection() override;

  // Once, when a shared_ptr owns it and somebody has a lease.
  void begin();

  [[nodiscard]] H2Link& link() { return link_; }
  [[nodiscard]] const net::ClientTlsContext* tls() const { return tls_.get(); }
  [[nodiscard]] base::SteadyTime opened_at() const { return opened_at_; }
  // It has answered before.
  [[nodiscard]] bool was_used() const { return answers_ > 0; }
  [[nodiscard]] bool has_ended() const { return has_ended_ || link_.has_ended(); }
  [[nodiscard]] bool is_idle() const { return is_idle_; }
  [[nodiscard]] bool has_peer_settings() const { return has_peer_settings_; }
  // How many streams it takes, open ones included, as far as is known: the peer's settings may not
  // have come yet.
  [[nodiscard]] std::uint32_t stream_limit() const { return stream_limit_; }
  // How many leases it would give. One until the peer has told its limit.
  [[nodiscard]] std::uint32_t room() const;

  // `stream`, of the only lease there is until then, is told of the peer's first SETTINGS; when the
  // connection ends before, its wait is cancelled.
  void tell_settings(H2TargetStream& stream) { settings_waiter_ = &stream; }
  void forget_settings_waiter(const H2TargetStream& stream) {
    if (settings_waiter_ == &stream) settings_waiter_ = nullptr;
  }

  // A head of an answer has come.
  void count_answer();
  // Takes no new streams; ends with its last lease.
  void retire();
  // Ends at once, in order; nothing waits on it. For who will not see the loop's next turn.
  void end_now();

 private:
  friend class H2Lease;
  friend class H2Pool;
  [[nodiscard]] static net::Task<> serve(std::shared_ptr<H2TargetConnection> self);
  void add_lease();
  void remove_lease(bool was_opened);
  // A stream ended without anything being read since it was opened: no new ones until the target
  // has answered a PING, or never.
  void doubt();
  void trust();
  void ping();
  void close();
  void leave_pool();
  void become_idle();
  void end_idle();
  void stop_counting();
  void look_after();  // keepalive
  [[nodiscard]] std::uint64_t activity() const;

  // H2Session::Owner
  http::H2Stream* new_stream() override { return nullptr; }  // no push
  void on_peer_settings() override;
  void on_goaway(std::int32_t last_stream_id, std::uint32_t error_code) override;
  void on_pong() override;

  net::Loop& loop_;
  GroupCells& cells_;
  H2Pool* pool_;  // null: it takes no new streams
  std::optional<ConnectionCount> count_;
  std::unique_ptr<net::Stream> stream_;
  std::shared_ptr<const net::ClientTlsContext> tls_;
  const Http2Settings settings_;
  H2Link link_;
  const base::SteadyTime opened_at_;
  std::uint32_t stream_limit_;
  std::uint32_t leases_ = 0;
  std::uint32_t unopened_ = 0;  // leases whose stream is not open yet
  std::uint64_t requests_ = 0;
  std::uint64_t answers_ = 0;
  std::uint64_t pongs_ = 0;
  std::uint64_t activity_seen_ = 0;
  H2TargetStream* settings_waiter_ = nullptr;
  bool has_peer_settings_ = false;
  bool is_idle_ = false;
  bool is_counted_ = true;
  bool is_pinging_ = false;  // and no answer yet
  bool is_doubted_ = false;
  base::SteadyTime doubted_at_{};  // last; zero: never
  bool is_closing_ = false;
  bool has_ended_ = false;
  net::Deadline idle_deadline_;
  net::Deadline ping_deadline_;
};

// One of the streams that a connection takes; given back when it goes.
class H2Lease {
 public:
  H2Lease() = default;
  explicit H2Lease(std::shared_ptr<H2TargetConnection> connection);
  ~H2Lease() { release(); }
  H2Lease(H2Lease&& other) noexcept;
  H2Lease& operator=(H2Lease&& other) noexcept;

  [[nodiscard]] bool is_held() const { return connection_ != nullptr; }
  [[nodiscard]] H2TargetConnection& connection() const { return *connection_; }
  // Unless others have leases then, the connection is closed afterwards.
  void close_after() { closes_after_ = true; }
  // The session counts the stream from now on.
  void opened();
  void release();

 private:
  [[nodiscard]] bool was_in_vain() const;

  std::shared_ptr<H2TargetConnection> connection_;
  base::SteadyTime opened_at_{};
  std::uint64_t received_then_ = 0;  // of the connection, when the stream was opened
  bool was_opened_ = false;
  bool closes_after_ = false;
};

}  // namespace sluice::upstream
