#include "sluice/proxy/worker.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <set>
#include <utility>

#include "proxy/filters/basic_auth.h"
#include "proxy/filters/token_cache.h"
#include "proxy/handshake_room.h"
#include "proxy/side_request.h"
#include "proxy/tunnel.h"
#include "sluice/base/prefetch.h"
#include "sluice/proxy/connection.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

using observe::Metric;
using observe::Reason;

namespace {

constexpr std::size_t spare_exchanges_max = 1024;  // ten busy HTTP/2 connections

std::set<const route::KeySource*> key_sources(const Snapshot& snapshot) {
  std::set<const route::KeySource*> sources;
  for (const SnapshotListener& listener : snapshot.listeners) {
    for (const route::Rule& rule : listener.table.rules()) {
      if (rule.filters.jwt != nullptr) sources.insert(rule.filters.jwt->keys.get());
    }
  }
  return sources;
}

}  // namespace

Worker::Worker(observe::Cells& cells, observe::AccessLogWriter& log_writer,
               std::uint32_t worker_count, PasswordVerifier* verifier)
    : cells_(cells),
      access_log_(log_writer, cells),
      handshakes_(std::make_unique<HandshakeRoom>(loop_)),
      verifier_(verifier),
      worker_count_(worker_count) {
  for (std::size_t i = 1; i < desync_.size(); ++i) {
    const auto reason = static_cast<http::DesyncReason>(i);
    desync_[i] = &cells_.counter(Metric::desync_requests_total,
                                 {http::text(http::tier_of(reason)), http::text(reason)});
  }
  for (std::size_t i = 0; i < ends_.size(); ++i) {
    ends_[i] =
        &cells_.counter(Metric::exchange_ends_total, {observe::text(static_cast<Reason>(i))});
  }
  loop_.on_tick([this] {
    access_log_.flush();
    cut_deregistered();
    for (const auto& [name, group] : groups_) group->make_room_for_others();
  });
}

Worker::~Worker() = default;

TokenCaches& Worker::tokens() {
  if (tokens_ == nullptr) tokens_ = std::make_unique<TokenCaches>(cells_);
  return *tokens_;
}

Passwords& Worker::passwords() {
  if (passwords_ == nullptr) passwords_ = std::make_unique<Passwords>(cells_, verifier_);
  return *passwords_;
}

void Worker::apply(std::shared_ptr<const Snapshot> snapshot, std::vector<NewSocket> sockets,
                   const std::vector<std::string>& replaced) {
  std::map<std::string, std::shared_ptr<upstream::Group>> groups;
  std::vector<std::shared_ptr<upstream::Group>> by_index;
  for (const auto& settings : snapshot->groups) {
    const auto known = groups_.find(settings->name);
    std::shared_ptr<upstream::Group> group =
        known != groups_.end() ? known->second
                               : std::make_shared<upstream::Group>(loop_, cells_, settings);
    apply(group, settings);
    by_index.push_back(group);
    groups.emplace(settings->name, std::move(group));
  }
  for (auto& [name, group] : groups_) {
    if (groups.contains(name)) continue;
    const config::Milliseconds delay = group->settings().deregistration_delay;
    for (std::shared_ptr<upstream::Pool>& pool : group->retire()) {
      leaving_.push_back({group, std::move(pool), loop_.clock.now() + delay});
    }
  }
  groups_ = std::move(groups);
  forget_registered_again();
  view_ = std::make_shared<const View>(cells_, std::move(snapshot), std::move(by_index));
  if (tokens_ != nullptr) tokens_->keep_only(key_sources(*view_->snapshot));
  const config::AccessLog& log = view_->snapshot->model.access_log;
  access_log_.set_format(log.format, !log.path.empty());

  for (auto bound = listeners_.begin(); bound != listeners_.end();) {
    const auto view = std::ranges::find_if(view_->listeners, [&](const ListenerView& candidate) {
      return candidate.settings->name == bound->first;
    });
    const bool gone = view == view_->listeners.end() ||
                      std::ranges::find(replaced, bound->first) != replaced.end();
    if (gone) {
      bound->second.socket->stop();
      bound->second.slot->is_draining = true;
      bound = listeners_.erase(bound);
    } else {
      bound->second.slot->view = view_;
      bound->second.slot->listener = &*view;
      ++bound;
    }
  }
  for (NewSocket& socket : sockets) start_listener(std::move(socket));
  close_idle_connections();
  reconsider_tunnels();
}

void Worker::apply(const std::shared_ptr<const upstream::GroupSettings>& settings) {
  const auto known = groups_.find(settings->name);
  if (known == groups_.end()) return;
  apply(known->second, settings);
  forget_registered_again();
  reconsider_tunnels();
}

void Worker::apply(const std::shared_ptr<upstream::Group>& group,
                   const std::shared_ptr<const upstream::GroupSettings>& settings) {
  const config::Milliseconds delay = group->settings().deregistration_delay;
  for (std::shared_ptr<upstream::Pool>& pool : group->apply(settings)) {
    leaving_.push_back({group, std::move(pool), loop_.clock.now() + delay});
  }
}

// A target that comes back within its deregistration delay stays, also with a group of the same
// name in the place of its own: nothing of it is cut.
void Worker::forget_registered_again() {
  std::erase_if(leaving_, [this](const Leaving& leaving) {
    const target::Target& target = leaving.pool->target();
    const auto group = groups_.find(target.group());
    return group != groups_.end() && group->second->has(target);
  });
}

// The deregistration delay is over for some targets: what they still have ends now.
void Worker::cut_deregistered() {
  if (leaving_.empty()) return;
  const base::SteadyTime now = loop_.clock.now();
  std::vector<Leaving> over;  // with their groups, which the pools must not outlive
  std::erase_if(leaving_, [&](Leaving& leaving) {
    // A pool of an earlier departure of the target may still be in use.
    const bool is_unused =
        leaving.pool.use_count() == 1 &&
        leaving.pool->target().active_requests.load(std::memory_order_relaxed) == 0;
    if (!is_unused && leaving.until > now) return false;
    if (!is_unused) over.push_back(std::move(leaving));
    return true;
  });
  for (const Leaving& leaving : over) {
    // From the back: an end moves the last connection into its place, and that one has been
    // visited.
    for (std::size_t i = connections_.size(); i-- > 0;) {
      if (i < connections_.size()) connections_[i]->end_exchange_with(*leaving.pool);
    }
    for (std::size_t i = side_requests_.size(); i-- > 0;) {
      if (i < side_requests_.size()) side_requests_[i]->deregister(*leaving.pool);
    }
  }
}

// What ends one may end others with it: each is asked once, by its place.
void Worker::reconsider_tunnels() {
  for (std::size_t i = tunnels_.size(); i-- > 0;) {
    if (i < tunnels_.size()) tunnels_[i]->reconsider();
  }
}

void Worker::start_listener(NewSocket socket) {
  const auto view = std::ranges::find_if(view_->listeners, [&](const ListenerView& candidate) {
    return candidate.settings->name == socket.listener;
  });
  if (view == view_->listeners.end()) return;
  auto slot = std::make_shared<ListenerSlot>();
  slot->name = socket.listener;
  slot->view = view_;
  slot->listener = &*view;
  auto listener = std::make_unique<net::Listener>(
      loop_, std::move(socket.socket), [this, slot](net::OwnedFd fd, const net::Endpoint& peer) {
        accepted(slot, std::move(fd), peer);
      });
  listener->start();
  listeners_.insert_or_assign(socket.listener, BoundListener{slot, std::move(listener)});
}

void Worker::accepted(const std::shared_ptr<ListenerSlot>& slot, net::OwnedFd fd,
                      const net::Endpoint& peer) {
  const std::uint32_t limit = view_->snapshot->model.limits.connections;
  // The limit is the process's; each worker takes its equal part, so that no counter is shared.
  if (limit != 0 && connections_.size() >= std::max<std::uint32_t>(1, limit / worker_count_)) {
    cells_
        .counter(Metric::client_connections_rejected_total,
                 {slot->name, observe::text(Reason::too_many_connections)})
        .add();
    return;  // closes it
  }
  auto connection = std::make_unique<Connection>(*this, slot, std::move(fd), peer);
  if (!connection->stream().is_open()) return;
  net::spawn(Connection::serve(std::move(connection)));
}

void Worker::drain(std::chrono::milliseconds idle_grace, std::function<void()> drained) {
  draining_ = true;
  drained_ = std::move(drained);
  for (auto& [name, bound] : listeners_) bound.socket->stop();
  idle_grace_ = std::make_unique<net::Deadline>(
      loop_.deadlines,
      [](void* context) {
        auto& self = *static_cast<Worker*>(context);
        self.idle_grace_passed_ = true;
        self.close_idle_connections();
      },
      this);
  for (Connection* connection : connections_) connection->announce_end();
  // Nothing waits below a millisecond: the next tick closes them.
  idle_grace_->set(std::max(idle_grace, std::chrono::milliseconds(1)));
  reconsider_tunnels();
  if (connections_.empty()) cancel_side_requests();
  end_drain();
}

config::Milliseconds Worker::shutdown_deadline() const {
  return view_->snapshot->model.shutdown.deadline;
}

void Worker::cut() {
  cutting_ = true;
  for (std::size_t i = connections_.size(); i-- > 0;) connections_[i]->cut();
  cancel_side_requests();
  // Exchanges that wait for a target notice their client only later: all waiting ends now.
  loop_.deadlines.expire_all();
}

// Connections of a listener that is gone, or of a worker that drains, wait for nothing any more.
void Worker::close_idle_connections() {
  // From the back: an end moves the last connection into its place, and that one has been visited.
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (idle_grace_passed_) {
      connections_[i]->close_if_idle();
    } else if (connections_[i]->slot().is_draining) {
      connections_[i]->end_idle_soon();
    }
  }
}

void Worker::add(Connection& connection) {
  connection.index_ = connections_.size();
  connections_.push_back(&connection);
}

void Worker::remove(Connection& connection) {
  connections_[connection.index_] = connections_.back();
  connections_[connection.index_]->index_ = connection.index_;
  connections_.pop_back();
  if (!draining_ || !connections_.empty()) return;
  // What is still done beside exchanges is done for nobody.
  cancel_side_requests();
  end_drain();
}

void Worker::end_drain() {
  const bool is_over = draining_ && connections_.empty() && side_requests_.empty();
  if (is_over && drained_) std::exchange(drained_, nullptr)();
}

// What ends one may end others with it: each is asked once, by its place.
void Worker::cancel_side_requests() {
  for (std::size_t i = side_requests_.size(); i-- > 0;) {
    if (i < side_requests_.size()) side_requests_[i]->cancel();
  }
}

void Worker::add(SideRequest& request) {
  request.index_ = side_requests_.size();
  side_requests_.push_back(&request);
}

void Worker::remove(SideRequest& request) {
  side_requests_[request.index_] = side_requests_.back();
  side_requests_[request.index_]->index_ = request.index_;
  side_requests_.pop_back();
  end_drain();
}

void Worker::add(Tunnel& tunnel) {
  tunnel.index_ = tunnels_.size();
  tunnels_.push_back(&tunnel);
}

void Worker::remove(Tunnel& tunnel) {
  tunnels_[tunnel.index_] = tunnels_.back();
  tunnels_[tunnel.index_]->index_ = tunnel.index_;
  tunnels_.pop_back();
}

std::unique_ptr<Exchange> Worker::take_exchange() {
  if (spare_exchanges_.empty()) return std::make_unique<Exchange>();
  std::unique_ptr<Exchange> exchange = std::move(spare_exchanges_.back());
  spare_exchanges_.pop_back();
  // Requests come in batches: the next one's will be in the cache.
  if (!spare_exchanges_.empty()) base::prefetch(often_used(*spare_exchanges_.back()));
  return exchange;
}

void Worker::give_back(std::unique_ptr<Exchange> exchange) {
  exchange->clear();
  if (spare_exchanges_.size() < spare_exchanges_max)
    spare_exchanges_.push_back(std::move(exchange));
}

std::string_view Worker::http_date() {
  const std::time_t now = base::Wall::to_time_t(loop_.clock.wall());
  if (now != date_second_ || date_.empty()) {
    constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    std::array<char, 64> text;
    const int size = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                   days[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                                   months[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900,
                                   utc.tm_hour, utc.tm_min, utc.tm_sec);
    date_.assign(text.data(), static_cast<std::size_t>(size));
    date_second_ = now;
  }
  return date_;
}

}  // namespace sluice::proxy
