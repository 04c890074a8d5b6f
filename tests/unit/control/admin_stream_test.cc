// Streams of events on a connection, whose other end the test plays.
#include <gtest/gtest.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "control/admin_connection.h"
#include "control/admin_event_stream.h"
#include "support/peer.h"

namespace sluice::control {
namespace {

using std::chrono::milliseconds;

class AdminStream : public ::testing::Test {
 protected:
  AdminStream() : pair_(support::unix_pair()) {}
  ~AdminStream() override {
    if (connection_ != nullptr) connection_->cut();
    EXPECT_TRUE(runs_until([this] { return has_ended_; }));
  }

  void begin(AdminTimes times = {}, std::string_view method = "GET") {
    support::shrink_send_buffer(pair_.ours.get());
    AdminConnection::Socket socket(context_, AdminConnection::Protocol(AF_UNIX, 0),
                                   pair_.ours.release());
    const auto answer = [this](const AdminRequest&) {
      return AdminReply{.content_type = "text/event-stream",
                        .body = {},
                        .allow = {},
                        .events = std::make_shared<AdminEventStream>(events_, 0)};
    };
    connection_ = std::make_shared<AdminConnection>(std::move(socket), true, answer, times);
    net::spawn(context_, serve(connection_, has_ended_));
    peer().send(std::string(method) + " /v1/events HTTP/1.1\r\nHost: a\r\n\r\n");
  }
  static net::AsioTask<> serve(std::shared_ptr<AdminConnection> connection, bool& has_ended) {
    co_await connection->run();
    has_ended = true;
  }

  template <typename Condition>
  bool runs_until(Condition condition) {
    for (int i = 0; i < 10'000; ++i) {
      context_.restart();
      context_.poll();
      if (condition()) return true;
      ::usleep(1000);
    }
    return false;
  }
  bool receives(std::string_view text) {
    return runs_until([&] { return peer().received().find(text) != std::string::npos; });
  }
  support::Peer& peer() { return pair_.peer; }
  void add_event(std::size_t size = 0) {
    events_.add({.type = event_type::reload, .target = std::string(size, 'x')});
  }

  boost::asio::io_context context_{1};
  support::Pair pair_;
  Events events_;
  bool has_ended_ = false;
  std::shared_ptr<AdminConnection> connection_;
};

TEST_F(AdminStream, begins_with_a_head_without_a_length_and_a_comment) {
  begin();
  EXPECT_TRUE(receives("\r\n\r\nretry: 2000\n: events of sluice\n\n"));
  EXPECT_TRUE(peer().received().starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_NE(peer().received().find("Content-Type: text/event-stream\r\n"), std::string::npos);
  EXPECT_NE(peer().received().find("Connection: close\r\n"), std::string::npos);
  EXPECT_EQ(peer().received().find("Content-Length"), std::string::npos);
}

TEST_F(AdminStream, passes_each_event_on) {
  add_event();
  begin();
  EXPECT_TRUE(receives("id: 1\n"));
  add_event();
  EXPECT_TRUE(receives("id: 2\n"));
  EXPECT_FALSE(has_ended_);
}

TEST_F(AdminStream, says_that_it_lives_when_nothing_happens) {
  begin({.keep_alive = milliseconds(10)});
  EXPECT_TRUE(receives("\n\n:\n\n:\n\n"));
}

TEST_F(AdminStream, ends_when_its_reader_leaves) {
  begin();
  ASSERT_TRUE(receives("events of sluice"));
  EXPECT_EQ(events_.subscribers(), 1u);
  peer().close();
  EXPECT_TRUE(runs_until([this] { return has_ended_; }));
  EXPECT_EQ(events_.subscribers(), 0u);
}

TEST_F(AdminStream, ends_when_its_reader_leaves_after_it_said_something) {
  begin();
  ASSERT_TRUE(receives("events of sluice"));
  peer().send(std::string(1'000, 'x'));
  peer().close();
  EXPECT_TRUE(runs_until([this] { return has_ended_; }));
  EXPECT_EQ(events_.subscribers(), 0u);
}

TEST_F(AdminStream, ignores_what_its_reader_says) {
  begin();
  ASSERT_TRUE(receives("events of sluice"));
  peer().send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n");
  add_event();
  EXPECT_TRUE(receives("id: 1\n"));
  EXPECT_FALSE(has_ended_);
}

TEST_F(AdminStream, drops_a_reader_that_takes_nothing) {
  begin({.request = milliseconds(50)});
  for (int i = 0; i < 500; ++i) add_event(2000);
  EXPECT_TRUE(runs_until([this] { return has_ended_; }));
  EXPECT_EQ(events_.subscribers(), 0u);
}

TEST_F(AdminStream, a_reader_that_was_slow_gets_everything) {
  begin();
  for (int i = 0; i < 500; ++i) add_event(2000);
  EXPECT_TRUE(receives("id: 500\n"));
  EXPECT_NE(peer().received().find("id: 1\n"), std::string::npos);
}

TEST_F(AdminStream, ends_with_its_listener) {
  begin();
  ASSERT_TRUE(receives("events of sluice"));
  connection_->finish();
  EXPECT_TRUE(runs_until([this] { return has_ended_; }));
  EXPECT_TRUE(peer().has_ended());
}

TEST_F(AdminStream, of_a_head_request_there_is_only_the_head) {
  begin({}, "HEAD");
  EXPECT_TRUE(receives("text/event-stream"));
  EXPECT_TRUE(runs_until([this] { return peer().has_ended(); }));
  EXPECT_TRUE(peer().received().ends_with("\r\n\r\n"));
  EXPECT_EQ(events_.subscribers(), 0u);
  peer().close();
}

}  // namespace
}  // namespace sluice::control
