// The listening sockets of the process, as the control thread knows them: which listener has which.
//
// A configuration changes them in three steps, so that all that can fail is over before anything
// changes: `plan` finds out, `open` opens, `commit` takes over. A plan that is dropped closes what
// it opened. TCP sockets are the workers' own; one that all workers share (a Unix socket, or one
// that a service manager passed) is also held here, so that a listener with another name can have
// it without a moment when nobody listens. Control thread only; may block on the file system.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sluice/config/model.h"
#include "sluice/net/endpoint.h"
#include "sluice/net/listener.h"

namespace sluice::control {

// Listening sockets that a service manager passed, by listener name (LISTEN_FDNAMES). Whoever is
// given the map owns the descriptors.
using PassedSockets = std::map<std::string, int>;

class ListenerSockets {
 public:
  using Shared = std::shared_ptr<const net::OwnedFd>;

  // What stands at the path of a Unix socket: device and inode.
  using File = std::optional<std::pair<std::uint64_t, std::uint64_t>>;

  // Where the sockets of a listener come from.
  enum class Source : std::uint8_t {
    kept,    // the workers have them
    passed,  // by the service manager, and not used yet
    ours,    // this process listens there, for a listener with another name
    fresh,
  };
  struct Listener {
    std::string name;
    config::Position position;  // of `bind`
    std::string path;           // of `bind`, for messages
    net::Endpoint requested;    // as configured
    net::Endpoint endpoint;     // with the real port
    Source source = Source::fresh;
    net::OwnedFd reservation;           // of the port, when any would do
    Shared shared;                      // the socket that all workers share, if they do
    File file;                          // of a Unix socket, once opened
    std::vector<net::OwnedFd> sockets;  // by worker, once opened; none when they are kept
  };
  struct Plan {
    std::vector<Listener> listeners;
    std::vector<std::string> replaced;  // same name, another address: the old sockets stop
  };

  ListenerSockets(PassedSockets passed, std::size_t worker_count);

  // For each listener of `model`: where its sockets come from, or that there can be none, as a
  // problem (`in_use`: its severity when the address is taken). Puts the port into `model` where it
  // says 0. What is no address, or one that an earlier listener has, is passed over: the
  // configuration's own checks report that. No client notices.
  [[nodiscard]] Plan plan(config::Model& model, config::Severity in_use,
                          config::Problems& problems) const;
  // Opens what is not there yet. What `plan` has found can only fail by a race.
  void open(Plan& plan, config::Problems& problems) const;
  // The plan becomes what is bound; its `sockets` have gone to the workers by then or will. Returns
  // the shared sockets that no listener has any more: once the workers have stopped, they must be
  // shut (net::stop_listening), for a service manager may hold them open.
  [[nodiscard]] std::vector<Shared> commit(const Plan& plan);

  // A drain begins: the workers stop, and nobody may wait in the queue of a socket that only we
  // hold. Those that the service manager holds too keep theirs for the next process.
  void release();

 private:
  struct Bound {
    net::Endpoint requested;
    net::Endpoint endpoint;
    Shared shared;
    File file;
  };

  [[nodiscard]] static bool is_in_place(const Bound& bound);
  [[nodiscard]] const Bound* bound_to(const net::Endpoint& requested) const;
  [[nodiscard]] std::string find(Listener& listener, bool& in_use) const;
  [[nodiscard]] std::string open(Listener& listener) const;

  std::size_t worker_count_;
  std::map<std::string, Shared> passed_;  // not used yet
  std::map<std::string, Bound> bound_;    // by listener name
};

}  // namespace sluice::control
