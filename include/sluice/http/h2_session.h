// One HTTP/2 connection (RFC 9113), either end of it: bytes in, events out, bytes out. No I/O.
//
// The door to nghttp2, in memory mode. `receive` takes what the peer sent and tells streams what
// happened; `send` gives the bytes that have to go out. Whoever owns the session reads and writes
// the connection, and calls `send` after anything that may have made bytes: once per turn of its
// loop, so that all streams share a write. Limits on what a peer may make us do (T13, T14, T15)
// are counted here, with reasons of their own. One thread. Nothing throws.
#pragma once

#include <boost/container/static_vector.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/bytes.h"
#include "sluice/base/clock.h"
#include "sluice/http/h2_fields.h"
#include "sluice/observe/reason.h"

namespace sluice::http {

class H2Session;

// RFC 9113 7: those we send, and act on.
enum class H2Error : std::uint32_t {
  no_error = 0x0,
  protocol_error = 0x1,
  internal_error = 0x2,
  flow_control_error = 0x3,
  refused_stream = 0x7,
  cancel = 0x8,
  compression_error = 0x9,
  enhance_your_calm = 0xb,
};

// One stream, as whoever derives from it sees it. Events come from inside `receive` and `send`;
// they may use the session (submit, reset), but may not destroy it.
class H2Stream {
 public:
  H2Stream();
  virtual ~H2Stream();  // detaches: a session that still has the stream resets it with `cancel`
  H2Stream(const H2Stream&) = delete;
  H2Stream& operator=(const H2Stream&) = delete;

  [[nodiscard]] std::int32_t id() const { return id_; }
  [[nodiscard]] bool is_attached() const { return session_ != nullptr; }
  [[nodiscard]] H2Session* session() const { return session_; }

 protected:
  friend class H2Session;
  // A head: of a request (server), or of an answer, once per 1xx and once for the final one
  // (client). `defect`: a limit of ours was passed while it came (header_too_large,
  // headers_too_large, too_many_headers, too_many_cookie_crumbs): `fields` holds what had come by
  // then. Field names and values are valid by RFC 9113 8.2 otherwise; what they mean is judged in
  // h2_head.h. `ends`: no content follows.
  virtual void on_head(H2Fields&& fields, observe::Reason defect, bool ends) = 0;
  // Content, never empty. It counts against the windows until `H2Session::consumed` says otherwise,
  // or the stream ends; the view ends with the call.
  virtual void on_data(base::Bytes content) = 0;
  // The message is whole, also one without content, after its on_head; `trailers` is empty when
  // there were none.
  virtual void on_end(H2Fields&& trailers) = 0;
  // What `send_data` or `send_trailers` was given has left it: views are not needed any more. Once
  // for each call that gave bytes or the end, which waits for a window, too; from inside `send`.
  virtual void on_drained() = 0;
  // The stream has ended, and the session has forgotten it. `reason`: none when both messages are
  // whole, or when we reset it ourselves by `reset`. Else who broke it off:
  // h2_reset_by_peer (error_code tells), h2_stream_error (the peer broke a rule), connection-wide
  // reasons, or h2_unprocessed: by GOAWAY or REFUSED_STREAM, nothing was done with it (RFC
  // 9113 8.7).
  virtual void on_closed(observe::Reason reason, std::uint32_t error_code) = 0;

 private:
  struct Trailers;  // to be sent, when the data before them has left

  H2Session* session_ = nullptr;
  std::int32_t id_ = 0;
  // All streams of the session.
  H2Stream* previous_ = nullptr;
  H2Stream* next_ = nullptr;
  // What is on its way out; see send_data.
  boost::container::static_vector<base::Bytes, 16> pieces_;
  std::uint8_t first_piece_ = 0;
  bool has_sent_head_ = false;
  bool last_pieces_ = false;
  bool is_waiting_ = false;  // nghttp2 will not ask for data before it is told to
  std::unique_ptr<Trailers> trailers_;
  // Received and not consumed yet, of this stream's window.
  std::uint32_t held_bytes_ = 0;
  std::uint32_t consumed_since_growth_ = 0;
  std::uint32_t grown_bytes_ = 0;  // of its window, beyond the first
  std::uint32_t window_limit_ = 0;
  std::uint64_t content_sent_ = 0;
  bool has_head_ = false;        // the final one has come
  bool has_ended_ = false;       // the peer's message is whole
  bool is_reset_by_us_ = false;  // events end, but for on_closed
  observe::Reason closing_ = observe::Reason::none;
};

struct H2Settings {
  std::uint32_t max_concurrent_streams = 128;  // server: of the peer's; client: of ours
  // Windows that we grant, for one stream: where it begins, and how far it grows for a stream whose
  // consumer keeps up (doubled each time that a window's worth was consumed with nothing held).
  // All together grow by twice the largest at most, and the connection's window is larger than
  // their sum: a stream that nobody reads holds back itself and no other.
  std::uint32_t initial_window_bytes = 64 * 1024;
  std::uint32_t max_window_bytes = 16 * 1024 * 1024;
  // Field blocks, decoded.
  std::size_t field_bytes = 16 * 1024;    // one name and value
  std::size_t headers_bytes = 64 * 1024;  // list_bytes; announced as SETTINGS_MAX_HEADER_LIST_SIZE
  // Fields; the crumbs of Cookie count apart, and pseudo-header fields not (each comes once).
  std::size_t header_count = 100;
  std::size_t cookie_crumbs = 64;  // `cookie` fields (T15)
  bool extended_connect = true;    // server: RFC 8441 is offered

  // What a peer may do within `abuse_window` before the connection is closed with
  // ENHANCE_YOUR_CALM. 0: unlimited. Each has a reason of its own (h2_too_many_...).
  std::chrono::milliseconds abuse_window{10'000};
  std::uint32_t resets = 200;  // streams that the peer reset (T13, Rapid Reset)
  std::uint32_t provoked_resets =
      100;                          // streams that we had to reset for its faults (MadeYouReset)
  std::uint32_t continuations = 8;  // frames of one field block
  std::uint32_t settings = 32;
  std::uint32_t pings = 100;
  std::uint32_t priority_updates = 400;   // PRIORITY_UPDATE and PRIORITY
  std::uint32_t empty_data = 100;         // DATA frames without content that do not end the stream
  std::uint32_t window_updates = 20'000;  // beyond one per 1,000 bytes sent
  // Field blocks beyond one of the limits above, trailers and those of refused streams, too (T15).
  std::uint32_t refused_heads = 50;
};

class H2Session {
 public:
  enum class Role : std::uint8_t { server, client };

  // Who makes the streams that a peer opens.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Server: a stream for a request that begins. The owner keeps it alive until its on_closed.
    // Null: no work can be taken on, and the stream is refused (REFUSED_STREAM).
    [[nodiscard]] virtual H2Stream* new_stream() = 0;
    // The peer's first SETTINGS, or a change of its max_concurrent_streams.
    virtual void on_peer_settings() = 0;
    // The peer will take no new streams. Those beyond `last_stream_id` get
    // on_closed(h2_unprocessed).
    virtual void on_goaway(std::int32_t last_stream_id, std::uint32_t error_code) = 0;
    // An answer to `ping`.
    virtual void on_pong() = 0;
  };

  H2Session(Role role, const H2Settings& settings, Owner& owner);
  ~H2Session();  // detaches all streams without telling them
  H2Session(const H2Session&) = delete;
  H2Session& operator=(const H2Session&) = delete;

  // --- bytes
  // None, or why the connection ends: the peer broke a rule (h2_protocol_error and its kin) or a
  // limit. GOAWAY with the error is then the last thing `send` gives. Every stream gets on_closed
  // with that reason before this returns. (Where a peer does not read and more than 64 KiB wait for
  // it, a broken rule may be found by `send` only, which then ends the streams: `failure` tells.)
  [[nodiscard]] observe::Reason receive(base::Bytes bytes, base::SteadyTime now);
  // Fills `out` from the front and returns how much; 0: nothing has to go out, or nothing may, or
  // `out` (at least 32 KiB when empty) has no room for the next piece. Not from inside of events.
  [[nodiscard]] std::size_t send(base::MutableBytes out);
  [[nodiscard]] bool wants_send() const;
  // Nothing will come or go any more: GOAWAY has been sent or taken, and no stream is open.
  [[nodiscard]] bool is_over() const;
  // Why the connection failed, found by `receive` or `send`; none so far, or after `terminate`.
  [[nodiscard]] observe::Reason failure() const;
  // What was wrong, in a few words for the log, after `receive` failed.
  [[nodiscard]] const std::string& error_text() const;

  // The connection is gone: every stream gets on_closed(reason).
  void abandon(observe::Reason reason);

  // --- streams, both roles
  struct Line {
    std::string_view name;  // any case; sent in lower case. Pseudo-header fields first.
    std::string_view value;
    bool is_sensitive = false;  // never indexed by HPACK (RFC 7541 7.1)
  };
  // Lines are copied. False: the stream has ended (its on_closed says why).
  [[nodiscard]] bool send_head(H2Stream& stream, std::span<const Line> lines, bool ends);
  // 1xx, before the head. Server.
  [[nodiscard]] bool send_informational(H2Stream& stream, std::span<const Line> lines);
  // After the head. The pieces stay the caller's, and valid, until `on_drained`; one call at a
  // time, at most 16 pieces. `ends`: nothing follows, also for no pieces. False: the stream has
  // ended.
  [[nodiscard]] bool send_data(H2Stream& stream, std::span<const base::Bytes> pieces, bool ends);
  // Gives up what `send_data` was given: its views end.
  void forget_data(H2Stream& stream);
  // Ends the message with trailers; nothing is under way.
  [[nodiscard]] bool send_trailers(H2Stream& stream, std::span<const Line> lines);
  // Ends the stream from our side; its on_closed follows, with reason none.
  void reset(H2Stream& stream, H2Error error);
  // So many of the bytes given by on_data are not held any more: the windows open again.
  void consumed(H2Stream& stream, std::size_t bytes);
  // From now on the stream's window grows no further than that; never beyond max_window_bytes.
  void bound_window(H2Stream& stream, std::uint32_t bytes);

  // --- streams, client
  // Opens `stream` with a request. False: no more can be opened now (may_open), or for ever.
  [[nodiscard]] bool open(H2Stream& stream, std::span<const Line> lines, bool ends);
  // How many streams could be opened now: the peer's limit less those open; 0 after GOAWAY.
  [[nodiscard]] std::uint32_t may_open() const;
  [[nodiscard]] bool peer_takes_extended_connect() const;

  // --- connection
  [[nodiscard]] std::uint32_t open_streams() const;
  // GOAWAY that refuses nothing yet (RFC 9113 6.8): new streams still come for a round trip.
  void announce_shutdown();
  // GOAWAY: streams that come from now on are refused, those that are open go on.
  void refuse_new_streams();
  // GOAWAY, and nothing else. Streams get on_closed (none) from inside the next `send` or
  // `receive`.
  void terminate(H2Error error);
  void ping();
  // Since the beginning; content only.
  [[nodiscard]] std::uint64_t content_received() const;
  [[nodiscard]] std::uint64_t content_sent() const;
  [[nodiscard]] std::uint64_t content_sent(const H2Stream& stream) const;
  // The peer takes no content of this stream for now, whatever it takes of others.
  [[nodiscard]] bool is_window_shut(const H2Stream& stream) const;

  struct Impl;  // of h2_impl.h

 private:
  friend class H2Stream;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::http
