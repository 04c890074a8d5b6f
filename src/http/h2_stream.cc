// What whoever owns the streams asks of a session for one of them.
#include <algorithm>
#include <memory>
#include <string>

#include "http/h2_impl.h"

namespace sluice::http {

bool H2Session::send_head(H2Stream& stream, std::span<const Line> lines, bool ends) {
  Impl& me = *impl_;
  if (!me.may_send(stream) || stream.has_sent_head_ || me.role_ != Role::server) return false;
  const auto& nva = me.to_nva(lines);
  const nghttp2_data_provider provider{{}, Impl::read_data};
  if (nghttp2_submit_response(me.session_, stream.id_, nva.data(), nva.size(),
                              ends ? nullptr : &provider) != 0) {
    return false;
  }
  stream.has_sent_head_ = true;
  return true;
}

bool H2Session::send_informational(H2Stream& stream, std::span<const Line> lines) {
  Impl& me = *impl_;
  if (!me.may_send(stream) || stream.has_sent_head_ || me.role_ != Role::server) return false;
  const auto& nva = me.to_nva(lines);
  return nghttp2_submit_headers(me.session_, NGHTTP2_FLAG_NONE, stream.id_, nullptr, nva.data(),
                                nva.size(), nullptr) == 0;
}

bool H2Session::send_data(H2Stream& stream, std::span<const base::Bytes> pieces, bool ends) {
  Impl& me = *impl_;
  if (!me.may_send(stream) || !stream.pieces_.empty() || stream.last_pieces_ ||
      pieces.size() > stream.pieces_.capacity()) {
    return false;
  }
  for (const base::Bytes piece : pieces) {
    if (!piece.empty()) stream.pieces_.push_back(piece);
  }
  stream.last_pieces_ = ends;
  if (ends || !stream.pieces_.empty()) me.resume(stream);
  return true;
}

void H2Session::forget_data(H2Stream& stream) {
  stream.pieces_.clear();
  stream.first_piece_ = 0;
  stream.last_pieces_ = false;
  stream.trailers_.reset();
}

bool H2Session::send_trailers(H2Stream& stream, std::span<const Line> lines) {
  Impl& me = *impl_;
  if (!me.may_send(stream) || !stream.pieces_.empty() || stream.last_pieces_) return false;
  if (lines.empty()) return send_data(stream, {}, true);
  stream.trailers_ = std::make_unique<H2Stream::Trailers>();
  for (const Line& line : lines) {
    stream.trailers_->lines.push_back(
        {std::string(line.name), std::string(line.value), line.is_sensitive});
  }
  stream.last_pieces_ = true;
  me.resume(stream);
  return true;
}

void H2Session::reset(H2Stream& stream, H2Error error) {
  Impl& me = *impl_;
  if (!me.may_send(stream)) return;
  forget_data(stream);
  stream.is_reset_by_us_ = true;
  me.submit_reset(stream.id_, static_cast<std::uint32_t>(error));
}

bool H2Session::is_window_shut(const H2Stream& stream) const {
  const Impl& me = *impl_;
  return !me.stopped_ && stream.session_ == this &&
         nghttp2_session_get_stream_remote_window_size(me.session_, stream.id_) <= 0;
}

void H2Session::consumed(H2Stream& stream, std::size_t bytes) {
  Impl& me = *impl_;
  if (me.stopped_ || stream.session_ != this) return;
  bytes = std::min<std::size_t>(bytes, stream.held_bytes_);
  if (bytes == 0) return;
  stream.held_bytes_ -= static_cast<std::uint32_t>(bytes);
  me.give_back(bytes);
  if (stream.has_ended_ || stream.is_reset_by_us_) return;  // its own window is of no use any more
  nghttp2_session_consume_stream(me.session_, stream.id_, bytes);
  stream.consumed_since_growth_ += static_cast<std::uint32_t>(bytes);
  if (stream.held_bytes_ == 0) me.grow_window(stream);
}

void H2Session::bound_window(H2Stream& stream, std::uint32_t bytes) {
  stream.window_limit_ = std::min(bytes, impl_->settings_.max_window_bytes);
}

bool H2Session::open(H2Stream& stream, std::span<const Line> lines, bool ends) {
  Impl& me = *impl_;
  if (me.role_ != Role::client || stream.session_ != nullptr || may_open() == 0) return false;
  const auto& nva = me.to_nva(lines);
  const nghttp2_data_provider provider{{}, Impl::read_data};
  const std::int32_t id = nghttp2_submit_request(me.session_, nullptr, nva.data(), nva.size(),
                                                 ends ? nullptr : &provider, &stream);
  if (id < 0) return false;
  me.attach(stream, id);
  stream.has_sent_head_ = true;
  ++me.outgoing_streams_;
  return true;
}

std::uint32_t H2Session::may_open() const {
  const Impl& me = *impl_;
  if (me.stopped_ || me.goaway_packed_ || me.has_goaway_ || me.role_ != Role::client ||
      nghttp2_session_check_request_allowed(me.session_) == 0) {
    return 0;
  }
  const std::uint32_t limit =
      nghttp2_session_get_remote_settings(me.session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return limit > me.outgoing_streams_ ? limit - me.outgoing_streams_ : 0;
}

bool H2Session::peer_takes_extended_connect() const {
  const Impl& me = *impl_;
  return me.session_ != nullptr && nghttp2_session_get_remote_settings(
                                       me.session_, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

}  // namespace sluice::http
