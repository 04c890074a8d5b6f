#include "sluice/net/dial.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <string>

#include "support/streams.h"

namespace sluice::net {
namespace {

using std::chrono::milliseconds;
using support::settle;

struct Outcome {
  bool done = false;
  Dialed dialed;
};

Task<> keep(Loop& loop, Endpoint endpoint, milliseconds timeout, Outcome& outcome) {
  outcome.dialed = co_await dial(loop, endpoint, timeout);
  outcome.done = true;
}

TEST(Dial, a_connection_is_open_both_ways) {
  Loop loop;
  support::Server server;
  Outcome outcome;
  spawn(keep(loop, server.endpoint(), test::long_time, outcome));
  ASSERT_TRUE(support::run_until(loop, [&] { return outcome.done; }));
  ASSERT_NE(outcome.dialed.stream, nullptr) << outcome.dialed.error_text;
  EXPECT_EQ(outcome.dialed.error, DialError::none);
  std::optional<support::Peer> peer = server.accept();
  ASSERT_TRUE(peer);
  EXPECT_EQ(test::write(*outcome.dialed.stream, "ping").status, IoStatus::ok);
  EXPECT_EQ(peer->received(), "ping");
  peer->send("pong");
  EXPECT_EQ(test::read_now(loop, *outcome.dialed.stream).text, "pong");
  EXPECT_TRUE(loop.deadlines.empty());
}

TEST(Dial, a_port_where_nobody_listens_is_refused) {
  Loop loop;
  support::Server server;
  const Endpoint endpoint = server.endpoint();
  server.close();
  Outcome outcome;
  spawn(keep(loop, endpoint, test::long_time, outcome));
  ASSERT_TRUE(support::run_until(loop, [&] { return outcome.done; }));
  EXPECT_EQ(outcome.dialed.stream, nullptr);
  EXPECT_EQ(outcome.dialed.error, DialError::refused);
  EXPECT_FALSE(outcome.dialed.error_text.empty());
}

TEST(Dial, a_host_that_does_not_answer_is_given_up_in_time) {
  Loop loop;
  support::Server full(0);
  // The kernel answers nobody any more once the queue of a listener is full.
  std::vector<std::unique_ptr<Outcome>> outcomes;
  for (int i = 0; i < 8; ++i) {
    outcomes.push_back(std::make_unique<Outcome>());
    spawn(keep(loop, full.endpoint(), milliseconds(700), *outcomes.back()));
  }
  settle(loop);
  ASSERT_FALSE(outcomes.back()->done);
  support::pass_time(loop, milliseconds(500));
  EXPECT_FALSE(outcomes.back()->done);
  support::pass_time(loop, milliseconds(300));
  ASSERT_TRUE(outcomes.back()->done);
  EXPECT_EQ(outcomes.back()->dialed.stream, nullptr);
  EXPECT_EQ(outcomes.back()->dialed.error, DialError::timeout);
}

TEST(Dial, a_unix_socket_is_dialled_and_one_that_is_missing_is_refused) {
  const support::CertificateDirectory directory;
  const Endpoint endpoint = Endpoint::unix_path(directory.path("target.sock"));
  for (const bool listening : {false, true}) {
    Loop loop;
    std::string error;
    std::vector<OwnedFd> sockets;
    if (listening) sockets = listen_on(endpoint, 1, false, error);
    Outcome outcome;
    spawn(keep(loop, endpoint, test::long_time, outcome));
    ASSERT_TRUE(support::run_until(loop, [&] { return outcome.done; }));
    EXPECT_EQ(outcome.dialed.stream != nullptr, listening);
    EXPECT_EQ(outcome.dialed.error, listening ? DialError::none : DialError::refused);
  }
}

TEST(Dial, without_descriptors_it_says_so) {
  Loop loop;
  support::Server server;
  Outcome outcome;
  {
    const support::NoDescriptors none;
    spawn(keep(loop, server.endpoint(), test::long_time, outcome));
  }
  ASSERT_TRUE(outcome.done);
  EXPECT_EQ(outcome.dialed.error, DialError::descriptors_exhausted);
}

}  // namespace
}  // namespace sluice::net
