#include "sluice/control/listener_sockets.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <set>
#include <utility>

namespace sluice::control {

namespace {

bool is_any_port(const net::Endpoint& endpoint) {
  return endpoint.family() != AF_UNIX && endpoint.port() == 0;
}

// Whether a socket at `actual` is what `requested` asks for, any port counted as every port.
bool is_asked_for(const net::Endpoint& actual, const net::Endpoint& requested) {
  if (!is_any_port(requested)) return actual == requested;
  return actual.family() == requested.family() && actual.address() == requested.address();
}

ListenerSockets::File file_at(const net::Endpoint& endpoint) {
  struct stat status{};
  const auto* const address = reinterpret_cast<const sockaddr_un*>(endpoint.data());
  if (endpoint.family() != AF_UNIX || ::lstat(address->sun_path, &status) != 0) return std::nullopt;
  return std::pair<std::uint64_t, std::uint64_t>(status.st_dev, status.st_ino);
}

std::string refusal(const net::Endpoint& endpoint, const std::string& error) {
  return "cannot listen on " + endpoint.text() + ": " + error;
}

}  // namespace

ListenerSockets::ListenerSockets(PassedSockets passed, std::size_t worker_count)
    : worker_count_(worker_count) {
  for (const auto& [name, fd] : passed) {
    passed_.emplace(name, std::make_shared<const net::OwnedFd>(fd));
  }
}

// Clients reach a Unix socket by its path only: without it the socket is of no use.
bool ListenerSockets::is_in_place(const Bound& bound) {
  return bound.endpoint.family() != AF_UNIX ||
         (bound.file.has_value() && file_at(bound.endpoint) == bound.file);
}

const ListenerSockets::Bound* ListenerSockets::bound_to(const net::Endpoint& requested) const {
  if (is_any_port(requested)) return nullptr;  // each has a port of its own
  const auto found = std::ranges::find_if(bound_, [&requested](const auto& each) {
    return each.second.requested == requested && is_in_place(each.second);
  });
  return found == bound_.end() ? nullptr : &found->second;
}

ListenerSockets::Plan ListenerSockets::plan(config::Model& model, config::Severity in_use_severity,
                                            config::Problems& problems) const {
  Plan plan;
  std::set<net::Endpoint> taken;
  for (std::size_t i = 0; i < model.listeners.size(); ++i) {
    config::Address& bind = model.listeners[i].bind;
    std::string error;
    const std::optional<net::Endpoint> requested = net::resolve(bind, error);
    if (bind.host.empty() || !requested.has_value()) continue;
    if (!is_any_port(*requested) && !taken.insert(*requested).second) continue;
    Listener listener{.name = model.listeners[i].name,
                      .position = bind.position,
                      .path = "listeners[" + std::to_string(i) + "].bind",
                      .requested = *requested,
                      .endpoint = *requested};
    bool in_use = false;
    error = find(listener, in_use);
    if (!error.empty()) {
      const config::Severity severity = in_use ? in_use_severity : config::Severity::error;
      problems.add({listener.position, listener.path, refusal(*requested, error), severity});
      continue;
    }
    if (!bind.is_unix && bind.port == 0) bind.port = listener.endpoint.port();
    if (listener.source != Source::kept && bound_.contains(listener.name)) {
      plan.replaced.push_back(listener.name);
    }
    plan.listeners.push_back(std::move(listener));
  }
  return plan;
}

// Sets the source, and with it what is known of the sockets. Returns why there can be none.
std::string ListenerSockets::find(Listener& listener, bool& in_use) const {
  const auto own = bound_.find(listener.name);
  const bool is_bound = own != bound_.end() && own->second.requested == listener.requested;
  const bool stays = is_bound && is_in_place(own->second);
  const auto passed = passed_.find(listener.name);
  // One that was shut in spite of us, or before us, is of no use.
  const bool is_passed = passed != passed_.end() && net::is_listening(passed->second->get());
  const Bound* const ours = stays ? &own->second : bound_to(listener.requested);
  std::string error;
  if (!is_bound && is_passed) {
    listener.source = Source::passed;
    listener.endpoint = net::local_endpoint(passed->second->get());
    listener.shared = passed->second;
    if (!is_asked_for(listener.endpoint, listener.requested)) {
      error = "the socket that was passed for it listens on " + listener.endpoint.text();
    }
  } else if (ours != nullptr) {
    listener.source = stays ? Source::kept : Source::ours;
    listener.endpoint = ours->endpoint;
    listener.shared = ours->shared;
    listener.file = ours->file;
  } else if (is_any_port(listener.requested)) {
    listener.reservation = net::reserve_port(listener.endpoint, error);
  } else {
    error = net::probe_listen(listener.requested, in_use);
  }
  return error;
}

void ListenerSockets::open(Plan& plan, config::Problems& problems) const {
  for (Listener& listener : plan.listeners) {
    if (listener.source == Source::kept) continue;
    const std::string error = open(listener);
    if (error.empty()) continue;
    problems.error(listener.position, listener.path, refusal(listener.endpoint, error));
  }
}

std::string ListenerSockets::open(Listener& listener) const {
  std::string error;
  const bool is_unix = listener.endpoint.family() == AF_UNIX;
  if (is_unix && listener.shared == nullptr) {
    std::vector<net::OwnedFd> one = net::listen_on(listener.endpoint, 1, false, error);
    if (one.empty()) return error;
    listener.shared = std::make_shared<const net::OwnedFd>(std::move(one.front()));
  }
  if (listener.shared != nullptr) {
    listener.sockets = net::adopt_listening(listener.shared->get(), worker_count_, error);
  } else {
    const bool is_ours = listener.source == Source::ours || listener.reservation.is_valid();
    listener.sockets = net::listen_on(listener.endpoint, worker_count_, is_ours, error);
  }
  if (!listener.file.has_value()) listener.file = file_at(listener.endpoint);
  return error;
}

std::vector<ListenerSockets::Shared> ListenerSockets::commit(const Plan& plan) {
  const std::map<std::string, Bound> former = std::exchange(bound_, {});
  std::set<Shared> used;
  for (const Listener& listener : plan.listeners) {
    if (listener.source == Source::passed) passed_.erase(listener.name);
    bound_.emplace(listener.name,
                   Bound{listener.requested, listener.endpoint, listener.shared, listener.file});
    used.insert(listener.shared);
  }
  std::vector<Shared> unused;
  for (const auto& [name, bound] : former) {
    if (bound.shared != nullptr && !used.contains(bound.shared)) unused.push_back(bound.shared);
  }
  return unused;
}

void ListenerSockets::release() {
  for (auto& [name, bound] : bound_) bound.shared.reset();
}

}  // namespace sluice::control
