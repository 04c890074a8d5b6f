#include "sluice/net/dns_resolver.h"

#include <ares.h>
#include <netinet/in.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <utility>

#include "sluice/net/deadline.h"

namespace sluice::net {
namespace {

using std::chrono::milliseconds;

constexpr unsigned rounds = 2;
constexpr int dns_port = 53;
// What passes any path in one piece (DNS flag day 2020); longer answers come over TCP.
constexpr int udp_payload_bytes = 1232;
// Never comes: c-ares only looks at its clock when a socket has something, and our deadline is
// earlier.
constexpr int ares_timeout_milliseconds = 3'600'000;

void initialize_library() {
  static const int status = ares_library_init(ARES_LIB_INIT_ALL);
  static_cast<void>(status);  // a channel fails when this did
}

struct DestroyChannel {
  void operator()(ares_channeldata* channel) const { ares_destroy(channel); }
};
using Channel = std::unique_ptr<ares_channeldata, DestroyChannel>;

// --- the servers --------------------------------------------------------------------------------

ares_addr_port_node node_of(const Endpoint& server) {
  ares_addr_port_node node{};
  node.family = server.family();
  if (node.family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, server.data(), sizeof address);
    node.addr.addr4 = address.sin_addr;
  } else {
    sockaddr_in6 address{};
    std::memcpy(&address, server.data(), sizeof address);
    std::memcpy(&node.addr.addr6, &address.sin6_addr, sizeof address.sin6_addr);
  }
  node.udp_port = node.tcp_port = server.port();
  return node;
}

Endpoint endpoint_of(const ares_addr_port_node& node) {
  const int given = node.udp_port != 0 ? node.udp_port : dns_port;
  const auto port = htons(static_cast<std::uint16_t>(given));
  if (node.family == AF_INET) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr = node.addr.addr4;
    address.sin_port = port;
    return Endpoint::from(reinterpret_cast<const sockaddr*>(&address), sizeof address);
  }
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  std::memcpy(&address.sin6_addr, &node.addr.addr6, sizeof address.sin6_addr);
  address.sin6_port = port;
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

// --- one question to one server -----------------------------------------------------------------

class Exchange;

// A socket of c-ares, watched. Outlives its exchange as long as Asio holds a handler.
struct Watched : std::enable_shared_from_this<Watched> {
  Watched(Loop& loop, Exchange& of) : exchange(&of), descriptor(loop.context) {}
  ~Watched() { leave(); }
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  // c-ares closes its sockets itself.
  void leave() {
    exchange = nullptr;
    if (descriptor.is_open()) descriptor.release();
  }
  void watch();

  Exchange* exchange;
  asio::posix::basic_stream_descriptor<Executor> descriptor;
  bool wants_read = false;
  bool wants_write = false;
  bool waits_read = false;
  bool waits_write = false;

 private:
  void wait(bool for_write);
};

class Exchange {
 public:
  explicit Exchange(Loop& loop) : loop_(loop), deadline_(loop.deadlines, expire, &ended_) {}
  ~Exchange() {
    is_given_up_ = true;
    ended_.disarm();
    channel_.reset();  // calls `answered` when there was no answer, and `socket_changed`
    for (const auto& socket : sockets_) socket->leave();
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // True: the end is already known.
  bool begin(const Endpoint& server, const std::string& name, DnsType type) {
    status_ = open(server);
    if (status_ != ARES_SUCCESS) return true;
    ares_query(channel_.get(), name.c_str(), class_internet, static_cast<int>(type), answered,
               this);
    watch();
    return is_ended_;
  }

  // `co_await exchange.end(timeout)`; expired when there was none.
  WaitSlot::Awaiter end(milliseconds timeout) {
    deadline_.set(std::max(timeout, milliseconds(1)));
    return ended_.wait();
  }

  // When it has ended: a message, or why there is none.
  [[nodiscard]] base::Bytes message() const { return message_; }  // empty: there is none
  [[nodiscard]] std::string error() const {
    return status_ == ARES_ECONNREFUSED ? "the connection was refused or broke off"
                                        : ares_strerror(status_);
  }

  void ready(int fd, bool for_write) {
    ares_process_fd(channel_.get(), for_write ? ARES_SOCKET_BAD : fd,
                    for_write ? fd : ARES_SOCKET_BAD);
    watch();
    if (is_ended_) ended_.fire(Wake::ready);  // may destroy this
  }

 private:
  static constexpr int class_internet = 1;

  int open(const Endpoint& server) {
    initialize_library();
    // With all of these set it reads neither files nor the environment's search list.
    ares_options options{};
    options.flags =
        ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP | ARES_FLAG_EDNS;
    options.timeout = ares_timeout_milliseconds;
    options.tries = 1;
    options.ndots = 1;
    options.ednspsz = udp_payload_bytes;
    options.sock_state_cb = socket_changed;
    options.sock_state_cb_data = this;
    char lookups[] = "b";
    options.lookups = lookups;
    ares_channel channel = nullptr;
    const int status = ares_init_options(
        &channel, &options,
        ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_EDNSPSZ |
            ARES_OPT_SOCK_STATE_CB | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST |
            ARES_OPT_SERVERS | ARES_OPT_NOROTATE);
    if (status != ARES_SUCCESS) return status;
    channel_.reset(channel);
    ares_addr_port_node node = node_of(server);
    return ares_set_servers_ports(channel, &node);
  }

  // Called by C, through which nothing may be thrown.
  static void answered(void* context, int status, int /*timeouts*/, unsigned char* message,
                       int size) noexcept {
    Exchange& exchange = *static_cast<Exchange*>(context);
    if (exchange.is_given_up_) return;
    exchange.is_ended_ = true;
    exchange.status_ = status;
    if (message == nullptr || size <= 0) return;
    try {
      const char* bytes = reinterpret_cast<const char*>(message);
      exchange.message_.assign(bytes, bytes + size);
    } catch (const std::bad_alloc&) {
      exchange.status_ = ARES_ENOMEM;
    }
  }

  // Says what is of interest on a socket; nothing: it is about to be closed. A socket that cannot
  // be watched stays silent.
  static void socket_changed(void* context, ares_socket_t fd, int readable, int writable) noexcept {
    Exchange& exchange = *static_cast<Exchange*>(context);
    auto& sockets = exchange.sockets_;
    const auto found = std::ranges::find_if(
        sockets, [fd](const auto& socket) { return socket->descriptor.native_handle() == fd; });
    if (found != sockets.end()) {
      (*found)->wants_read = readable != 0;
      (*found)->wants_write = writable != 0;
      if (readable != 0 || writable != 0) return;
      (*found)->leave();
      sockets.erase(found);
    } else if (readable != 0 || writable != 0) {
      try {
        auto socket = std::make_shared<Watched>(exchange.loop_, exchange);
        boost::system::error_code error;
        socket->descriptor.assign(fd, error);
        if (error) return;
        socket->wants_read = readable != 0;
        socket->wants_write = writable != 0;
        sockets.push_back(std::move(socket));
      } catch (const std::bad_alloc&) {
        return;
      }
    }
  }

  void watch() {
    for (const auto& socket : sockets_) socket->watch();
  }

  static void expire(void* slot) { static_cast<WaitSlot*>(slot)->fire(Wake::expired); }

  Loop& loop_;
  Channel channel_;
  std::vector<std::shared_ptr<Watched>> sockets_;  // at most one of UDP and one of TCP
  std::vector<char> message_;
  int status_ = ARES_SUCCESS;
  WaitSlot ended_;
  Deadline deadline_;
  bool is_ended_ = false;
  bool is_given_up_ = false;
};

void Watched::watch() {
  if (wants_read && !waits_read) wait(false);
  if (wants_write && !waits_write) wait(true);
}

void Watched::wait(bool for_write) {
  (for_write ? waits_write : waits_read) = true;
  const auto what = for_write ? asio::posix::descriptor_base::wait_write
                              : asio::posix::descriptor_base::wait_read;
  descriptor.async_wait(
      what, [self = shared_from_this(), for_write](const boost::system::error_code& error) {
        (for_write ? self->waits_write : self->waits_read) = false;
        if (error || self->exchange == nullptr) return;
        self->exchange->ready(self->descriptor.native_handle(), for_write);
      });
}

DnsAnswer failed(std::string error) {
  DnsAnswer answer;
  answer.error = std::move(error);
  return answer;
}

Task<DnsAnswer> ask_server(Loop& loop, Endpoint server, std::string name, DnsType type,
                           milliseconds timeout, bool& was_silent) {
  Exchange exchange(loop);
  Wake wake = Wake::ready;
  if (!exchange.begin(server, name, type)) wake = co_await exchange.end(timeout);
  was_silent = wake != Wake::ready;
  if (was_silent) co_return failed("no answer in time");
  if (exchange.message().empty()) co_return failed(exchange.error());
  co_return parse_dns_answer(exchange.message(), name, type);
}

// What is left of a time, as it goes by.
class TimeLeft {
 public:
  TimeLeft(const Loop& loop, milliseconds timeout)
      : clock_(loop.clock), end_(loop.clock.now() + timeout) {}
  milliseconds operator()() const {
    return std::chrono::duration_cast<milliseconds>(end_ - clock_.now());
  }

 private:
  const base::Clock& clock_;
  base::SteadyTime end_;
};

struct Server {
  Endpoint endpoint;
  std::string error;
  bool was_silent = true;  // or was not asked yet
};

// How many tries there are from this one on, if all that are silent stay so.
std::int64_t tries_left(const std::vector<Server>& servers, std::size_t from, unsigned round) {
  const std::int64_t now = std::count_if(servers.begin() + static_cast<std::ptrdiff_t>(from),
                                         servers.end(), std::mem_fn(&Server::was_silent));
  const std::int64_t all = std::ranges::count(servers, true, &Server::was_silent);
  return now + (rounds - 1 - round) * all;
}

}  // namespace

std::vector<Endpoint> system_dns_servers(const char* file) {
  initialize_library();
  ares_options options{};
  std::string path(file);
  options.resolvconf_path = path.data();
  ares_channel raw = nullptr;
  std::vector<Endpoint> servers;
  if (ares_init_options(&raw, &options, ARES_OPT_RESOLVCONF) != ARES_SUCCESS) return servers;
  const Channel channel(raw);
  ares_addr_port_node* list = nullptr;
  if (ares_get_servers_ports(raw, &list) != ARES_SUCCESS) return servers;
  for (const ares_addr_port_node* node = list; node != nullptr; node = node->next) {
    const Endpoint endpoint = endpoint_of(*node);
    const bool is_known = std::ranges::find(servers, endpoint) != servers.end();
    if (!is_known && servers.size() < dns_servers_max) servers.push_back(endpoint);
  }
  ares_free_data(list);
  return servers;
}

DnsResolver::DnsResolver(Loop& loop, std::vector<Endpoint> servers)
    : loop_(loop), servers_(std::move(servers)) {
  if (servers_.size() > dns_servers_max) servers_.resize(dns_servers_max);
}

std::vector<Endpoint> DnsResolver::servers() const {
  std::vector<Endpoint> servers = servers_.empty() ? system_dns_servers() : servers_;
  const auto last = std::ranges::find(servers, answered_last_);
  if (last != servers.end()) std::rotate(servers.begin(), last, servers.end());
  return servers;
}

Task<DnsAnswer> DnsResolver::ask(std::string name, DnsType type, milliseconds timeout) {
  const TimeLeft left(loop_, timeout);
  std::vector<Server> servers;
  for (const Endpoint& endpoint : this->servers()) servers.push_back({.endpoint = endpoint});
  for (unsigned round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < servers.size(); ++i) {
      Server& server = servers[i];
      if (!server.was_silent || left() <= milliseconds::zero()) continue;
      const milliseconds share = left() / tries_left(servers, i, round);
      Task<DnsAnswer> asking =
          ask_server(loop_, server.endpoint, name, type, share, server.was_silent);
      DnsAnswer answer = co_await std::move(asking);
      if (answer.error.empty()) {
        answered_last_ = server.endpoint;
        co_return answer;
      }
      server.error = std::move(answer.error);
    }
  }
  std::string error;
  for (const Server& server : servers) {
    if (server.error.empty()) continue;
    error += (error.empty() ? "" : ", ") + server.endpoint.text() + ": " + server.error;
  }
  if (error.empty()) error = servers.empty() ? "there is no DNS server to ask" : "no time is left";
  co_return failed(std::move(error));
}

}  // namespace sluice::net
