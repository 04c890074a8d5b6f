// The neutral target of the benchmark: answers fixed bodies and costs as little as a target can.
//
//   target --port PORT [--name NAME]
//
// GET /128, /16k and /1m answer bodies of 128 bytes, 16 KiB and 1 MiB; anything else is 404. NAME
// appears in the Server field, so that a test can tell which target answered. One thread,
// level-triggered epoll, HTTP/1.1 keep-alive and pipelining; the answers are built once at the
// start. It serves the benchmark's own proxies on loopback only and understands just what they
// send: it is not a web server.

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
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace {

constexpr std::size_t request_head_bytes_max = 16 * 1024;
constexpr int events_per_wait_max = 256;

struct Answers {
  std::string bytes_128;
  std::string bytes_16k;
  std::string bytes_1m;
  std::string not_found;

  Answers(std::string_view name, bool closing);
};

// nghttpx forwards its client's "Connection: close" (RFC 9112, 9.6); an answer that closed without
// saying so would make it send its next request into a closed connection.
struct AnswerSets {
  Answers keeping;
  Answers closing;
};

struct Connection {
  int descriptor = -1;
  bool close_after_answers = false;
  bool waits_for_writable = false;
  std::string unparsed;                      // the beginning of a request whose end has not arrived
  std::deque<const std::string*> unwritten;  // answers in the order of their requests
  std::size_t written_of_first = 0;          // bytes of unwritten.front() that have left
};

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "target: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

std::string make_answer(std::string_view status, std::string_view name, bool closing,
                        std::size_t body_bytes) {
  std::string answer = "HTTP/1.1 " + std::string(status) + "\r\nServer: " + std::string(name) +
                       "\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
                       std::to_string(body_bytes) + (closing ? "\r\nConnection: close" : "") +
                       "\r\n\r\n";
  answer.append(body_bytes, 'x');
  return answer;
}

Answers::Answers(std::string_view name, bool closing)
    : bytes_128(make_answer("200 OK", name, closing, 128)),
      bytes_16k(make_answer("200 OK", name, closing, std::size_t{16} * 1024)),
      bytes_1m(make_answer("200 OK", name, closing, std::size_t{1024} * 1024)),
      not_found(make_answer("404 Not Found", name, closing, 0)) {}

const std::string& choose_answer(const Answers& answers, std::string_view request_head) {
  if (request_head.starts_with("GET /128 ")) return answers.bytes_128;
  if (request_head.starts_with("GET /16k ")) return answers.bytes_16k;
  if (request_head.starts_with("GET /1m ")) return answers.bytes_1m;
  return answers.not_found;
}

bool asks_to_close(std::string_view request_head) {
  if (request_head.find(" HTTP/1.0\r\n") != std::string_view::npos) return true;
  return request_head.find("onnection: close\r\n") !=
         std::string_view::npos;  // either case of the C
}

// Queues one answer per complete request head and keeps the rest. The requests have no bodies.
void take_requests(Connection& connection, const AnswerSets& answers, std::string_view received) {
  constexpr std::string_view end_of_head = "\r\n\r\n";
  if (!connection.unparsed.empty()) {
    connection.unparsed.append(received);
    received = connection.unparsed;
  }
  std::size_t begin = 0;
  for (;;) {
    const std::size_t end = received.find(end_of_head, begin);
    if (end == std::string_view::npos) break;
    const std::string_view head = received.substr(begin, end + end_of_head.size() - begin);
    const bool closing = asks_to_close(head);
    connection.unwritten.push_back(
        &choose_answer(closing ? answers.closing : answers.keeping, head));
    connection.close_after_answers = connection.close_after_answers || closing;
    begin = end + end_of_head.size();
  }
  // A copy first: `received` may be a view into `unparsed`.
  std::string rest(received.substr(begin));
  connection.unparsed = std::move(rest);
}

enum class Progress { done, would_block, broken };

Progress write_answers(Connection& connection) {
  while (!connection.unwritten.empty()) {
    const std::string& answer = *connection.unwritten.front();
    const ssize_t sent = ::send(connection.descriptor, answer.data() + connection.written_of_first,
                                answer.size() - connection.written_of_first, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) return Progress::would_block;
      if (errno == EINTR) continue;
      return Progress::broken;
    }
    connection.written_of_first += static_cast<std::size_t>(sent);
    if (connection.written_of_first == answer.size()) {
      connection.unwritten.pop_front();
      connection.written_of_first = 0;
    }
  }
  return Progress::done;
}

class Server {
 public:
  Server(std::uint16_t port, std::string_view name)
      : answers_{Answers(name, false), Answers(name, true)} {
    poller_ = ::epoll_create1(EPOLL_CLOEXEC);
    if (poller_ < 0) fail("epoll_create1");
    listen_on_loopback(port);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, events_per_wait_max> events{};
    for (;;) {
      const int count = ::epoll_wait(poller_, events.data(), events_per_wait_max, -1);
      if (count < 0 && errno != EINTR) fail("epoll_wait");
      for (int i = 0; i < count; ++i) {
        if (events[static_cast<std::size_t>(i)].data.fd == listener_) {
          accept_all();
        } else {
          serve(events[static_cast<std::size_t>(i)].data.fd);
        }
      }
    }
  }

 private:
  void listen_on_loopback(std::uint16_t port) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener_ < 0) fail("socket");
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      fail("bind");
    if (::listen(listener_, SOMAXCONN) != 0) fail("listen");
    watch(listener_, EPOLLIN, EPOLL_CTL_ADD);
  }

  void watch(int descriptor, std::uint32_t what, int operation) const {
    epoll_event event{};
    event.events = what;
    event.data.fd = descriptor;
    if (::epoll_ctl(poller_, operation, descriptor, &event) != 0) fail("epoll_ctl");
  }

  void accept_all() {
    for (;;) {
      const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (descriptor < 0) return;
      const int on = 1;
      ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      connections_[descriptor].descriptor = descriptor;
      watch(descriptor, EPOLLIN, EPOLL_CTL_ADD);
    }
  }

  void close_connection(int descriptor) {
    connections_.erase(descriptor);
    ::close(descriptor);
  }

  // Reads only when every earlier answer has left: a proxy that does not read its answers gets no
  // further ones.
  void serve(int descriptor) {
    Connection& connection = connections_.at(descriptor);
    if (connection.unwritten.empty()) {
      static std::array<char, request_head_bytes_max> buffer;
      const ssize_t received = ::recv(descriptor, buffer.data(), buffer.size(), 0);
      if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (received <= 0) return close_connection(descriptor);
      take_requests(connection, answers_, {buffer.data(), static_cast<std::size_t>(received)});
      if (connection.unparsed.size() > request_head_bytes_max) return close_connection(descriptor);
    }
    const Progress progress = write_answers(connection);
    if (progress == Progress::broken ||
        (progress == Progress::done && connection.close_after_answers)) {
      return close_connection(descriptor);
    }
    const bool must_wait = progress == Progress::would_block;
    if (must_wait != connection.waits_for_writable) {
      connection.waits_for_writable = must_wait;
      watch(descriptor, must_wait ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    }
  }

  AnswerSets answers_;
  int poller_ = -1;
  int listener_ = -1;
  std::unordered_map<int, Connection> connections_;
};

}  // namespace

int main(int argument_count, char** arguments) {
  int port = 0;
  std::string name = "target";
  for (int i = 1; i + 1 < argument_count; i += 2) {
    const std::string_view option = arguments[i];
    if (option == "--port") port = std::atoi(arguments[i + 1]);
    if (option == "--name") name = arguments[i + 1];
  }
  if (port < 1 || port > 65535) {
    std::fprintf(stderr, "usage: target --port PORT [--name NAME]\n");
    return 2;
  }
  Server(static_cast<std::uint16_t>(port), name).run();
}
