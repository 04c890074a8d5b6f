// Readiness of a worker's sockets: one edge-triggered epoll set, watched by the worker's
// io_context.
//
// Why not Asio's own reactor for sockets: it needs one failing recv or one epoll_ctl for every
// wait, and a handler through its queue. Here a descriptor is registered once, remembers whether it
// may be readable, and a waiting coroutine is resumed straight from the event: a small proxied
// exchange costs its four socket calls and a share of one epoll_wait (figures in
// docs/architecture.md). One thread: all calls, and the resumed coroutines, on the worker that owns
// the loop.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <functional>

#include "sluice/net/asio_task.h"
#include "sluice/net/task.h"

namespace sluice::net {

class Poller;

// A non-blocking descriptor in the set: owns and closes it. Not movable: the kernel holds its
// address.
class Descriptor {
 public:
  Descriptor(Poller& poller, int fd);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int fd() const { return fd_; }
  // False also when registering failed (descriptor or memory limits): the descriptor is closed
  // then.
  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  void close();

  // What is known without a system call. `may_read` stays true until a read came up short.
  [[nodiscard]] bool may_read() const { return may_read_; }
  [[nodiscard]] bool may_write() const { return may_write_; }
  [[nodiscard]] bool hung_up() const {
    return hung_up_;
  }  // the peer closed or reset, data may be left
  [[nodiscard]] bool was_reset() const { return reset_; }  // no answer can reach the peer any more
  void set_drained() {
    // An end of stream that came with the last bytes makes no edge of its own: keep reading then.
    if (!hung_up_) may_read_ = false;
  }
  void set_full() { may_write_ = false; }

  WaitSlot reader;
  WaitSlot writer;

 private:
  friend class Poller;
  Poller& poller_;
  int fd_;
  bool may_read_ = false;
  bool may_write_ = true;
  bool hung_up_ = false;
  bool reset_ = false;
};

class Poller {
 public:
  // `before_events` runs at the start of each turn, before any coroutine is resumed (the clock is
  // read).
  Poller(asio::io_context& context, std::function<void()> before_events);
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Ends the watching, so that the io_context can run out of work.
  void stop();

 private:
  friend class Descriptor;
  static constexpr int events_per_wait = 256;
  // The set is asked again at once after a full-looking batch; then Asio's own work gets its turn.
  static constexpr int waits_per_turn = 16;

  void watch();
  void turn();
  void dispatch(int count);
  void prefetch_next() const;
  [[nodiscard]] bool add(Descriptor& descriptor);
  void remove(Descriptor& descriptor);

  asio::posix::basic_stream_descriptor<Executor> epoll_;
  std::function<void()> before_events_;
  std::array<epoll_event, events_per_wait> events_;
  int next_event_ = 0;  // while dispatching: events not yet handled are [next_event_, event_count_)
  int event_count_ = 0;
  Descriptor* dispatching_ = nullptr;
};

}  // namespace sluice::net
