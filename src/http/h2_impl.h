// The inside of H2Session, shared by h2_session.cc and h2_stream.cc (the door), h2_receive.cc (what
// nghttp2 says about bytes that came) and h2_send.cc (what it asks for when bytes go).
//
// Frames that are no DATA wait in `outbox_`, once nghttp2 has packed them: `receive` packs them at
// its end, so that resets and GOAWAYs that nghttp2 decided on are seen at once. DATA goes straight
// from the pieces into the buffer that `send` is given.
//
// nghttp2 must not be entered again from within its callbacks, but for submitting. When a
// connection fails inside of a callback, `fail` notes why, and every callback from then on gives
// NGHTTP2_ERR_CALLBACK_FAILURE; nghttp2 is not asked again after that, and GOAWAY is made by hand.
#pragma once

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "http/h2_abuse.h"
#include "sluice/http/h2_session.h"

namespace sluice::http {

struct H2Stream::Trailers {
  struct Line {
    std::string name;
    std::string value;
    bool is_sensitive = false;
  };
  std::vector<Line> lines;
};

struct H2Session::Impl {
  Impl(H2Session& door, Role role, const H2Settings& settings, Owner& owner);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // --- streams
  void attach(H2Stream& stream, std::int32_t id);
  void detach(H2Stream& stream);
  void abandon(H2Stream& stream);  // its object ends: CANCEL, and nobody is told
  void close(H2Stream& stream, observe::Reason reason, std::uint32_t error_code);
  void close_all(observe::Reason reason, std::uint32_t error_code);
  void submit_reset(std::int32_t id, std::uint32_t error_code);
  // The object of a stream, unless there is none (refused, abandoned), or it was reset by us.
  [[nodiscard]] H2Stream* find(std::int32_t id) const;
  [[nodiscard]] H2Stream* find_live(std::int32_t id) const;
  [[nodiscard]] bool may_send(const H2Stream& stream) const;
  void give_back(std::size_t bytes);  // to the connection's window

  // --- failing
  // Notes why the connection fails; the first reason stays. `finish` does the rest, outside of
  // nghttp2.
  void fail(observe::Reason reason, std::uint32_t error_code, std::string_view text);
  void fail_unless_none(observe::Reason reason);  // of a limit
  [[nodiscard]] int verdict() const {
    return stopped_ ? static_cast<int>(NGHTTP2_ERR_CALLBACK_FAILURE) : 0;
  }
  void finish();
  void fail_by_library(int error);

  // --- out
  void pack_waiting_frames();  // into the outbox
  void check_queue();
  std::size_t flush_outbox(base::MutableBytes out);
  [[nodiscard]] bool is_outbox_empty() const { return outbox_begin_ == outbox_.size(); }
  [[nodiscard]] std::size_t outbox_bytes() const { return outbox_.size() - outbox_begin_; }
  const std::vector<nghttp2_nv>& to_nva(std::span<const Line> lines);
  void resume(H2Stream& stream);
  bool submit_stored_trailers(H2Stream& stream);

  // --- in
  void begin_block();
  void count_field(std::string_view name, std::string_view value);
  void end_message(std::int32_t id, H2Fields&& trailers);
  void on_headers(const nghttp2_frame& frame);
  void on_settings(const nghttp2_frame& frame);
  void check_identifier(std::uint8_t type, std::int32_t id);
  void look_at_frames(base::Bytes bytes);
  void look_at_frame(std::uint8_t type, std::uint32_t size, std::int32_t id);
  void remember_reset(std::int32_t id);
  void grow_window(H2Stream& stream);
  // By how many bytes the windows of all streams together may grow beyond their first ones: two
  // streams as far as one may.
  [[nodiscard]] std::uint64_t growth_most() const {
    return 2 * std::max(settings_.max_window_bytes, settings_.initial_window_bytes);
  }

  // --- nghttp2's callbacks
  static int begin_frame(nghttp2_session*, const nghttp2_frame_hd* header, void* self);
  static int begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                    std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                    std::uint8_t flags, void* self);
  static int invalid_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                            std::size_t name_size, const std::uint8_t* value,
                            std::size_t value_size, std::uint8_t flags, void* self);
  static int data_chunk(nghttp2_session*, std::uint8_t flags, std::int32_t id,
                        const std::uint8_t* data, std::size_t size, void* self);
  static int frame_received(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int stream_closed(nghttp2_session*, std::int32_t id, std::uint32_t error_code, void* self);
  static int before_frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int frame_sent(nghttp2_session*, const nghttp2_frame* frame, void* self);
  static int frame_not_sent(nghttp2_session*, const nghttp2_frame* frame, int error, void* self);
  static ssize_t read_data(nghttp2_session*, std::int32_t id, std::uint8_t* buffer,
                           std::size_t size, std::uint32_t* flags, nghttp2_data_source*,
                           void* self);
  static int send_data(nghttp2_session*, nghttp2_frame* frame, const std::uint8_t* header,
                       std::size_t size, nghttp2_data_source*, void* self);
  void set_callbacks(nghttp2_session_callbacks* callbacks) const;
  void set_options(nghttp2_option* option) const;
  void submit_settings();

  H2Session& door_;
  const Role role_;
  const H2Settings settings_;
  Owner& owner_;
  nghttp2_session* session_ = nullptr;
  H2Abuse abuse_;

  H2Stream* first_stream_ = nullptr;
  std::uint32_t stream_count_ = 0;
  std::uint64_t grown_bytes_ = 0;       // of the windows of all streams, at most `growth_most`
  std::uint32_t outgoing_streams_ = 0;  // as nghttp2 counts them: with those that are abandoned

  // The field block that is coming in: there is one at a time.
  H2FieldsBuilder fields_;
  observe::Reason defect_ = observe::Reason::none;
  std::size_t block_bytes_ = 0;
  std::size_t block_fields_ = 0;
  std::size_t block_crumbs_ = 0;
  bool is_block_unwanted_ = false;  // of a stream that we refuse: decoded and counted only

  // Server: which streams there have been. The peer may still send on one that we reset, and on
  // one behind our GOAWAY; on any other that has ended it may not.
  std::int32_t highest_id_ = 0;
  std::int32_t refused_above_ = std::numeric_limits<std::int32_t>::max();
  std::vector<std::int32_t> resets_;  // the latest that we sent; the oldest are overwritten
  std::size_t next_reset_ = 0;
  std::int32_t forgotten_reset_ = 0;  // the highest that was overwritten
  static constexpr std::size_t frame_head_bytes = 9;
  std::array<unsigned char, frame_head_bytes> frame_head_{};  // the one that is coming in
  std::size_t frame_head_size_ = 0;
  std::size_t before_frame_head_ = NGHTTP2_CLIENT_MAGIC_LEN;  // bytes of no interest
  std::uint64_t block_wire_bytes_ = 0;                        // of the field block, encoded

  std::uint8_t last_frame_type_ = 0;
  std::size_t frame_content_ = 0;  // of the DATA frame that is coming in
  bool has_peer_settings_ = false;
  std::uint32_t peer_max_streams_ = 0;
  bool has_goaway_ = false;
  std::uint32_t pings_under_way_ = 0;

  observe::Reason failure_ = observe::Reason::none;
  std::uint32_t failure_code_ = 0;
  std::string error_text_;
  bool stopped_ = false;        // nghttp2 is not asked any more
  bool goaway_packed_ = false;  // by nghttp2, with an error
  bool finished_ = false;
  bool is_inside_ = false;  // of nghttp2

  std::vector<char> outbox_;
  std::size_t outbox_begin_ = 0;
  base::MutableBytes out_;  // what is left of `send`'s buffer, while it runs
  bool out_has_bytes_ = false;
  std::vector<nghttp2_nv> nva_;
  std::uint64_t content_received_ = 0;
  std::uint64_t content_sent_ = 0;
};

}  // namespace sluice::http
