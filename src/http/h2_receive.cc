// What nghttp2 says about the bytes that came.
#include <algorithm>
#include <cstring>
#include <limits>

#include "http/h2_impl.h"

namespace sluice::http {

using observe::Reason;

namespace {

// Decoding goes on behind the limit, for HPACK has a state, but not for ever (T15).
constexpr std::size_t block_patience = 4;

H2Session::Impl& impl(void* self) { return *static_cast<H2Session::Impl*>(self); }

std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

bool is_informational(const H2Fields& fields) {
  return !fields.all().empty() && fields.all().front().name == ":status" &&
         fields.all().front().value.starts_with('1');
}

}  // namespace

int H2Session::Impl::begin_frame(nghttp2_session* /*session*/, const nghttp2_frame_hd* header,
                                 void* self) {
  Impl& me = impl(self);
  me.last_frame_type_ = header->type;
  if (me.role_ == Role::server) me.check_identifier(header->type, header->stream_id);
  switch (header->type) {
    case NGHTTP2_DATA: me.frame_content_ = 0; break;
    case NGHTTP2_HEADERS:
    case NGHTTP2_PUSH_PROMISE: me.begin_block(); break;
    case NGHTTP2_CONTINUATION:
      if (me.role_ == Role::client) me.fail_unless_none(me.abuse_.continuation());
      break;
    case NGHTTP2_RST_STREAM: me.fail_unless_none(me.abuse_.reset()); break;
    case NGHTTP2_SETTINGS: me.fail_unless_none(me.abuse_.settings()); break;
    case NGHTTP2_PING: me.fail_unless_none(me.abuse_.ping()); break;
    case NGHTTP2_PRIORITY:
    case NGHTTP2_PRIORITY_UPDATE: me.fail_unless_none(me.abuse_.priority_update()); break;
    case NGHTTP2_WINDOW_UPDATE:
      me.fail_unless_none(me.abuse_.window_update(me.content_sent_));
      break;
    default: break;
  }
  return me.verdict();
}

// RFC 9113 5.1, 5.1.1, 6.1 and 6.3, where nghttp2 ignores what is wrong.
void H2Session::Impl::check_identifier(std::uint8_t type, std::int32_t id) {
  if (type == NGHTTP2_PRIORITY && id == 0) {
    return fail(Reason::h2_protocol_error, NGHTTP2_PROTOCOL_ERROR, "PRIORITY: stream_id == 0");
  }
  if (type != NGHTTP2_HEADERS && type != NGHTTP2_DATA) return;
  if (id > highest_id_) {  // a new stream; DATA of one is judged by nghttp2
    if (type == NGHTTP2_HEADERS) highest_id_ = id;
    return;
  }
  if (id % 2 == 0 || id > refused_above_ || id <= forgotten_reset_ ||
      nghttp2_session_get_stream_remote_close(session_, id) != -1 ||
      std::ranges::find(resets_, id) != resets_.end()) {
    return;
  }
  fail(Reason::h2_protocol_error, NGHTTP2_STREAM_CLOSED, "a frame of a stream that has ended");
}

// nghttp2 drops DATA of a stream that has ended without a word. A stream does not come back: one
// that has ended before these bytes were taken in has ended for all of them.
void H2Session::Impl::look_at_frames(base::Bytes bytes) {
  while (!bytes.empty() && !stopped_) {
    if (before_frame_head_ > 0) {
      const std::size_t skipped = std::min(before_frame_head_, bytes.size());
      before_frame_head_ -= skipped;
      bytes = bytes.subspan(skipped);
      continue;
    }
    const std::size_t part = std::min(frame_head_bytes - frame_head_size_, bytes.size());
    std::memcpy(frame_head_.data() + frame_head_size_, bytes.data(), part);
    bytes = bytes.subspan(part);
    frame_head_size_ += part;
    if (frame_head_size_ < frame_head_bytes) return;
    frame_head_size_ = 0;
    const auto number = [this](std::size_t at, std::size_t count) {
      std::uint32_t value = 0;
      for (std::size_t i = at; i < at + count; ++i) value = value << 8 | frame_head_[i];
      return value;
    };
    before_frame_head_ = number(0, 3);
    constexpr std::uint32_t identifier = 0x7fff'ffff;
    look_at_frame(frame_head_[3], number(0, 3),
                  static_cast<std::int32_t>(number(5, 4) & identifier));
  }
}

// Of field blocks that it ignores nghttp2 tells nothing: they cost as much as others.
void H2Session::Impl::look_at_frame(std::uint8_t type, std::uint32_t size, std::int32_t id) {
  switch (type) {
    case NGHTTP2_DATA: return check_identifier(NGHTTP2_DATA, id);
    case NGHTTP2_HEADERS:
      abuse_.begin_block();
      block_wire_bytes_ = size;
      break;
    case NGHTTP2_CONTINUATION:
      fail_unless_none(abuse_.continuation());
      block_wire_bytes_ += size;
      break;
    default: return;
  }
  if (block_wire_bytes_ / block_patience <= settings_.headers_bytes) return;
  fail(Reason::headers_too_large, NGHTTP2_ENHANCE_YOUR_CALM, "field block of enormous size");
}

void H2Session::Impl::remember_reset(std::int32_t id) {
  constexpr std::size_t most = 256;  // far more than are sent within a round trip
  if (role_ != Role::server || nghttp2_session_get_stream_remote_close(session_, id) == 1) return;
  if (resets_.size() < most) return resets_.push_back(id);
  forgotten_reset_ = std::max(forgotten_reset_, resets_[next_reset_]);
  resets_[next_reset_] = id;
  next_reset_ = (next_reset_ + 1) % most;
}

void H2Session::Impl::begin_block() {
  if (role_ == Role::client) abuse_.begin_block();
  fields_.clear();
  is_block_unwanted_ = false;
  defect_ = Reason::none;
  block_bytes_ = 0;
  block_fields_ = 0;
  block_crumbs_ = 0;
}

int H2Session::Impl::begin_headers(nghttp2_session* session, const nghttp2_frame* frame,
                                   void* self) {
  Impl& me = impl(self);
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) {
    return me.verdict();
  }
  H2Stream* const stream = me.owner_.new_stream();
  if (stream != nullptr) {
    me.attach(*stream, frame->hd.stream_id);
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
    return me.verdict();
  }
  // `this` marks a stream that we gave up ourselves: its reset is no fault of the peer.
  nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, self);
  me.submit_reset(frame->hd.stream_id, NGHTTP2_REFUSED_STREAM);
  me.is_block_unwanted_ = true;
  return me.verdict();
}

int H2Session::Impl::header(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/,
                            const std::uint8_t* name, std::size_t name_size,
                            const std::uint8_t* value, std::size_t value_size,
                            std::uint8_t /*flags*/, void* self) {
  Impl& me = impl(self);
  me.count_field(text(name, name_size), text(value, value_size));
  return me.verdict();
}

int H2Session::Impl::invalid_header(nghttp2_session* /*session*/, const nghttp2_frame* /*frame*/,
                                    const std::uint8_t* /*name*/, std::size_t /*name_size*/,
                                    const std::uint8_t* /*value*/, std::size_t /*value_size*/,
                                    std::uint8_t /*flags*/, void* self) {
  // nghttp2 would drop the field only; RFC 9113 8.2.1 calls the message malformed.
  if (impl(self).stopped_) return impl(self).verdict();
  return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

void H2Session::Impl::count_field(std::string_view name, std::string_view value) {
  constexpr std::size_t bytes_of_a_field = 32;  // RFC 9113 6.5.2
  const std::size_t size = name.size() + value.size();
  block_bytes_ += size + bytes_of_a_field;
  if (name == "cookie") {
    ++block_crumbs_;
  } else if (!name.starts_with(':')) {
    ++block_fields_;
  }
  if (block_bytes_ / block_patience > settings_.headers_bytes) {
    fail(Reason::headers_too_large, NGHTTP2_ENHANCE_YOUR_CALM, "field block of enormous size");
    return;
  }
  if (defect_ != Reason::none) return;
  if (size > settings_.field_bytes) {
    defect_ = Reason::header_too_large;
  } else if (block_bytes_ > settings_.headers_bytes) {
    defect_ = Reason::headers_too_large;
  } else if (block_fields_ > settings_.header_count) {
    defect_ = Reason::too_many_headers;
  } else if (block_crumbs_ > settings_.cookie_crumbs) {
    defect_ = Reason::too_many_cookie_crumbs;
  } else {
    if (!is_block_unwanted_) fields_.append(name, value);
    return;
  }
  fail_unless_none(abuse_.refused_head());
}

void H2Session::Impl::on_headers(const nghttp2_frame& frame) {
  const std::int32_t id = frame.hd.stream_id;
  H2Stream* const stream = find_live(id);
  if (stream == nullptr) return;
  H2Fields fields = fields_.take();
  const bool ends = (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (stream->has_head_) {  // trailers: nghttp2 has seen to it that they end the stream
    if (defect_ == Reason::none) {
      end_message(id, std::move(fields));
      return;
    }
    stream->closing_ = defect_;
    submit_reset(id, NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  stream->has_head_ = role_ == Role::server || !is_informational(fields);
  stream->on_head(std::move(fields), defect_, ends);
  if (ends) end_message(id, {});
}

// By its id, for the event before may have ended the stream.
void H2Session::Impl::end_message(std::int32_t id, H2Fields&& trailers) {
  H2Stream* const stream = find_live(id);
  if (stream == nullptr) return;
  stream->has_ended_ = true;
  stream->on_end(std::move(trailers));
}

int H2Session::Impl::data_chunk(nghttp2_session* /*session*/, std::uint8_t /*flags*/,
                                std::int32_t id, const std::uint8_t* data, std::size_t size,
                                void* self) {
  Impl& me = impl(self);
  me.content_received_ += size;
  me.frame_content_ += size;
  H2Stream* const stream = me.find_live(id);
  if (stream == nullptr) {
    me.give_back(size);  // nobody holds it
  } else {
    stream->held_bytes_ += static_cast<std::uint32_t>(size);
    stream->on_data(base::as_bytes(text(data, size)));
  }
  return me.verdict();
}

int H2Session::Impl::frame_received(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                                    void* self) {
  Impl& me = impl(self);
  switch (frame->hd.type) {
    case NGHTTP2_HEADERS: me.on_headers(*frame); break;
    case NGHTTP2_DATA:
      if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        me.end_message(frame->hd.stream_id, {});
      } else if (me.frame_content_ == 0) {  // also one of padding only
        me.fail_unless_none(me.abuse_.empty_data());
      }
      break;
    case NGHTTP2_RST_STREAM:
      if (H2Stream* const stream = me.find_live(frame->hd.stream_id); stream != nullptr) {
        const bool is_refusal =
            me.role_ == Role::client && frame->rst_stream.error_code == NGHTTP2_REFUSED_STREAM;
        stream->closing_ = is_refusal ? Reason::h2_unprocessed : Reason::h2_reset_by_peer;
      }
      break;
    case NGHTTP2_SETTINGS: me.on_settings(*frame); break;
    case NGHTTP2_PING:
      if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && me.pings_under_way_ > 0) {
        --me.pings_under_way_;
        me.owner_.on_pong();
      }
      break;
    case NGHTTP2_GOAWAY:
      me.has_goaway_ = true;
      me.owner_.on_goaway(frame->goaway.last_stream_id, frame->goaway.error_code);
      break;
    default: break;
  }
  return me.verdict();
}

void H2Session::Impl::on_settings(const nghttp2_frame& frame) {
  if ((frame.hd.flags & NGHTTP2_FLAG_ACK) != 0) return;
  const std::uint32_t max_streams =
      nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  if (has_peer_settings_ && max_streams == peer_max_streams_) return;
  has_peer_settings_ = true;
  peer_max_streams_ = max_streams;
  owner_.on_peer_settings();
}

int H2Session::Impl::stream_closed(nghttp2_session* session, std::int32_t id,
                                   std::uint32_t error_code, void* self) {
  Impl& me = impl(self);
  if (nghttp2_session_check_server_session(session) == 0 && id % 2 != 0) --me.outgoing_streams_;
  H2Stream* const stream = me.find(id);
  if (stream == nullptr) return me.verdict();
  Reason reason = stream->closing_;
  if (stream->is_reset_by_us_) {
    reason = Reason::none;
  } else if (reason == Reason::none && me.failure_ != Reason::none) {
    reason = me.failure_;
  } else if (reason == Reason::none && error_code == NGHTTP2_REFUSED_STREAM) {
    reason = Reason::h2_unprocessed;  // behind a GOAWAY, or never sent
  } else if (reason == Reason::none && error_code != NGHTTP2_NO_ERROR) {
    reason = Reason::h2_stream_error;
  }
  me.close(*stream, reason, error_code);
  return me.verdict();
}

void H2Session::Impl::give_back(std::size_t bytes) {
  if (bytes == 0 || stopped_) return;
  nghttp2_session_consume_connection(session_, bytes);
}

// Doubled when a window's worth was taken by a consumer that keeps up, while all streams together
// have not grown by more than `growth_most`.
void H2Session::Impl::grow_window(H2Stream& stream) {
  const std::int32_t window =
      nghttp2_session_get_stream_effective_local_window_size(session_, stream.id_);
  if (window <= 0 || stream.consumed_since_growth_ < static_cast<std::uint32_t>(window)) return;
  stream.consumed_since_growth_ = 0;
  if (static_cast<std::uint32_t>(window) >= stream.window_limit_) return;
  const auto now = static_cast<std::uint64_t>(window);
  const std::uint64_t wider =
      std::min<std::uint64_t>({2 * now, stream.window_limit_, now + growth_most() - grown_bytes_,
                               std::numeric_limits<std::int32_t>::max()});
  if (wider <= now) return;
  stream.grown_bytes_ += static_cast<std::uint32_t>(wider - now);
  grown_bytes_ += wider - now;
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, stream.id_,
                                        static_cast<std::int32_t>(wider));
}

}  // namespace sluice::http
