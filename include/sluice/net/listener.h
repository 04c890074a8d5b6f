// Listening sockets, and the accept loop of one worker on one of them.
//
// Sockets are opened on the control thread, one per worker with SO_REUSEPORT, so that every error
// (port in use, no permission) is known before a configuration is published.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sluice/net/endpoint.h"
#include "sluice/net/loop.h"

namespace sluice::net {

// Owns a descriptor until it is released to somebody.
class OwnedFd {
 public:
  OwnedFd() = default;
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd();
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] bool is_valid() const { return fd_ >= 0; }
  [[nodiscard]] int release();

 private:
  int fd_ = -1;
};

// `count` sockets bound to the same endpoint and listening. Empty with `error` set when the port is
// in use, also by another process that would share it through SO_REUSEPORT. `is_ours`: this process
// listens there already and is about to stop, or has reserved the port, so sharing is what is
// wanted. Port 0: one free port for all of them. Unix sockets: one socket, its descriptor
// duplicated; a stale socket file is replaced, a living one is an error, `is_ours` or not.
[[nodiscard]] std::vector<OwnedFd> listen_on(const Endpoint& endpoint, std::size_t count,
                                             bool is_ours, std::string& error);

// What listen_on would say, without listening and without making a file. Empty: it would work.
// `in_use` tells that case apart.
[[nodiscard]] std::string probe_listen(const Endpoint& endpoint, bool& in_use);

// Takes a free port and puts it into `endpoint`, whose port is 0. While the descriptor is open
// nobody else gets the port, and no client gets in. Not valid, with `error` set, when there is
// none.
[[nodiscard]] OwnedFd reserve_port(Endpoint& endpoint, std::string& error);

// A listening socket that there is already: passed by a service manager (socket activation), or of
// another listener. Made non-blocking and duplicated, for all workers then share its queue; `fd`
// stays the caller's.
[[nodiscard]] std::vector<OwnedFd> adopt_listening(int fd, std::size_t count, std::string& error);

// False for what is no socket, and for one that `stop_listening` has shut.
[[nodiscard]] bool is_listening(int fd);
// For all who hold the socket, other processes too: connecting is refused from now on, and what
// waits in its queue is reset.
void stop_listening(int fd);

// Where a socket is bound, with the real port; of no family when it is none.
[[nodiscard]] Endpoint local_endpoint(int fd);

// Accepts until closed. When descriptors run out it pauses, says so once, and recovers by itself.
class Listener {
 public:
  // `accepted` takes the non-blocking, connected descriptor and the peer's endpoint.
  using Accepted = std::function<void(OwnedFd, const Endpoint& peer)>;

  Listener(Loop& loop, OwnedFd socket, Accepted accepted);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  void start();
  // Takes what is waiting in the queue (closing would reset it), then closes the socket. The object
  // may be destroyed afterwards.
  void stop();

 private:
  static constexpr std::chrono::milliseconds pause{100};
  static constexpr int accepts_per_event = 64;  // then others get their turn

  [[nodiscard]] bool accept_one();
  Task<> run();

  Loop& loop_;
  Accepted accepted_;
  std::unique_ptr<Descriptor> socket_;
  std::shared_ptr<WaitSlot> resume_;  // shared with a posted wake-up that may come after our end
  Deadline resume_at_;
  bool exhausted_said_ = false;
  bool paused_ = false;
};

// Options every proxied TCP socket gets: no Nagle delay (heads and bodies leave in whole writes).
void set_stream_options(int fd);

}  // namespace sluice::net
