// When an upgraded connection has to end, and how it is told.
#include <algorithm>

#include "proxy/tunnel.h"

namespace sluice::proxy {

using config::Milliseconds;

namespace {

Milliseconds random_up_to(Exchange& exchange, Milliseconds most) {
  const auto range = static_cast<std::uint64_t>(std::max<std::int64_t>(most.count(), 0)) + 1;
  return Milliseconds(exchange.worker().random().next() % range);
}

// For deadlines, where zero is none.
Milliseconds at_least_a_moment(base::Steady::duration time) {
  return std::max(std::chrono::ceil<Milliseconds>(time), Milliseconds(1));
}

}  // namespace

const config::WebSocket& Tunnel::settings() const { return exchange_.group_settings->websocket; }

void Tunnel::begin_times() {
  const base::Steady::duration age = exchange_.worker().loop().clock.now() - began_at_;
  idle_.set(settings().idle_timeout);
  ping_.set(settings().ping_interval);
  lifetime_.clear();
  if (settings().lifetime > Milliseconds::zero()) {
    lifetime_.set(at_least_a_moment(settings().lifetime - age));
  }
}

// Bytes do not touch the deadlines: what they changed is looked at when one has passed. With pings
// each side has to be heard, for the other one's answers would cover up that it is dead.
void Tunnel::idle_time_passed() {
  const base::SteadyTime now = exchange_.worker().loop().clock.now();
  const bool each = settings().ping_interval > Milliseconds::zero();
  const base::SteadyTime heard = each ? std::min(to_target_.heard_at, to_client_.heard_at)
                                      : std::max(to_target_.heard_at, to_client_.heard_at);
  const base::Steady::duration left = settings().idle_timeout - (now - heard);
  if (left <= base::Steady::duration::zero()) return begin_close(End::idle, http::going_away);
  idle_.set(at_least_a_moment(left));
}

// Each side that has been silent for the interval is asked.
void Tunnel::ping_time_passed() {
  const base::SteadyTime now = exchange_.worker().loop().clock.now();
  base::Steady::duration next = settings().ping_interval;
  bool is_any_due = false;
  for (const TunnelHalf* half : {&to_target_, &to_client_}) {
    const base::Steady::duration left = settings().ping_interval - (now - half->heard_at);
    if (left <= base::Steady::duration::zero()) {
      other(*half).is_ping_due = is_any_due = true;
    } else {
      next = std::min(next, left);
    }
  }
  ping_.set(at_least_a_moment(next));
  if (is_any_due) wake_readers();
}

void Tunnel::lifetime_passed() { begin_close(End::lifetime, http::going_away); }

void Tunnel::closing_time_passed() {
  if (is_closing_ || end_ != End::none) return cut();
  begin_close(End::drained, close_code_);
}

// The rule that led here, as the configuration in force has it, if it still forwards to the group
// and that still has the target; else null.
const RuleView* Tunnel::rule_in_force() const {
  const ListenerSlot& slot = exchange_.connection->slot();
  if (slot.is_draining) return nullptr;
  const std::string& name = exchange_.rule->rule->name;
  const std::vector<RuleView>& rules = slot.listener->rules;
  const auto same_place =
      static_cast<std::size_t>(exchange_.rule - exchange_.listener->rules.data());
  const RuleView* found = nullptr;
  if (same_place < rules.size() && rules[same_place].rule->name == name) {
    found = &rules[same_place];  // the usual case: nobody searches 1,000 rules for 10,000 tunnels
  } else {
    const auto by_name = [&name](const RuleView& rule) { return rule.rule->name == name; };
    const auto at = std::ranges::find_if(rules, by_name);
    if (at != rules.end()) found = &*at;
  }
  if (found == nullptr || !found->rule->action.has_value()) return nullptr;
  const auto* forward = std::get_if<route::Forward>(&*found->rule->action);
  if (forward == nullptr) return nullptr;
  const std::optional<std::size_t> place = forward->find(exchange_.group_settings->name);
  if (!place.has_value()) return nullptr;
  const upstream::Group& group = *slot.view->groups[forward->groups[*place].group];
  return group.has(exchange_.pool->target()) ? found : nullptr;
}

// So that no connection, however old, keeps a former configuration in memory.
void Tunnel::follow(const RuleView& rule) {
  const ListenerSlot& slot = exchange_.connection->slot();
  const auto& forward = std::get<route::Forward>(*rule.rule->action);
  const std::size_t place =
      *forward.find(exchange_.group_settings->name);  // rule_in_force found it
  const std::size_t index = forward.groups[place].group;
  // Another group of the same name, after one that was gone: ours is held by the former view.
  if (slot.view->groups[index].get() != exchange_.group) return;
  const config::WebSocket former = settings();
  exchange_.listener = slot.listener;
  exchange_.rule = &rule;
  exchange_.rule_group = &rule.groups[place];
  exchange_.group_settings = slot.view->snapshot->groups[index].get();
  exchange_.view = slot.view;
  if (settings() != former) begin_times();
}

void Tunnel::reconsider() {
  if (is_closing_ || end_ != End::none) return;
  Worker& worker = exchange_.worker();
  if (worker.is_draining()) {
    if (is_scheduled_ && close_code_ == http::going_away) return;
    const Milliseconds window =
        std::min(settings().close_window, worker.shutdown_deadline() * 3 / 4);
    return close_in(random_up_to(exchange_, window), http::going_away);
  }
  const RuleView* rule = rule_in_force();
  if (rule != nullptr) {
    if (is_scheduled_) closing_.clear();
    is_scheduled_ = false;
    return follow(*rule);
  }
  if (is_scheduled_) return;
  // Within the window, which ends in time for the peers' own close frames before the delay does.
  const Milliseconds delay = exchange_.group_settings->deregistration_delay;
  const Milliseconds latest = delay - std::min(close_grace, delay / 4);
  const Milliseconds window = std::min(settings().close_window, latest);
  close_in(latest - random_up_to(exchange_, window), http::service_restart);
}

void Tunnel::close_in(Milliseconds after, std::uint16_t code) {
  is_scheduled_ = true;
  close_code_ = code;
  closing_.set(at_least_a_moment(after));
}

void Tunnel::begin_close(End why, std::uint16_t code) {
  if (is_closing_ || end_ != End::none) return;
  is_closing_ = true;
  end_ = why;
  close_code_ = code;
  idle_.clear();
  ping_.clear();
  lifetime_.clear();
  closing_.set(close_grace);
  wake_readers();
}

// Waking one half may end the other, and the tunnel with it.
void Tunnel::wake_readers() {
  bool is_gone = false;
  is_gone_ = &is_gone;
  (void)to_target_.from.cancel_reader();
  if (is_gone) return;
  (void)to_client_.from.cancel_reader();
  if (!is_gone) is_gone_ = nullptr;
}

void Tunnel::end_now(End why) {
  if (end_ == End::none) end_ = why;
  cut();
}

void Tunnel::cut() {
  target_->cut();
  client_->cut();
}

}  // namespace sluice::proxy
