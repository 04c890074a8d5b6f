// The other end of a connection under test: a socket that the test reads and writes by itself, on
// the same thread as the loop, so that what happens when is the test's decision.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/net/endpoint.h"
#include "sluice/net/listener.h"
#include "sluice/net/loop.h"

namespace sluice::support {

// Not blocking: what the kernel does not take or have at once is the test's to try again.
class Peer {
 public:
  explicit Peer(net::OwnedFd fd);

  // Fails the test when the kernel does not take all of it.
  void send(std::string_view text);
  // Everything received so far. Reads what there is.
  const std::string& received();
  // Reads at most `bytes` and drops them; returns how many came.
  std::size_t drop(std::size_t bytes);
  void forget() { received_.clear(); }
  // The other side has ended its bytes (FIN), or reset the connection.
  [[nodiscard]] bool has_ended();
  [[nodiscard]] bool was_reset();

  void shutdown_write();
  void reset();  // closes with RST (TCP)
  void close() { fd_ = net::OwnedFd(); }
  [[nodiscard]] bool is_open() const { return fd_.is_valid(); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] net::Endpoint endpoint() const;  // its own address

 private:
  void read_all();

  net::OwnedFd fd_;
  std::string received_;
  bool ended_ = false;
  bool reset_ = false;
};

// Both ends of a connection; `ours` is for the code under test.
struct Pair {
  net::OwnedFd ours;
  Peer peer;
};
[[nodiscard]] Pair unix_pair();
[[nodiscard]] Pair tcp_pair();
// Both for the code under test.
[[nodiscard]] std::pair<net::OwnedFd, net::OwnedFd> stream_pair();
// The least that the kernel allows: writes come up short soon.
void shrink_send_buffer(int fd);

// A TCP server on a free loopback port.
class Server {
 public:
  explicit Server(int backlog = 16);
  [[nodiscard]] const net::Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] std::uint16_t port() const { return endpoint_.port(); }
  // The next waiting connection, or nothing.
  [[nodiscard]] std::optional<Peer> accept();
  void close() { fd_ = net::OwnedFd(); }

 private:
  net::OwnedFd fd_;
  net::Endpoint endpoint_;
};

// A port of 127.0.0.1 that nobody listens on, for what must be told its port. Each is another one,
// and it stays free of everybody else: no other test program has it (not even those in Python, see
// tests/integration/support/ports.py), no outgoing connection takes it, and who connects to it does
// not meet itself, as could happen with the ports that the kernel chooses from.
[[nodiscard]] std::uint16_t free_port();
[[nodiscard]] net::Endpoint loopback(std::uint16_t port);
[[nodiscard]] net::Endpoint local_endpoint(int fd);
// A connected client; fails the test when nobody listens.
[[nodiscard]] Peer connect(const net::Endpoint& endpoint);

// Runs the loop until `done`; gives up, and returns false, after twenty seconds. The loop's clock
// is the real one then, but it does not tick: deadlines pass by `pass_time` alone.
[[nodiscard]] bool run_until(net::Loop& loop, const std::function<bool()>& done);
// Runs everything that is ready, and what that makes ready.
void settle(net::Loop& loop);
// Moves the loop's clock and fires what is due.
void pass_time(net::Loop& loop, std::chrono::milliseconds time);

// While it lives, no descriptor can be opened.
class NoDescriptors {
 public:
  NoDescriptors();
  ~NoDescriptors();
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  std::uint64_t former_;
};

}  // namespace sluice::support
