// A raw TCP relay: the floor of the benchmark. It moves bytes between a client and the target and
// understands nothing, so what it costs is what the kernel charges any proxy for two sockets and
// four calls per request.
//
//   relay --listen PORT --target PORT
//
// One thread, edge-triggered epoll, one target connection per client connection, loopback only.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

constexpr int events_per_wait_max = 256;
constexpr std::size_t buffer_bytes =
    16 * 1024;  // of 16, 64, 128 and 256 KiB the cheapest for 1 MiB answers

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "relay: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Pair;

struct Side {
  int descriptor = -1;
  bool ended = false;      // its peer has sent FIN and everything before it was read
  bool shut_down = false;  // we have sent it FIN
  std::string
      unwritten;  // what it would not take yet; while this is not empty the other side is not read
  Side* other = nullptr;
  Pair* pair = nullptr;
};

struct Pair {
  Side client;
  Side target;
  bool dead = false;
};

bool would_block() { return errno == EAGAIN || errno == EINPROGRESS; }

// Writes what is left over. False: the connection is broken.
bool flush(Side& side) {
  while (!side.unwritten.empty()) {
    const ssize_t sent =
        ::send(side.descriptor, side.unwritten.data(), side.unwritten.size(), MSG_NOSIGNAL);
    if (sent < 0) return would_block();
    side.unwritten.erase(0, static_cast<std::size_t>(sent));
  }
  side.unwritten.shrink_to_fit();
  return true;
}

// Moves bytes until the source is empty or the other side takes no more. False: the connection is
// broken. A short read means that the socket is empty now and that later bytes raise a new edge;
// only a FIN that came before this event needs the second read, and EPOLLRDHUP announces it.
bool pump(Side& source, bool end_announced) {
  static std::array<char, buffer_bytes> buffer;
  Side& sink = *source.other;
  while (!source.ended && sink.unwritten.empty()) {
    const ssize_t received = ::recv(source.descriptor, buffer.data(), buffer.size(), 0);
    if (received < 0) return would_block();
    if (received == 0) {
      source.ended = true;
      break;
    }
    const auto size = static_cast<std::size_t>(received);
    ssize_t sent = ::send(sink.descriptor, buffer.data(), size, MSG_NOSIGNAL);
    if (sent < 0) {
      if (!would_block()) return false;
      sent = 0;
    }
    if (static_cast<std::size_t>(sent) < size) {
      sink.unwritten.assign(buffer.data() + sent, size - static_cast<std::size_t>(sent));
      return true;
    }
    if (size < buffer.size() && !end_announced) return true;
  }
  if (source.ended && sink.unwritten.empty() && !sink.shut_down) {
    ::shutdown(sink.descriptor, SHUT_WR);
    sink.shut_down = true;
  }
  return true;
}

int open_socket() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) fail("socket");
  return descriptor;
}

void set_no_delay(int descriptor) {
  const int on = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

class Relay {
 public:
  Relay(std::uint16_t listen_port, std::uint16_t target_port)
      : target_address_(loopback(target_port)) {
    poller_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (poller_ < 0) fail("epoll_create1");
    listener_ = open_socket();
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const sockaddr_in address = loopback(listen_port);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      fail("bind");
    if (::listen(listener_, SOMAXCONN) != 0) fail("listen");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = nullptr;  // the listener is the only one without a side
    if (::epoll_ctl(poller_, EPOLL_CTL_ADD, listener_, &event) != 0) fail("epoll_ctl");
  }

  [[noreturn]] void run() {
    std::array<epoll_event, events_per_wait_max> events{};
    for (;;) {
      const int count = ::epoll_wait(poller_, events.data(), events_per_wait_max, -1);
      if (count < 0 && errno != EINTR) fail("epoll_wait");
      for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.ptr == nullptr) {
          accept_all();
        } else {
          handle(*static_cast<Side*>(event.data.ptr), event.events);
        }
      }
      // Only now: a later event of the same batch may still point at the other side of a dead pair.
      for (const Pair* pair : dead_) pairs_.erase(pair);
      dead_.clear();
    }
  }

 private:
  void accept_all() {
    for (;;) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (client < 0) return;
      const int target = open_socket();
      if (::connect(target, reinterpret_cast<const sockaddr*>(&target_address_),
                    sizeof target_address_) != 0 &&
          !would_block()) {
        ::close(client);
        ::close(target);
        continue;
      }
      auto pair = std::make_unique<Pair>();
      attach(*pair, pair->client, client, pair->target);
      attach(*pair, pair->target, target, pair->client);
      const Pair* key = pair.get();
      pairs_.emplace(key, std::move(pair));
    }
  }

  void attach(Pair& pair, Side& side, int descriptor, Side& other) const {
    side.descriptor = descriptor;
    side.other = &other;
    side.pair = &pair;
    set_no_delay(descriptor);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &side;
    if (::epoll_ctl(poller_, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
  }

  void handle(Side& side, std::uint32_t what) {
    Pair& pair = *side.pair;
    if (pair.dead) return;
    bool alive = (what & EPOLLERR) == 0;
    if (alive && (what & EPOLLOUT) != 0 && !side.unwritten.empty()) {
      // The other side was not read while this one was full: its edges are spent, so read it to the
      // end.
      alive = flush(side) && pump(*side.other, true);
    }
    if (alive && (what & (EPOLLIN | EPOLLRDHUP)) != 0) alive = pump(side, (what & EPOLLRDHUP) != 0);
    if (!alive || (pair.client.shut_down && pair.target.shut_down)) end(pair);
  }

  void end(Pair& pair) {
    ::close(pair.client.descriptor);
    ::close(pair.target.descriptor);
    pair.dead = true;
    dead_.push_back(&pair);
  }

  sockaddr_in target_address_;
  int poller_ = -1;
  int listener_ = -1;
  std::unordered_map<const Pair*, std::unique_ptr<Pair>> pairs_;
  std::vector<const Pair*> dead_;  // closed in this batch of events, freed at its end
};

}  // namespace

int main(int argument_count, char** arguments) {
  int listen_port = 0;
  int target_port = 0;
  for (int i = 1; i + 1 < argument_count; i += 2) {
    const std::string_view option = arguments[i];
    if (option == "--listen") listen_port = std::atoi(arguments[i + 1]);
    if (option == "--target") target_port = std::atoi(arguments[i + 1]);
  }
  if (listen_port < 1 || listen_port > 65535 || target_port < 1 || target_port > 65535) {
    std::fprintf(stderr, "usage: relay --listen PORT --target PORT\n");
    return 2;
  }
  Relay(static_cast<std::uint16_t>(listen_port), static_cast<std::uint16_t>(target_port)).run();
}
