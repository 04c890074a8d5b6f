// What nghttp2 asks for when bytes go out.
#include <algorithm>
#include <cstring>

#include "http/h2_impl.h"

namespace sluice::http {

using observe::Reason;

namespace {

constexpr std::size_t frame_header_bytes = 9;
// What may wait for a peer that does not read, before nghttp2 keeps the rest for itself.
constexpr std::size_t outbox_limit = 64 * 1024;

H2Session::Impl& impl(void* self) { return *static_cast<H2Session::Impl*>(self); }

Reason reason_of(std::uint32_t error_code) {
  switch (error_code) {
    case NGHTTP2_FLOW_CONTROL_ERROR: return Reason::h2_flow_control_error;
    case NGHTTP2_FRAME_SIZE_ERROR: return Reason::h2_frame_size_error;
    case NGHTTP2_COMPRESSION_ERROR: return Reason::h2_compression_error;
    case NGHTTP2_ENHANCE_YOUR_CALM: return Reason::h2_too_many_settings;  // entries of one frame
    case NGHTTP2_INTERNAL_ERROR: return Reason::internal_error;
    default: return Reason::h2_protocol_error;
  }
}

}  // namespace

// A field block that ends the message, a head alone or trailers, is out of our hands only now: a
// reset before would take its place.
int H2Session::Impl::frame_sent(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                                void* self) {
  if (frame->hd.type != NGHTTP2_HEADERS || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) {
    return 0;
  }
  Impl& me = impl(self);
  H2Stream* const stream = me.find_live(frame->hd.stream_id);
  if (stream != nullptr) stream->on_drained();
  return me.verdict();
}

int H2Session::Impl::before_frame_sent(nghttp2_session* session, const nghttp2_frame* frame,
                                       void* self) {
  Impl& me = impl(self);
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR) {
    // Never ours: we make those by hand.
    if (me.failure_ == Reason::none) {
      me.failure_ = reason_of(frame->goaway.error_code);
      me.failure_code_ = frame->goaway.error_code;
      me.error_text_.assign(reinterpret_cast<const char*>(frame->goaway.opaque_data),
                            frame->goaway.opaque_data_len);
      if (me.error_text_.empty()) me.error_text_ = nghttp2_http2_strerror(me.failure_code_);
    }
    me.goaway_packed_ = true;
  } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
    me.remember_reset(frame->hd.stream_id);
    H2Stream* const stream = me.find(frame->hd.stream_id);
    const bool is_given_up =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) == self;
    const std::uint32_t error = frame->rst_stream.error_code;
    // The last: a stream that the peer has ended meanwhile; nghttp2 itself uses other codes.
    const bool is_ours = is_given_up || (stream != nullptr && stream->is_reset_by_us_) ||
                         (stream == nullptr && (error == NGHTTP2_CANCEL || error == 0));
    if (!is_ours) {
      if (stream != nullptr && stream->closing_ == Reason::none) {
        stream->closing_ = Reason::h2_stream_error;
      }
      if (stream == nullptr || stream->closing_ != Reason::internal_error) {
        me.fail_unless_none(me.abuse_.provoked_reset());
      }
    }
  }
  return me.verdict();
}

int H2Session::Impl::frame_not_sent(nghttp2_session* /*session*/, const nghttp2_frame* frame,
                                    int error, void* self) {
  Impl& me = impl(self);
  if (frame->hd.type != NGHTTP2_HEADERS || error == NGHTTP2_ERR_STREAM_CLOSED ||
      error == NGHTTP2_ERR_STREAM_CLOSING || error == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED ||
      error == NGHTTP2_ERR_SESSION_CLOSING) {
    return me.verdict();
  }
  // A head that cannot be sent, as one that is too large for any frame.
  if (H2Stream* const stream = me.find_live(frame->hd.stream_id); stream != nullptr) {
    stream->closing_ = Reason::internal_error;
    me.submit_reset(frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
  }
  return me.verdict();
}

ssize_t H2Session::Impl::read_data(nghttp2_session* /*session*/, std::int32_t id,
                                   std::uint8_t* /*buffer*/, std::size_t size, std::uint32_t* flags,
                                   nghttp2_data_source* /*source*/, void* self) {
  Impl& me = impl(self);
  if (me.stopped_) return NGHTTP2_ERR_CALLBACK_FAILURE;
  H2Stream* const stream = me.find_live(id);
  if (stream == nullptr) return NGHTTP2_ERR_DEFERRED;  // it is being reset
  if (stream->pieces_.empty() && stream->trailers_ != nullptr) {
    *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (!me.submit_stored_trailers(*stream)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return 0;
  }
  if (stream->pieces_.empty() && !stream->last_pieces_) {
    stream->is_waiting_ = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  constexpr std::size_t worthwhile = 1024;  // smaller frames only when no more is to be sent
  std::size_t bytes = 0;
  // Beyond `size`, if there is more: pieces that fill a frame exactly need not be the last.
  for (std::size_t i = stream->first_piece_; i < stream->pieces_.size() && bytes <= size; ++i) {
    bytes += stream->pieces_[i].size();
  }
  const std::size_t wanted = std::min(bytes, size);
  const std::size_t room =
      me.out_.size() < frame_header_bytes ? 0 : me.out_.size() - frame_header_bytes;
  const std::size_t least = me.out_has_bytes_ ? worthwhile : 1;
  if (me.out_.size() < frame_header_bytes || room < std::min(wanted, least)) {
    return NGHTTP2_ERR_PAUSE;
  }
  const std::size_t length = std::min(wanted, room);
  *flags = NGHTTP2_DATA_FLAG_NO_COPY;
  if (stream->last_pieces_ && length == bytes) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(length);
}

int H2Session::Impl::send_data(nghttp2_session* /*session*/, nghttp2_frame* frame,
                               const std::uint8_t* header, std::size_t size,
                               nghttp2_data_source* /*source*/, void* self) {
  Impl& me = impl(self);
  H2Stream* const stream = me.find(frame->hd.stream_id);
  if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  // `read_data` has seen to the room, and nothing came between.
  if (me.out_.size() < frame_header_bytes + size) return NGHTTP2_ERR_WOULDBLOCK;
  std::memcpy(me.out_.data(), header, frame_header_bytes);
  me.out_ = me.out_.subspan(frame_header_bytes);
  me.out_has_bytes_ = true;
  me.content_sent_ += size;
  stream->content_sent_ += size;
  const bool had_pieces = !stream->pieces_.empty() || stream->last_pieces_;  // an end is one
  while (size > 0 && stream->first_piece_ < stream->pieces_.size()) {
    base::Bytes& piece = stream->pieces_[stream->first_piece_];
    const std::size_t part = std::min(size, piece.size());
    std::memcpy(me.out_.data(), piece.data(), part);
    me.out_ = me.out_.subspan(part);
    piece = piece.subspan(part);
    size -= part;
    if (piece.empty()) ++stream->first_piece_;
  }
  if (had_pieces && stream->first_piece_ == stream->pieces_.size()) {
    stream->first_piece_ = 0;
    stream->pieces_.clear();
    stream->on_drained();
  }
  return me.verdict();
}

bool H2Session::Impl::submit_stored_trailers(H2Stream& stream) {
  const auto trailers = std::move(stream.trailers_);
  std::vector<Line> lines;
  lines.reserve(trailers->lines.size());
  for (const auto& line : trailers->lines) {
    lines.push_back({line.name, line.value, line.is_sensitive});
  }
  const auto& nva = to_nva(lines);
  return nghttp2_submit_trailer(session_, stream.id_, nva.data(), nva.size()) == 0;
}

const std::vector<nghttp2_nv>& H2Session::Impl::to_nva(std::span<const Line> lines) {
  nva_.clear();
  const auto bytes = [](std::string_view text) {
    // nghttp2 copies, and lowers the case of its copy.
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));  // NOLINT
  };
  for (const Line& line : lines) {
    nva_.push_back({bytes(line.name), bytes(line.value), line.name.size(), line.value.size(),
                    static_cast<std::uint8_t>(line.is_sensitive ? NGHTTP2_NV_FLAG_NO_INDEX
                                                                : NGHTTP2_NV_FLAG_NONE)});
  }
  return nva_;
}

void H2Session::Impl::pack_waiting_frames() {
  out_ = {};  // no DATA: it waits for `send`
  while (!stopped_ && !goaway_packed_ && outbox_bytes() < outbox_limit &&
         nghttp2_session_get_outbound_queue_size(session_) > 0) {
    const std::uint8_t* block = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &block);
    if (size < 0) fail_by_library(static_cast<int>(size));
    if (size <= 0) return;
    outbox_.insert(outbox_.end(), block, block + size);
  }
}

// Frames that nghttp2 keeps for a peer that never reads: answers to PING and SETTINGS, resets.
void H2Session::Impl::check_queue() {
  constexpr std::size_t frames_for_each_stream = 4;
  constexpr std::size_t frames_besides = 1000;
  if (stopped_ || goaway_packed_) return;
  const std::size_t limit = frames_besides + frames_for_each_stream * stream_count_;
  if (nghttp2_session_get_outbound_queue_size(session_) <= limit) return;
  const Reason reason = last_frame_type_ == NGHTTP2_PING ? Reason::h2_too_many_pings
                        : last_frame_type_ == NGHTTP2_SETTINGS
                            ? Reason::h2_too_many_settings
                            : Reason::h2_too_many_provoked_resets;
  fail(reason, NGHTTP2_ENHANCE_YOUR_CALM, "too many frames wait for a peer that does not read");
}

std::size_t H2Session::Impl::flush_outbox(base::MutableBytes out) {
  const std::size_t size = std::min(out.size(), outbox_bytes());
  if (size > 0) std::memcpy(out.data(), outbox_.data() + outbox_begin_, size);
  outbox_begin_ += size;
  if (is_outbox_empty()) {
    outbox_.clear();
    outbox_begin_ = 0;
  }
  return size;
}

std::size_t H2Session::send(base::MutableBytes out) {
  Impl& me = *impl_;
  if (me.is_inside_) return 0;
  me.out_ = out.subspan(me.flush_outbox(out));
  me.is_inside_ = true;
  while (!me.stopped_ && !me.goaway_packed_ && me.is_outbox_empty()) {
    me.out_has_bytes_ = me.out_.size() < out.size();
    const std::uint8_t* block = nullptr;
    const ssize_t size = nghttp2_session_mem_send(me.session_, &block);
    if (size < 0) me.fail_by_library(static_cast<int>(size));
    if (size <= 0) break;
    const std::size_t part = std::min(me.out_.size(), static_cast<std::size_t>(size));
    if (part > 0) std::memcpy(me.out_.data(), block, part);
    me.out_ = me.out_.subspan(part);
    me.outbox_.insert(me.outbox_.end(), block + part, block + size);
  }
  me.is_inside_ = false;
  me.finish();
  me.out_ = me.out_.subspan(me.flush_outbox(me.out_));
  const std::size_t used = out.size() - me.out_.size();
  me.out_ = {};
  return used;
}

}  // namespace sluice::http
