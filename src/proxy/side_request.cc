#include "proxy/side_request.h"

#include <algorithm>
#include <utility>

#include "proxy/hash_key.h"
#include "proxy/proxy_header_out.h"
#include "proxy/retry.h"
#include "proxy/target_connection.h"
#include "sluice/http/h1_writer.h"
#include "sluice/target/latency.h"

namespace sluice::proxy {

using net::Transfer;
using observe::Reason;
using upstream::Picked;

namespace {

// Of an answer that nobody needs; reading more costs more than a new connection.
constexpr std::uint64_t dropped_bytes_max = 256 * config::kibibyte;

}  // namespace

SideRequest::SideRequest(const Exchange& exchange, const Settings& settings, SideRequestHead head,
                         SideRequestBody body)
    : worker_(exchange.worker()),
      view_(exchange.view),
      group_(view_->groups[settings.group]),
      settings_(settings),
      head_(std::move(head)),
      body_(std::move(body)),
      proxy_header_(proxy_header_of(*exchange.connection, group_->settings().proxy_protocol)),
      comes_of_ambiguous_(exchange.ends_connections),
      deadline_(
          worker_.loop().deadlines,
          [](void* context) {
            auto& self = *static_cast<SideRequest*>(context);
            self.has_expired_ = true;
            self.end_waiting();
          },
          this) {
  if (group_->settings().algorithm == "consistent_hash") {
    hash_ = hash_of(group_->settings().hash_key, exchange);
  }
  worker_.add(*this);
}

SideRequest::~SideRequest() {
  drop_try();
  reservation_.release();
  worker_.remove(*this);
}

// --- choosing a target --------------------------------------------------------------------------

Reason SideRequest::end() const {
  if (worker_.is_cutting()) return Reason::shutdown_deadline;
  if (is_cancelled_) return Reason::client_closed;
  if (is_deregistered_) return Reason::target_deregistered;
  return has_expired_ ? Reason::target_try_timeout : Reason::none;
}

upstream::PickRequest SideRequest::pick_request() {
  upstream::PickRequest request;
  request.excluded = {tried_.data(), tried_count_};
  request.random = worker_.random().next();
  request.hash = hash_;
  return request;
}

Reason SideRequest::take(Picked picked) {
  if (picked.end == Picked::End::at_limit) return Reason::target_queue_full;
  if (picked.end == Picked::End::no_target) return Reason::no_target;
  reservation_ = std::move(picked.reservation);
  pool_ = reservation_.pool();
  if (tried_count_ < tried_.size()) tried_[tried_count_++] = &pool_->target();
  return Reason::none;
}

void SideRequest::forget_last_tried() {
  if (tried_count_ > 0 && tried_[tried_count_ - 1] == &pool_->target()) --tried_count_;
}

Reason SideRequest::choose_at_once() {
  // Who waits came first.
  if (group_->waiting_room().is_anybody_waiting()) return Reason::target_queue_full;
  return take(group_->pick(pick_request()));
}

net::Task<Reason> SideRequest::wait_for_room() {
  const bool was_asked = !group_->waiting_room().is_anybody_waiting();
  upstream::Place place(group_->waiting_room(), tried_count_ == 0);
  if (!place.enter(group_->settings().limits.queue_timeout)) co_return Reason::target_queue_full;
  if (!was_asked) group_->waiting_room().call();
  const base::SteadyTime began = base::Steady::now();
  Picked picked;
  picked.end = Picked::End::at_limit;
  Reason reason = Reason::none;
  while (reason == Reason::none && picked.end == Picked::End::at_limit) {
    place_ = &place;
    const net::Wake wake = co_await place.wait();
    place_ = nullptr;
    reason = end();
    if (reason == Reason::none && wake == net::Wake::expired) reason = Reason::target_queue_timeout;
    if (reason == Reason::none) picked = group_->pick(pick_request());
  }
  group_->cells().queue_time.record(base::Steady::now() - began);
  if (reason == Reason::none) reason = take(std::move(picked));
  co_return reason;
}

// --- one try ------------------------------------------------------------------------------------

net::Task<Reason> SideRequest::open(bool fresh_only) {
  const config::Model& model = view_->snapshot->model;
  const config::TimeoutOverrides& own = group_->settings().timeouts;
  Connected connected;
  if (fresh_only || !take_kept(*pool_, connected)) {
    const Connecting settings{.group = *group_,
                              .connect_timeout = own.connect.value_or(model.timeouts.connect),
                              .handshake_timeout = model.timeouts.tls_handshake,
                              .since = sent_at_,
                              .proxy_header = proxy_header_};
    connected = co_await connect(settings, *pool_, dialing_);
    if (end() != Reason::none) co_return end();
    if (connected.at_limit) co_return Reason::target_queue_full;
    if (connected.reason != Reason::none) {
      report_connection_error(*group_, pool_->target(), connected);
      co_return connected.reason;
    }
  }
  begin_client(model.limits, own.target_idle.value_or(model.timeouts.target_idle),
               std::move(connected), client_);
  co_return Reason::none;
}

// What its target takes for a second request has nobody to be answered to, as behind the request
// that it is made of.
bool SideRequest::ends_connection() const { return comes_of_ambiguous_ && !client_->is_http2(); }

bool SideRequest::write_head() {
  const bool to_http2 = client_->is_http2();
  const std::string_view host = head_.authority.empty() ? std::string_view(pool_->target().id())
                                                        : std::string_view(head_.authority);
  const std::size_t needed =
      head_.method.size() + host.size() + head_.target.size() + head_.fields.size() + 256;
  head_buffer_ = worker_.loop().buffers.borrow(needed);
  http::H1Writer writer(head_buffer_.free_space());
  if (to_http2) {
    writer.trusted_field(":method", head_.method);
    writer.trusted_field(":scheme", group_->settings().tls != nullptr ? "https" : "http");
    writer.trusted_field(":authority", host);
    writer.trusted_field(":path", head_.target);
  } else {
    writer.request_line(head_.method, head_.target, {}, false);
    writer.trusted_field("Host", host);
  }
  writer.trusted_text(head_.fields);
  if (body_.is_there) writer.field("Content-Length", body_.bytes);
  if (!to_http2 && (!proxy_header_.empty() || ends_connection())) {
    writer.trusted_field("Connection", "close");
  }
  writer.end_head();
  if (writer.overflowed()) return false;
  head_buffer_.commit(writer.size());
  return true;
}

net::Task<Reason> SideRequest::send() {
  if (!write_head()) co_return Reason::internal_error;
  upstream::Sender& sender = client_->sender();
  sender.set_head(head_buffer_.unread(), false);
  const std::size_t writes = std::max<std::size_t>(body_.pieces.size(), 1);
  Transfer sent = Transfer::ok;
  for (std::size_t i = 0; i < writes && sent == Transfer::ok; ++i) {
    upstream::Runs runs;
    if (i < body_.pieces.size()) runs.add(body_.pieces[i].unread());
    sender.add(runs, i + 1 == writes, {});
    sent = sender.start();
    if (sender.is_unfinished()) sent = co_await sender.finish();
    if (end() == Reason::none && i + 1 < writes && (i + 1) % writes_per_turn == 0) {
      co_await worker_.loop().next_turn();
    }
    if (end() != Reason::none) co_return end();
  }
  was_sent_whole_ = sent == Transfer::ok;
  sent_at_ = base::Steady::now();
  // A target that refuses our bytes may have said why: its answer is read first.
  co_return sent == Transfer::expired ? Reason::target_response_timeout : Reason::none;
}

net::Task<Reason> SideRequest::read_head() {
  const http::Method method = http::method(head_.method);
  for (std::uint32_t informational = 0;; ++informational) {
    const Reason reason = co_await client_->read_head(answer_, method);
    if (end() != Reason::none) co_return end();
    if (reason != Reason::none) co_return reason;
    if (answer_.status >= 200) break;
    if (informational >= view_->snapshot->model.limits.informational_responses) {
      co_return Reason::target_too_many_informational;
    }
    client_->skip_head();
  }
  const base::SteadyTime now = base::Steady::now();
  group_->cells().response_time.record(now - sent_at_);
  if (answer_.status < 500) {
    target::record_latency(pool_->target(), now - sent_at_, worker_.loop().clock.now());
  }
  co_return Reason::none;
}

net::Task<Reason> SideRequest::try_target(bool fresh_only) {
  try_began_ = worker_.loop().clock.now();
  was_sent_whole_ = false;
  Reason reason = end();
  if (reason == Reason::none) reason = co_await open(fresh_only);
  if (reason == Reason::none) reason = co_await send();
  if (reason == Reason::none) reason = co_await read_head();
  head_buffer_.release();
  co_return reason;
}

bool SideRequest::is_idempotent() const { return http::is_idempotent(http::method(head_.method)); }

bool SideRequest::died_of_old_age(Reason reason) const {
  return (was_dead(client_, reason) && is_idempotent()) || was_turned_away(client_, reason);
}

// By the group's own policy, as for requests of clients.
bool SideRequest::may_go_elsewhere(Reason reason) const {
  const config::Retry& retry = group_->settings().retry;
  if (end() != Reason::none || tried_count_ > retry.attempts || tried_count_ >= tries_max) {
    return false;
  }
  const Failure failure = failure_of(client_.has_value(), reason);
  if (!is_retried(retry, failure)) return false;
  return failure == Failure::connect || was_turned_away(client_, reason) || is_idempotent();
}

// That we gave it up says nothing about its target. That its time was over does: where the target
// had nearly all of it, not what others had left, and was not busy taking a long body.
bool SideRequest::is_fault_of_target(Reason reason) const {
  if (reason == Reason::client_closed || reason == Reason::shutdown_deadline) return false;
  if (reason != Reason::target_try_timeout) return true;
  const bool had_its_time = worker_.loop().clock.now() - try_began_ >= settings_.timeout * 9 / 10;
  return had_its_time && (!client_.has_value() || was_sent_whole_);
}

void SideRequest::report(Reason reason) {
  if (!is_fault_of_target(reason)) return;
  const std::optional<target::Outcome> outcome = outcome_of(client_, reason, answer_.status);
  if (!outcome.has_value()) return;
  group_->state().report(pool_->target(), *outcome, false, worker_.loop().clock.now());
}

void SideRequest::drop_try() {
  if (client_.has_value()) count_try(group_->cells(), *client_, answer_.status);
  answer_.clear();
  client_.reset();
}

net::Task<Reason> SideRequest::ask() {
  deadline_.set(settings_.timeout);
  upstream::RetryBudget& budget = group_->retry_budget();
  budget.add_request();
  Reason reason = end();
  if (reason == Reason::none) reason = choose_at_once();
  if (reason == Reason::target_queue_full && settings_.may_wait_for_room) {
    reason = co_await wait_for_room();
  }
  while (reason == Reason::none) {
    reason = co_await try_target(false);
    bool was_unprocessed = false;
    if (died_of_old_age(reason)) {
      was_unprocessed = client_->was_unprocessed();
      group_->count_retry(observe::text(reason));
      drop_try();
      reason = co_await try_target(true);
    }
    // One that has just turned it away sheds load: to ask it again and again would never end.
    if (reason == Reason::target_queue_full && settings_.may_wait_for_room && !was_unprocessed) {
      // Another worker was quicker to open the last connection that the target may have: back to
      // the queue, as if it had not been chosen.
      forget_last_tried();
      reservation_.release();
      reason = co_await wait_for_room();
      continue;
    }
    report(reason);
    if (reason == Reason::none || !may_go_elsewhere(reason)) break;
    if (!budget.take_retry()) {
      group_->cells().budget_exhausted.add();
      break;
    }
    drop_try();
    reservation_.release();
    if (choose_at_once() != Reason::none) {
      budget.give_back();
      break;
    }
    group_->count_retry(observe::text(reason));
    reason = Reason::none;
  }
  co_return reason;
}

// --- its answer ---------------------------------------------------------------------------------

void SideRequest::begin_body() {
  if (!std::exchange(has_begun_body_, true)) client_->begin_body(answer_);
}

net::Task<bool> SideRequest::read_body(std::uint64_t most, std::string* kept) {
  begin_body();
  upstream::Body& body = client_->body();
  std::uint64_t read = 0;
  std::uint32_t fills = 0;
  while (end() == Reason::none) {
    const upstream::Runs runs = body.take();
    read += runs.bytes;
    if (read > most || (body.has_failed() && runs.bytes == 0)) break;
    if (kept != nullptr) {
      for (const base::Bytes run : runs.items) kept->append(base::as_text(run));
    }
    if (body.is_finished()) co_return true;
    if (runs.bytes > 0) continue;
    const Transfer filled = co_await body.fill(settings_.timeout);
    if (filled != Transfer::ok) break;
    if (++fills % writes_per_turn == 0) co_await worker_.loop().next_turn();
  }
  co_return false;
}

void SideRequest::finish() {
  count_try(group_->cells(), *client_, answer_.status);
  const bool may_keep = answer_.persistent && group_->may_keep_connection() && !ends_connection();
  client_->finish(*pool_, was_sent_whole_, may_keep);
  client_.reset();
  reservation_.release();
}

net::Task<> SideRequest::drop_rest(std::unique_ptr<SideRequest> request) {
  const bool is_whole = co_await request->read_body(dropped_bytes_max, nullptr);
  if (is_whole) request->finish();
}

void SideRequest::let_go(std::unique_ptr<SideRequest> request) {
  net::spawn(drop_rest(std::move(request)));
}

// --- its end ------------------------------------------------------------------------------------

void SideRequest::cancel() {
  is_cancelled_ = true;
  end_waiting();
}

void SideRequest::deregister(const upstream::Pool& pool) {
  if (!reservation_.is_held() || &pool_->target() != &pool.target()) return;
  is_deregistered_ = true;
  end_waiting();
}

void SideRequest::end_waiting() {
  if (place_ != nullptr) return place_->give_up();
  if (dialing_.cancel() || !client_.has_value()) return;
  if (!client_->sender().cancel()) (void)client_->cancel_reader();
}

}  // namespace sluice::proxy
