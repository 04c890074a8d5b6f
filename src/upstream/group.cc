#include "sluice/upstream/group.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace sluice::upstream {

using observe::Metric;

namespace {

constexpr std::string_view session_algorithm = "consistent_hash";
// Targets at their limit are passed over one by one; beyond so many the request waits. With
// algorithms that look at the load the first one says it all.
constexpr std::size_t passed_over_max = 64;

}  // namespace

GroupCells::GroupCells(observe::Cells& all, const std::string& group)
    : sent_bytes(all.counter(Metric::target_sent_bytes_total, {group})),
      received_bytes(all.counter(Metric::target_received_bytes_total, {group})),
      budget_exhausted(all.counter(Metric::target_retry_budget_exhausted_total, {group})),
      hedges_won(all.counter(Metric::target_hedges_total, {group, "won"})),
      hedges_lost(all.counter(Metric::target_hedges_total, {group, "lost"})),
      fail_open_requests(all.counter(Metric::target_fail_open_requests_total, {group})),
      connections_opened(all.counter(Metric::target_connections_opened_total, {group})),
      connections_reused(all.counter(Metric::target_connections_reused_total, {group})),
      tls_resumed(all.counter(Metric::target_tls_handshakes_total, {group, "yes"})),
      tls_full(all.counter(Metric::target_tls_handshakes_total, {group, "no"})),
      tunnels_total(all.counter(Metric::tunnels_total, {group})),
      tunnel_bytes_to_target(all.counter(Metric::tunnel_bytes_total, {group, "to_target"})),
      tunnel_bytes_to_client(all.counter(Metric::tunnel_bytes_total, {group, "to_client"})),
      answers_by_class{&all.counter(Metric::target_requests_total, {group, "1xx"}),
                       &all.counter(Metric::target_requests_total, {group, "2xx"}),
                       &all.counter(Metric::target_requests_total, {group, "3xx"}),
                       &all.counter(Metric::target_requests_total, {group, "4xx"}),
                       &all.counter(Metric::target_requests_total, {group, "5xx"})},
      session_results{&all.counter(Metric::sticky_requests_total, {group, session_texts[0]}),
                      &all.counter(Metric::sticky_requests_total, {group, session_texts[1]}),
                      &all.counter(Metric::sticky_requests_total, {group, session_texts[2]}),
                      &all.counter(Metric::sticky_requests_total, {group, session_texts[3]}),
                      &all.counter(Metric::sticky_requests_total, {group, session_texts[4]})},
      connections(all.gauge(Metric::target_connections, {group})),
      connections_idle(all.gauge(Metric::target_connections_idle, {group})),
      active_requests(all.gauge(Metric::target_active_requests, {group})),
      queue(all.gauge(Metric::target_queue_requests, {group})),
      tunnels(all.gauge(Metric::tunnels, {group})),
      response_time(all.histogram(Metric::target_response_seconds, {group})),
      connect_time(all.histogram(Metric::target_connect_seconds, {group})),
      queue_time(all.histogram(Metric::target_queue_seconds, {group})),
      cells(all) {}

namespace {

// Exact: two workers may both see the last place free, but only one gets it, and none takes it from
// the other by counting itself for a moment.
bool count_request(target::Target& target, std::uint32_t max) {
  std::atomic<std::int32_t>& active = target.active_requests;
  if (max == 0) {
    active.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  std::int32_t seen = active.load(std::memory_order_relaxed);
  while (seen < static_cast<std::int64_t>(max)) {
    if (active.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed)) return true;
  }
  return false;
}

}  // namespace

Reservation::Reservation(std::shared_ptr<Group> group, std::shared_ptr<Pool> pool,
                         std::uint32_t max) {
  if (!count_request(pool->target(), max)) return;
  group_ = std::move(group);
  pool_ = std::move(pool);
  group_->cells_.active_requests.add(1);
}

Reservation::Reservation(Reservation&& other) noexcept
    : group_(std::move(other.group_)), pool_(std::move(other.pool_)) {}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  if (this == &other) return *this;
  release();
  group_ = std::move(other.group_);
  pool_ = std::move(other.pool_);
  return *this;
}

void Reservation::release() {
  if (group_ == nullptr) return;
  pool_->target().active_requests.fetch_sub(1, std::memory_order_relaxed);
  group_->cells_.active_requests.add(-1);
  group_->waiting_room_.offer();
  pool_.reset();
  group_.reset();
}

Group::Group(net::Loop& loop, observe::Cells& cells, std::shared_ptr<const GroupSettings> settings)
    : loop_(loop),
      cells_(cells, settings->name),
      waiting_room_(loop, cells_.queue, settings->state) {
  (void)apply(std::move(settings));
}

Group::~Group() = default;

std::vector<std::shared_ptr<Pool>> Group::apply(std::shared_ptr<const GroupSettings> settings) {
  std::vector<std::shared_ptr<Pool>> left;
  if (settings_ == settings) return left;
  if (settings_ == nullptr || settings_->algorithm != settings->algorithm) {
    balancer_ = balance::make_balancer(settings->algorithm);
  }
  const bool hashes_sessions = settings->stickiness.type == config::StickinessType::hash;
  if (!hashes_sessions) session_balancer_.reset();
  if (hashes_sessions && session_balancer_ == nullptr) {
    session_balancer_ = balance::make_balancer(session_algorithm);
  }
  auto former = std::exchange(pools_, {});
  targets_by_id_.clear();
  for (const target::TargetSet::Member& member : settings->targets->members) {
    auto known = former.extract(member.target.get());
    std::shared_ptr<Pool> pool = known.empty()
                                     ? std::make_shared<Pool>(loop_, cells_, member.target)
                                     : std::move(known.mapped());
    pool->apply(settings->pool, settings->limits.max_connections, settings->tls,
                settings->proxy_protocol, settings->http2);
    pools_.emplace(member.target.get(), std::move(pool));
    targets_by_id_.emplace(member.target->id(), member.target.get());
  }
  for (auto& [target, pool] : former) {
    pool->retire();
    left.push_back(std::move(pool));
  }
  retry_budget_.apply(settings->retry.budget_percent, settings->retry.budget_burst);
  waiting_room_.apply(settings->limits.queue);
  settings_ = std::move(settings);
  generation_ = 0;  // of no state: who is eligible is worked out at the next pick
  waiting_room_.call();
  return left;
}

std::vector<std::shared_ptr<Pool>> Group::retire() {
  std::vector<std::shared_ptr<Pool>> left;
  for (const auto& [target, pool] : pools_) {
    pool->retire();
    left.push_back(pool);
  }
  return left;
}

void Group::refresh_eligible() {
  const std::uint64_t generation = settings_->state->generation();
  const base::SteadyTime now = loop_.clock.now();
  const bool is_due = eligible_.changes_at.has_value() && now >= *eligible_.changes_at;
  if (generation == generation_ && !is_due) return;
  generation_ = generation;
  eligible_ = target::eligible(
      *settings_->targets, {.fail_open = settings_->fail_open, .slow_start = settings_->slow_start},
      now);
  eligible_pools_.clear();
  for (const target::TargetSet::Member& member : eligible_.set.members) {
    eligible_pools_.push_back(pools_.at(member.target.get()));
  }
  balancer_->reset(eligible_.set);
  if (session_balancer_ != nullptr) session_balancer_->reset(eligible_.set);
}

Picked Group::choose(const std::shared_ptr<Pool>& pool) {
  Picked picked;
  picked.end = Picked::End::at_limit;
  if (!pool->has_room()) return picked;
  picked.reservation = Reservation(shared_from_this(), pool, settings_->limits.max_requests);
  if (!picked.reservation.is_held()) return picked;
  picked.end = Picked::End::chosen;
  if (eligible_.fails_open) cells_.fail_open_requests.add();
  return picked;
}

Picked Group::pick(const PickRequest& request) {
  refresh_eligible();
  if (std::optional<Picked> picked = pick_session(request)) return std::move(*picked);
  if (std::optional<Picked> picked = pick_probe(request)) return std::move(*picked);
  return pick_balanced(request);
}

namespace {

bool is_excluded(const PickRequest& request, const target::Target& target) {
  return std::ranges::find(request.excluded, &target) != request.excluded.end();
}

}  // namespace

std::optional<Picked> Group::pick_session(const PickRequest& request) {
  if (request.session_target.empty()) return std::nullopt;
  const auto known = targets_by_id_.find(request.session_target);
  if (known == targets_by_id_.end() || is_excluded(request, *known->second)) return std::nullopt;
  const target::Target& target = *known->second;
  const bool is_well = target.state.load(std::memory_order_relaxed) == target::State::healthy &&
                       target.ejection.load(std::memory_order_relaxed) == target::Ejection::none;
  const auto in_set = [&] {
    return std::ranges::any_of(eligible_.set.members,
                               [&](const auto& member) { return member.target.get() == &target; });
  };
  if (!is_well && !(eligible_.fails_open && in_set())) return std::nullopt;
  Picked picked = choose(pools_.at(&target));
  picked.kept_session = true;
  return picked;
}

std::optional<Picked> Group::pick_probe(const PickRequest& request) {
  if (!request.may_probe) return std::nullopt;
  for (const std::shared_ptr<target::Target>& target : eligible_.probes) {
    if (is_excluded(request, *target) || !target::GroupState::take_probe(*target)) continue;
    Picked picked = choose(pools_.at(target.get()));
    if (picked.end != Picked::End::chosen) {
      target::GroupState::give_up_probe(*target);
      continue;
    }
    picked.is_probe = true;
    return picked;
  }
  return std::nullopt;
}

Picked Group::pick_balanced(const PickRequest& request) {
  const bool by_session = session_balancer_ != nullptr && request.session_hash.has_value();
  balance::Balancer& balancer = by_session ? *session_balancer_ : *balancer_;
  std::array<const target::Target*, passed_over_max> passed_over;
  std::size_t passed = 0;
  balance::PickHint hint{.excluded = request.excluded,
                         .random = request.random,
                         .hash = by_session ? request.session_hash : request.hash,
                         .is_session = by_session,
                         .now = loop_.clock.now()};
  for (;;) {
    const std::optional<std::size_t> index = balancer.pick(eligible_.set, hint);
    if (!index.has_value()) break;
    Picked picked = choose(eligible_pools_[*index]);
    // A session waits for its target, as one with a cookie does.
    if (picked.end == Picked::End::chosen || by_session) return picked;
    if (passed == 0) {
      passed = std::min(request.excluded.size(), passed_over.size() - 1);
      std::copy_n(request.excluded.begin(), passed, passed_over.begin());
    }
    if (passed == passed_over.size()) return picked;
    passed_over[passed++] = &eligible_pools_[*index]->target();
    hint.excluded = {passed_over.data(), passed};
  }
  Picked none;
  none.end = passed > 0 ? Picked::End::at_limit : Picked::End::no_target;
  return none;
}

bool Group::is_well() {
  refresh_eligible();
  return !eligible_.fails_open && !eligible_.set.members.empty();
}

bool Group::has(const target::Target& target) const { return pools_.contains(&target); }

void Group::count_connection_error(std::string_view reason) {
  cells_.cells.counter(Metric::target_connection_errors_total, {settings_->name, reason}).add();
}

void Group::count_retry(std::string_view reason) {
  cells_.cells.counter(Metric::target_retries_total, {settings_->name, reason}).add();
}

void Group::make_room_for_others() {
  if (may_keep_connection()) return;
  bool made_room = false;
  for (const auto& [target, pool] : pools_) made_room = pool->close_oldest_idle() || made_room;
  if (made_room) waiting_room_.offer();
}

void Group::close_idle() {
  for (const auto& [target, pool] : pools_) pool->close_idle();
}

}  // namespace sluice::upstream
