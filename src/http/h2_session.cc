#include "sluice/http/h2_session.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "http/h2_impl.h"
#include "http/h2_memory.h"

namespace sluice::http {

using observe::Reason;

namespace {

constexpr std::int32_t largest_window = std::numeric_limits<std::int32_t>::max();

std::int32_t window(std::uint64_t bytes) {
  return static_cast<std::int32_t>(std::min<std::uint64_t>(bytes, largest_window));
}

void put_number(std::vector<char>& out, std::uint32_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

// RFC 9113 6.8
void put_goaway(std::vector<char>& out, std::int32_t last_stream_id, std::uint32_t error_code) {
  constexpr std::uint32_t payload_bytes = 8;
  put_number(out, payload_bytes, 3);
  put_number(out, NGHTTP2_GOAWAY, 1);
  put_number(out, 0, 1);
  put_number(out, 0, 4);
  put_number(out, static_cast<std::uint32_t>(last_stream_id), 4);
  put_number(out, error_code, 4);
}

}  // namespace

H2Stream::H2Stream() = default;

H2Stream::~H2Stream() {
  if (session_ != nullptr) session_->impl_->abandon(*this);
}

// --- beginning and end

H2Session::H2Session(Role role, const H2Settings& settings, Owner& owner)
    : impl_(std::make_unique<Impl>(*this, role, settings, owner)) {}

H2Session::~H2Session() = default;

H2Session::Impl::Impl(H2Session& door, Role role, const H2Settings& settings, Owner& owner)
    : door_(door), role_(role), settings_(settings), owner_(owner), abuse_(settings_) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
    nghttp2_session_callbacks_del(callbacks);
    fail(Reason::internal_error, NGHTTP2_INTERNAL_ERROR, "out of memory");
    return;
  }
  set_callbacks(callbacks);
  set_options(option);
  nghttp2_mem* const memory = h2_memory();
  const int error = role == Role::server
                        ? nghttp2_session_server_new3(&session_, callbacks, this, option, memory)
                        : nghttp2_session_client_new3(&session_, callbacks, this, option, memory);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  if (error != 0) {
    fail(Reason::internal_error, NGHTTP2_INTERNAL_ERROR, nghttp2_strerror(error));
    return;
  }
  submit_settings();
}

H2Session::Impl::~Impl() {
  stopped_ = true;
  while (first_stream_ != nullptr) detach(*first_stream_);
  nghttp2_session_del(session_);
}

void H2Session::Impl::set_callbacks(nghttp2_session_callbacks* callbacks) const {
  nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, begin_frame);
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
  nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, invalid_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_received);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_closed);
  nghttp2_session_callbacks_set_before_frame_send_callback(callbacks, before_frame_sent);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_sent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, frame_not_sent);
  nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
}

void H2Session::Impl::set_options(nghttp2_option* option) const {
  constexpr std::size_t answers_that_wait = 1000;
  constexpr std::size_t settings_of_one_frame = 32;
  constexpr std::size_t head_bytes_sent = 1024 * 1024;
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_outbound_ack(option, answers_that_wait);
  nghttp2_option_set_max_settings(option, settings_of_one_frame);
  nghttp2_option_set_max_send_header_block_length(option, head_bytes_sent);
  nghttp2_option_set_builtin_recv_extension_type(option, NGHTTP2_PRIORITY_UPDATE);
  // Our own limit on resets is the one with a reason.
  constexpr std::uint64_t never = std::uint64_t{1} << 40;
  nghttp2_option_set_stream_reset_rate_limit(option, never, never);
  // nghttp2 counts a frame up to ten times when it comes byte by byte: ours is exact.
  constexpr std::size_t counted_for_a_frame = 10;
  nghttp2_option_set_max_continuations(
      option, settings_.continuations == 0
                  ? std::numeric_limits<std::size_t>::max()
                  : (std::size_t{settings_.continuations} + 1) * counted_for_a_frame);
}

void H2Session::Impl::submit_settings() {
  std::vector<nghttp2_settings_entry> entries;
  const auto add = [&entries](nghttp2_settings_id id, std::uint64_t value) {
    entries.push_back({id, static_cast<std::uint32_t>(std::min<std::uint64_t>(
                               value, std::numeric_limits<std::uint32_t>::max()))});
  };
  add(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
      role_ == Role::server ? settings_.max_concurrent_streams : 0);
  add(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
      static_cast<std::uint32_t>(window(settings_.initial_window_bytes)));
  add(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings_.headers_bytes);
  add(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
  if (role_ == Role::client) add(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
  if (role_ == Role::server && settings_.extended_connect) {
    add(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
  }
  int error = nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  // Content that nobody reads must not stop the other streams: as much as all of them together, and
  // as much again, for nghttp2 gives back what was consumed only when that is half of the window.
  const std::uint64_t streams =
      std::uint64_t{settings_.max_concurrent_streams} * settings_.initial_window_bytes +
      growth_most();
  const std::uint64_t connection = 2 * streams;
  if (error == 0 && connection > NGHTTP2_INITIAL_CONNECTION_WINDOW_SIZE) {
    error =
        nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, window(connection));
  }
  if (error != 0) fail_by_library(error);
}

// --- failing

void H2Session::Impl::fail(Reason reason, std::uint32_t error_code, std::string_view text) {
  if (stopped_) return;
  stopped_ = true;
  if (failure_ != Reason::none) return;  // GOAWAY is on its way already
  failure_ = reason;
  failure_code_ = error_code;
  error_text_ = text;
}

void H2Session::Impl::fail_unless_none(Reason reason) {
  if (reason == Reason::none) return;
  fail(reason, NGHTTP2_ENHANCE_YOUR_CALM, "a limit on what a peer may do was passed");
}

void H2Session::Impl::fail_by_library(int error) {
  switch (error) {
    case NGHTTP2_ERR_CALLBACK_FAILURE: break;  // `fail` knows why
    case NGHTTP2_ERR_FLOODED:
      fail(last_frame_type_ == NGHTTP2_PING ? Reason::h2_too_many_pings
                                            : Reason::h2_too_many_settings,
           NGHTTP2_ENHANCE_YOUR_CALM, nghttp2_strerror(error));
      return;
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
      fail(Reason::h2_too_many_continuations, NGHTTP2_ENHANCE_YOUR_CALM, nghttp2_strerror(error));
      return;
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
      fail(Reason::h2_protocol_error, NGHTTP2_PROTOCOL_ERROR, nghttp2_strerror(error));
      return;
    default: break;
  }
  fail(Reason::internal_error, NGHTTP2_INTERNAL_ERROR, nghttp2_strerror(error));
}

void H2Session::Impl::finish() {
  if (finished_ || is_inside_ || (!stopped_ && !goaway_packed_)) return;
  finished_ = true;
  stopped_ = true;
  if (!goaway_packed_) {
    put_goaway(outbox_, session_ == nullptr ? 0 : nghttp2_session_get_last_proc_stream_id(session_),
               failure_code_);
  }
  close_all(failure_, failure_code_);
}

// --- streams

void H2Session::Impl::attach(H2Stream& stream, std::int32_t id) {
  stream.session_ = &door_;
  stream.id_ = id;
  // The object may have been a stream before: of a connection that did nothing with it.
  stream.pieces_.clear();
  stream.first_piece_ = 0;
  stream.has_sent_head_ = false;
  stream.last_pieces_ = false;
  stream.is_waiting_ = false;
  stream.trailers_.reset();
  stream.held_bytes_ = 0;
  stream.consumed_since_growth_ = 0;
  stream.grown_bytes_ = 0;
  stream.window_limit_ = settings_.max_window_bytes;
  stream.content_sent_ = 0;
  stream.has_head_ = false;
  stream.has_ended_ = false;
  stream.is_reset_by_us_ = false;
  stream.closing_ = Reason::none;
  stream.previous_ = nullptr;
  stream.next_ = first_stream_;
  if (first_stream_ != nullptr) first_stream_->previous_ = &stream;
  first_stream_ = &stream;
  ++stream_count_;
}

void H2Session::Impl::detach(H2Stream& stream) {
  (stream.previous_ != nullptr ? stream.previous_->next_ : first_stream_) = stream.next_;
  if (stream.next_ != nullptr) stream.next_->previous_ = stream.previous_;
  stream.previous_ = nullptr;
  stream.next_ = nullptr;
  stream.session_ = nullptr;
  stream.pieces_.clear();  // what was under way is forgotten
  stream.held_bytes_ = 0;
  grown_bytes_ -= stream.grown_bytes_;
  stream.grown_bytes_ = 0;
  --stream_count_;
}

void H2Session::Impl::abandon(H2Stream& stream) {
  if (!stopped_) {
    give_back(stream.held_bytes_);
    nghttp2_session_set_stream_user_data(session_, stream.id_, this);
    if (!stream.is_reset_by_us_) submit_reset(stream.id_, NGHTTP2_CANCEL);
  }
  detach(stream);
}

void H2Session::Impl::close(H2Stream& stream, Reason reason, std::uint32_t error_code) {
  if (!stopped_) {
    give_back(stream.held_bytes_);
    nghttp2_session_set_stream_user_data(session_, stream.id_, nullptr);
  }
  detach(stream);
  stream.on_closed(reason, error_code);  // and it may be gone
}

void H2Session::Impl::close_all(Reason reason, std::uint32_t error_code) {
  while (first_stream_ != nullptr) {
    H2Stream& stream = *first_stream_;
    close(stream, stream.is_reset_by_us_ ? Reason::none : reason, error_code);
  }
}

void H2Session::Impl::submit_reset(std::int32_t id, std::uint32_t error_code) {
  const int error = nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, error_code);
  if (error != 0 && nghttp2_is_fatal(error) != 0) fail_by_library(error);
}

H2Stream* H2Session::Impl::find(std::int32_t id) const {
  void* const found = nghttp2_session_get_stream_user_data(session_, id);
  return found == this ? nullptr : static_cast<H2Stream*>(found);
}

H2Stream* H2Session::Impl::find_live(std::int32_t id) const {
  H2Stream* const stream = find(id);
  return stream == nullptr || stream->is_reset_by_us_ || stopped_ ? nullptr : stream;
}

bool H2Session::Impl::may_send(const H2Stream& stream) const {
  return !stopped_ && !goaway_packed_ && stream.session_ == &door_ && !stream.is_reset_by_us_;
}

void H2Session::Impl::resume(H2Stream& stream) {
  if (!stream.is_waiting_) return;
  stream.is_waiting_ = false;
  nghttp2_session_resume_data(session_, stream.id_);
}

// --- the door: bytes

Reason H2Session::receive(base::Bytes bytes, base::SteadyTime now) {
  Impl& me = *impl_;
  if (me.is_inside_) return me.failure_;
  if (!me.stopped_) {
    me.abuse_.tick(now, me.content_sent_);
    if (me.role_ == Role::server) me.look_at_frames(bytes);
  }
  if (!me.stopped_) {
    me.is_inside_ = true;
    const ssize_t used = nghttp2_session_mem_recv(
        me.session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (used < 0) me.fail_by_library(static_cast<int>(used));
    if (!me.stopped_) me.pack_waiting_frames();
    me.check_queue();
    me.is_inside_ = false;
  }
  me.finish();
  return me.failure_;
}

bool H2Session::wants_send() const {
  const Impl& me = *impl_;
  if (!me.is_outbox_empty()) return true;
  if (me.stopped_ || me.goaway_packed_) return !me.finished_;
  return nghttp2_session_want_write(me.session_) != 0;
}

bool H2Session::is_over() const {
  const Impl& me = *impl_;
  if (!me.is_outbox_empty()) return false;
  if (me.stopped_ || me.goaway_packed_) return me.finished_;
  return me.stream_count_ == 0 && nghttp2_session_want_read(me.session_) == 0 &&
         nghttp2_session_want_write(me.session_) == 0;
}

Reason H2Session::failure() const { return impl_->failure_; }
const std::string& H2Session::error_text() const { return impl_->error_text_; }

void H2Session::abandon(Reason reason) {
  Impl& me = *impl_;
  me.stopped_ = true;
  me.finished_ = true;  // no GOAWAY can go any more
  me.close_all(reason, 0);
}

// --- the door: connection

std::uint32_t H2Session::open_streams() const { return impl_->stream_count_; }

void H2Session::announce_shutdown() {
  if (!impl_->stopped_ && impl_->role_ == Role::server) {
    nghttp2_submit_shutdown_notice(impl_->session_);
  }
}

void H2Session::refuse_new_streams() {
  Impl& me = *impl_;
  if (me.stopped_) return;
  me.refused_above_ = nghttp2_session_get_last_proc_stream_id(me.session_);
  nghttp2_submit_goaway(me.session_, NGHTTP2_FLAG_NONE, me.refused_above_, NGHTTP2_NO_ERROR,
                        nullptr, 0);
}

void H2Session::terminate(H2Error error) {
  Impl& me = *impl_;
  if (me.stopped_ || me.goaway_packed_) return;
  me.stopped_ = true;
  me.failure_code_ = static_cast<std::uint32_t>(error);
}

void H2Session::ping() {
  Impl& me = *impl_;
  if (me.stopped_) return;
  if (nghttp2_submit_ping(me.session_, NGHTTP2_FLAG_NONE, nullptr) == 0) ++me.pings_under_way_;
}

std::uint64_t H2Session::content_received() const { return impl_->content_received_; }
std::uint64_t H2Session::content_sent() const { return impl_->content_sent_; }
std::uint64_t H2Session::content_sent(const H2Stream& stream) const { return stream.content_sent_; }

}  // namespace sluice::http
