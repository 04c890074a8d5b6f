#include "sluice/net/listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sluice/observe/log.h"
#include "support/certificates.h"
#include "support/peer.h"

namespace sluice::net {
namespace {

using std::chrono::milliseconds;
using support::CertificateDirectory;
using support::loopback;
using support::pass_time;
using support::Peer;
using support::settle;

// A listener on a free port, and what it accepted.
struct Accepting {
  explicit Accepting(Loop& of) : loop(of) {
    std::string error;
    std::vector<OwnedFd> sockets = listen_on(loopback(0), 1, false, error);
    EXPECT_EQ(sockets.size(), 1U) << error;
    endpoint = support::local_endpoint(sockets[0].get());
    listener = std::make_unique<Listener>(loop, std::move(sockets[0]),
                                          [this](OwnedFd fd, const Endpoint& peer) {
                                            accepted.push_back(std::move(fd));
                                            peers.push_back(peer);
                                          });
  }
  ~Accepting() { listener->stop(); }
  Accepting(const Accepting&) = delete;
  Accepting& operator=(const Accepting&) = delete;

  std::vector<Peer> connect(std::size_t count) const {
    std::vector<Peer> clients;
    for (std::size_t i = 0; i < count; ++i) clients.push_back(support::connect(endpoint));
    return clients;
  }

  Loop& loop;
  Endpoint endpoint;
  std::unique_ptr<Listener> listener;
  std::vector<OwnedFd> accepted;
  std::vector<Endpoint> peers;
};

TEST(Listener, connections_are_accepted_with_the_address_of_the_peer) {
  Loop loop;
  Accepting server(loop);
  server.listener->start();
  const std::vector<Peer> clients = server.connect(3);
  ASSERT_TRUE(support::run_until(loop, [&] { return server.accepted.size() == 3; }));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(server.peers[i], clients[i].endpoint());
  const int flags = ::fcntl(server.accepted[0].get(), F_GETFL);
  EXPECT_NE(flags & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(server.accepted[0].get(), F_GETFD) & FD_CLOEXEC, 0);
  int no_delay = 0;
  socklen_t size = sizeof no_delay;
  ::getsockopt(server.accepted[0].get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
  EXPECT_NE(no_delay, 0);
}

TEST(Listener, connections_that_waited_before_it_started_are_accepted) {
  Loop loop;
  Accepting server(loop);
  const std::vector<Peer> clients = server.connect(2);
  server.listener->start();
  EXPECT_TRUE(support::run_until(loop, [&] { return server.accepted.size() == 2; }));
}

TEST(Listener, a_long_queue_is_accepted_over_several_turns) {
  Loop loop;
  Accepting server(loop);
  const std::vector<Peer> clients = server.connect(200);
  server.listener->start();
  EXPECT_LT(server.accepted.size(), 200U);  // others had their turn
  EXPECT_TRUE(support::run_until(loop, [&] { return server.accepted.size() == 200; }));
}

TEST(Listener, stopping_takes_what_waits_in_the_queue_and_closes_the_socket) {
  Loop loop;
  Accepting server(loop);
  server.listener->start();
  settle(loop);
  std::vector<Peer> clients = server.connect(150);
  server.listener->stop();
  EXPECT_EQ(server.accepted.size(), 150U);
  for (Peer& client : clients) EXPECT_FALSE(client.has_ended());
  const OwnedFd late(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(::connect(late.get(), server.endpoint.data(), server.endpoint.size()), 0);
  server.listener->stop();
  settle(loop);
}

// After a full batch it waits for its next turn in the loop's queue.
TEST(Listener, it_may_be_destroyed_after_stop_while_its_turn_is_still_to_come) {
  Loop loop;
  Accepting server(loop);
  const std::vector<Peer> clients = server.connect(100);
  server.listener->start();
  ASSERT_LT(server.accepted.size(), 100U);
  server.listener->stop();
  EXPECT_EQ(server.accepted.size(), 100U);
  server.listener = std::make_unique<Listener>(loop, OwnedFd(), [](OwnedFd, const Endpoint&) {});
  settle(loop);
}

// Only our own code runs without descriptors here: the sanitizers, which look at Asio's objects,
// need some.
TEST(Listener, without_descriptors_it_pauses_says_so_once_and_recovers) {
  Loop loop;
  Accepting server(loop);
  const std::vector<Peer> clients = server.connect(3);
  testing::internal::CaptureStderr();
  observe::log(observe::Level::error, "used before");
  {
    const support::NoDescriptors none;
    server.listener->start();
    for (int i = 0; i < 5; ++i) pass_time(loop, milliseconds(150));
  }
  const std::string log = testing::internal::GetCapturedStderr();
  const std::size_t first = log.find("descriptors_exhausted");
  EXPECT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("descriptors_exhausted", first + 1), std::string::npos) << log;
  EXPECT_TRUE(server.accepted.empty());
  pass_time(loop, milliseconds(150));
  EXPECT_EQ(server.accepted.size(), 3U);
}

TEST(Listener, stopping_while_it_pauses_ends_it) {
  Loop loop;
  Accepting server(loop);
  const std::vector<Peer> clients = server.connect(1);
  testing::internal::CaptureStderr();
  observe::log(observe::Level::error, "used before");
  {
    const support::NoDescriptors none;
    server.listener->start();
    server.listener->stop();
  }
  (void)testing::internal::GetCapturedStderr();
  EXPECT_TRUE(server.accepted.empty());
  EXPECT_TRUE(loop.deadlines.empty());
}

// ---------------------------------------------------------------- sockets

TEST(ListenOn, one_socket_for_each_worker_shares_the_port) {
  std::string error;
  const std::vector<OwnedFd> first = listen_on(loopback(0), 1, false, error);
  ASSERT_EQ(first.size(), 1U) << error;
  const Endpoint endpoint = support::local_endpoint(first[0].get());
  const std::vector<OwnedFd> more = listen_on(endpoint, 4, true, error);
  EXPECT_EQ(more.size(), 4U) << error;
}

TEST(ListenOn, a_port_that_somebody_else_uses_is_refused_though_both_would_share_it) {
  const OwnedFd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(other.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  const Endpoint any = loopback(0);
  ASSERT_EQ(::bind(other.get(), any.data(), any.size()), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  const Endpoint endpoint = support::local_endpoint(other.get());
  std::string error;
  EXPECT_TRUE(listen_on(endpoint, 2, false, error).empty());
  EXPECT_NE(error.find("Address already in use"), std::string::npos) << error;
  bool in_use = false;
  EXPECT_FALSE(probe_listen(endpoint, in_use).empty());
  EXPECT_TRUE(in_use);
}

TEST(ListenOn, an_address_that_is_not_ours_is_refused) {
  std::string error;
  EXPECT_TRUE(listen_on(*Endpoint::numeric("192.0.2.1", 80), 1, false, error).empty());
  EXPECT_FALSE(error.empty());
  bool in_use = true;
  EXPECT_FALSE(probe_listen(*Endpoint::numeric("192.0.2.1", 80), in_use).empty());
  EXPECT_FALSE(in_use);
}

TEST(ListenOn, probing_takes_nothing) {
  support::Server server;
  const Endpoint endpoint = server.endpoint();
  server.close();
  bool in_use = true;
  EXPECT_EQ(probe_listen(endpoint, in_use), "");
  EXPECT_FALSE(in_use);
  std::string error;
  EXPECT_EQ(listen_on(endpoint, 1, false, error).size(), 1U) << error;
}

TEST(ListenOn, a_stale_unix_socket_is_replaced_and_a_living_one_is_not) {
  const CertificateDirectory directory;
  const Endpoint endpoint = Endpoint::unix_path(directory.path("listen.sock"));
  std::string error;
  {
    const std::vector<OwnedFd> living = listen_on(endpoint, 3, false, error);
    ASSERT_EQ(living.size(), 3U) << error;
    EXPECT_TRUE(listen_on(endpoint, 1, false, error).empty());
    EXPECT_NE(error.find("Address already in use"), std::string::npos) << error;
  }
  error.clear();
  EXPECT_EQ(listen_on(endpoint, 1, false, error).size(), 1U) << error;
}

TEST(ListenOn, a_file_that_is_no_socket_is_left_alone) {
  const CertificateDirectory directory;
  const std::string path = directory.write("precious", "text");
  std::string error;
  EXPECT_TRUE(listen_on(Endpoint::unix_path(path), 1, false, error).empty());
  EXPECT_FALSE(error.empty());
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0);
}

TEST(ListenOn, any_port_is_the_same_for_all_workers) {
  std::string error;
  const std::vector<OwnedFd> sockets = listen_on(loopback(0), 4, false, error);
  ASSERT_EQ(sockets.size(), 4U) << error;
  const Endpoint endpoint = local_endpoint(sockets[0].get());
  EXPECT_NE(endpoint.port(), 0);
  for (const OwnedFd& socket : sockets) EXPECT_EQ(local_endpoint(socket.get()), endpoint);
}

TEST(ReservePort, the_port_is_ours_and_lets_nobody_in) {
  Endpoint endpoint = loopback(0);
  std::string error;
  const OwnedFd reserved = reserve_port(endpoint, error);
  ASSERT_TRUE(reserved.is_valid()) << error;
  EXPECT_NE(endpoint.port(), 0);
  const OwnedFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_NE(::connect(client.get(), endpoint.data(), endpoint.size()), 0);
  EXPECT_EQ(listen_on(endpoint, 2, true, error).size(), 2U) << error;
}

TEST(ProbeListen, a_unix_socket_is_judged_without_making_its_file) {
  const CertificateDirectory directory;
  const Endpoint endpoint = Endpoint::unix_path(directory.path("probed.sock"));
  bool in_use = true;
  EXPECT_EQ(probe_listen(endpoint, in_use), "");
  EXPECT_FALSE(in_use);
  struct stat status{};
  EXPECT_NE(::lstat(directory.path("probed.sock").c_str(), &status), 0);
  std::string error;
  const std::vector<OwnedFd> living = listen_on(endpoint, 1, false, error);
  EXPECT_NE(probe_listen(endpoint, in_use), "");
  EXPECT_TRUE(in_use);
  const Endpoint nowhere = Endpoint::unix_path(directory.path("none/probed.sock"));
  EXPECT_EQ(probe_listen(nowhere, in_use), "bind: No such file or directory");
  EXPECT_FALSE(in_use);
  const Endpoint precious = Endpoint::unix_path(directory.write("precious", "text"));
  EXPECT_EQ(probe_listen(precious, in_use), "the path exists and is not a socket");
}

TEST(StopListening, whoever_else_holds_the_socket_it_refuses_from_now_on) {
  const CertificateDirectory directory;
  for (const Endpoint& endpoint :
       {loopback(0), Endpoint::unix_path(directory.path("listen.sock"))}) {
    std::string error;
    const std::vector<OwnedFd> sockets = listen_on(endpoint, 1, false, error);
    ASSERT_EQ(sockets.size(), 1U) << error;
    const OwnedFd other(::dup(sockets[0].get()));
    const Endpoint bound = local_endpoint(other.get());
    EXPECT_TRUE(is_listening(other.get()));
    const Peer waiting = support::connect(bound);
    EXPECT_TRUE(is_listening(other.get()));
    stop_listening(sockets[0].get());
    EXPECT_FALSE(is_listening(other.get()));
    const OwnedFd client(::socket(bound.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_NE(::connect(client.get(), bound.data(), bound.size()), 0);
    EXPECT_EQ(errno, ECONNREFUSED);
    EXPECT_EQ(listen_on(bound, 2, false, error).size(), 2U) << error;
  }
  EXPECT_FALSE(is_listening(-1));
}

TEST(AdoptListening, a_passed_socket_is_shared_and_does_not_block) {
  Loop loop;
  const OwnedFd passed(::socket(AF_INET, SOCK_STREAM, 0));
  const Endpoint any = loopback(0);
  ASSERT_EQ(::bind(passed.get(), any.data(), any.size()), 0);
  ASSERT_EQ(::listen(passed.get(), 8), 0);
  std::string error;
  std::vector<OwnedFd> sockets = adopt_listening(passed.get(), 2, error);
  ASSERT_EQ(sockets.size(), 2U) << error;
  int accepted = 0;
  Listener listener(loop, std::move(sockets[1]), [&](OwnedFd, const Endpoint&) { ++accepted; });
  listener.start();
  const Peer client = support::connect(support::local_endpoint(passed.get()));
  EXPECT_TRUE(support::run_until(loop, [&] { return accepted == 1; }));
  listener.stop();
}

TEST(AdoptListening, a_descriptor_that_is_not_open_is_refused) {
  std::string error;
  EXPECT_TRUE(adopt_listening(-1, 2, error).empty());
  EXPECT_FALSE(error.empty());
}

TEST(OwnedFd, it_closes_what_it_owns_once) {
  auto [one, other] = support::stream_pair();
  const int fd = one.get();
  OwnedFd moved = std::move(one);
  EXPECT_FALSE(one.is_valid());  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(moved.get(), fd);
  moved = std::move(other);
  EXPECT_EQ(::fcntl(fd, F_GETFD), -1);
  const int released = moved.release();
  EXPECT_FALSE(moved.is_valid());
  EXPECT_EQ(::close(released), 0);
}

}  // namespace
}  // namespace sluice::net
