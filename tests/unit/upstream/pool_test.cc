#include "sluice/upstream/pool.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sluice/upstream/group.h"
#include "support/streams.h"

namespace sluice::upstream {
namespace {

using observe::Metric;
using std::chrono::milliseconds;
using support::pass_time;
using support::Peer;
using support::settle;

struct Connected {
  bool done = false;
  Leased leased;
};

net::Task<> keep(Pool& pool, Connected& connected, std::string proxy_header = {}) {
  net::Dialing dialing;
  connected.leased = co_await pool.connect(net::test::long_time, milliseconds(5000), dialing,
                                           std::move(proxy_header));
  connected.done = true;
}

// A pool to a server whose connections the test holds.
struct Fixture {
  explicit Fixture(const config::TargetPool& settings = {},
                   std::shared_ptr<const net::ClientTlsContext> tls = nullptr) {
    pool.apply(settings, 0, std::move(tls));
  }

  // A new connection, and its other end.
  std::pair<std::unique_ptr<Connection>, Peer> connect(const std::string& proxy_header = {}) {
    Connected connected;
    net::spawn(keep(pool, connected, proxy_header));
    EXPECT_TRUE(support::run_until(loop, [&] { return connected.done; }));
    EXPECT_NE(connected.leased.connection, nullptr) << connected.leased.error_text;
    return {std::move(connected.leased.connection), std::move(server.accept().value())};
  }
  [[nodiscard]] double count(Metric metric) const { return metrics.sum(metric, {"group"}); }
  [[nodiscard]] double idle() const { return count(Metric::target_connections_idle); }
  [[nodiscard]] double open() const { return count(Metric::target_connections); }

  net::Loop loop;
  support::Server server;
  observe::Registry metrics;
  observe::Cells& all = metrics.add_cells();
  GroupCells cells{all, "group"};
  std::shared_ptr<target::Target> target =
      std::make_shared<target::Target>("group", server.endpoint().text(), server.endpoint());
  Pool pool{loop, cells, target};
};

TEST(Pool, an_empty_pool_has_nothing_to_take) {
  Fixture fixture;
  EXPECT_EQ(fixture.pool.take_idle(), nullptr);
  EXPECT_EQ(&fixture.pool.target(), fixture.target.get());
}

TEST(Pool, a_connection_that_was_given_back_is_taken_again) {
  Fixture fixture;
  auto [connection, peer] = fixture.connect();
  EXPECT_FALSE(connection->was_used());
  EXPECT_EQ(fixture.open(), 1);
  Connection* const same = connection.get();
  fixture.pool.give_back(std::move(connection));
  EXPECT_EQ(fixture.idle(), 1);
  connection = fixture.pool.take_idle();
  EXPECT_EQ(connection.get(), same);
  EXPECT_TRUE(connection->was_used());
  EXPECT_EQ(connection->exchanges(), 1U);
  EXPECT_EQ(fixture.idle(), 0);
  EXPECT_EQ(fixture.open(), 1);
  EXPECT_EQ(fixture.count(Metric::target_connections_opened_total), 1);
  EXPECT_EQ(fixture.count(Metric::target_connections_reused_total), 1);
  connection.reset();
  EXPECT_EQ(fixture.open(), 0);
  EXPECT_TRUE(peer.has_ended());
}

// --- the PROXY protocol

TEST(Pool, a_connection_that_names_a_client_begins_with_that_and_is_never_kept) {
  Fixture fixture;
  auto [connection, peer] = fixture.connect("PROXY UNKNOWN\r\n");
  EXPECT_EQ(peer.received(), "PROXY UNKNOWN\r\n");
  // Not even when the group has been told meanwhile to send none.
  fixture.pool.give_back(std::move(connection));
  EXPECT_EQ(fixture.pool.take_idle(), nullptr);
  EXPECT_TRUE(peer.has_ended());
  EXPECT_EQ(fixture.open(), 0);
}

TEST(Pool, connections_that_name_nobody_end_when_the_group_is_to_name_clients) {
  Fixture fixture;
  auto [idle, idle_peer] = fixture.connect();
  auto [busy, busy_peer] = fixture.connect();
  fixture.pool.give_back(std::move(idle));
  fixture.pool.apply({}, 0, nullptr, config::ProxyHeaderVersion::v2);
  EXPECT_EQ(fixture.pool.proxy_protocol(), config::ProxyHeaderVersion::v2);
  EXPECT_TRUE(idle_peer.has_ended());
  EXPECT_FALSE(busy_peer.has_ended());
  fixture.pool.give_back(std::move(busy));
  EXPECT_TRUE(busy_peer.has_ended());
  EXPECT_EQ(fixture.pool.take_idle(), nullptr);
}

TEST(Pool, the_last_given_back_is_taken_first) {
  Fixture fixture;
  auto [first, first_peer] = fixture.connect();
  auto [second, second_peer] = fixture.connect();
  Connection* const expected = second.get();
  fixture.pool.give_back(std::move(first));
  fixture.pool.give_back(std::move(second));
  EXPECT_EQ(fixture.pool.take_idle().get(), expected);
}

TEST(Pool, a_connection_that_stays_idle_expires) {
  Fixture fixture({.idle_timeout = milliseconds(10'000)});
  auto [connection, peer] = fixture.connect();
  fixture.pool.give_back(std::move(connection));
  pass_time(fixture.loop, milliseconds(9'900));
  EXPECT_EQ(fixture.idle(), 1);
  pass_time(fixture.loop, milliseconds(200));
  EXPECT_EQ(fixture.idle(), 0);
  EXPECT_EQ(fixture.open(), 0);
  EXPECT_TRUE(peer.has_ended());
  EXPECT_EQ(fixture.pool.take_idle(), nullptr);
}

TEST(Pool, a_connection_at_work_does_not_expire) {
  Fixture fixture({.idle_timeout = milliseconds(10'000)});
  auto [connection, peer] = fixture.connect();
  fixture.pool.give_back(std::move(connection));
  connection = fixture.pool.take_idle();
  ASSERT_NE(connection, nullptr);
  pass_time(fixture.loop, milliseconds(60'000));
  EXPECT_TRUE(connection->stream().is_open());
  EXPECT_FALSE(peer.has_ended());
  EXPECT_TRUE(fixture.loop.deadlines.empty());
}

TEST(Pool, an_idle_connection_that_the_target_closes_or_resets_is_gone_at_once) {
  for (const bool reset : {false, true}) {
    Fixture fixture;
    auto [connection, peer] = fixture.connect();
    auto [other, other_peer] = fixture.connect();
    Connection* const stays = other.get();
    fixture.pool.give_back(std::move(other));
    fixture.pool.give_back(std::move(connection));
    if (reset) {
      peer.reset();
    } else {
      peer.close();
    }
    ASSERT_TRUE(support::run_until(fixture.loop, [&] { return fixture.idle() == 1; }));
    EXPECT_EQ(fixture.open(), 1);
    EXPECT_EQ(fixture.pool.take_idle().get(), stays);
  }
}

// T7
TEST(Pool, an_idle_connection_on_which_bytes_come_that_nobody_asked_for_is_gone_at_once) {
  Fixture fixture;
  auto [connection, peer] = fixture.connect();
  fixture.pool.give_back(std::move(connection));
  peer.send("HTTP/1.1 200 OK\r\n\r\n");
  ASSERT_TRUE(support::run_until(fixture.loop, [&] { return fixture.idle() == 0; }));
  EXPECT_TRUE(peer.has_ended());
}

TEST(Pool, what_is_given_back_after_the_target_closed_is_not_kept) {
  Fixture fixture;
  auto [connection, peer] = fixture.connect();
  peer.close();
  ASSERT_TRUE(support::run_until(fixture.loop, [&] { return connection->stream().hung_up(); }));
  fixture.pool.give_back(std::move(connection));
  EXPECT_EQ(fixture.open(), 0);
}

TEST(Pool, no_more_than_the_limit_are_kept_idle) {
  Fixture fixture({.max_idle = 2});
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<Peer> peers;
  for (int i = 0; i < 3; ++i) {
    auto [connection, peer] = fixture.connect();
    connections.push_back(std::move(connection));
    peers.push_back(std::move(peer));
  }
  for (auto& connection : connections) fixture.pool.give_back(std::move(connection));
  EXPECT_EQ(fixture.idle(), 2);
  EXPECT_EQ(fixture.open(), 2);
  EXPECT_TRUE(peers[2].has_ended());
}

TEST(Pool, those_beyond_a_limit_that_fell_are_closed_idle_for_longest_first) {
  Fixture fixture;
  std::vector<std::unique_ptr<Connection>> connections;
  std::vector<Peer> peers;
  for (int i = 0; i < 3; ++i) {
    auto [connection, peer] = fixture.connect();
    connections.push_back(std::move(connection));
    peers.push_back(std::move(peer));
  }
  Connection* const last = connections.back().get();
  for (auto& connection : connections) fixture.pool.give_back(std::move(connection));
  ASSERT_EQ(fixture.idle(), 3);
  fixture.pool.apply({.max_idle = 1}, 0, nullptr);
  EXPECT_EQ(fixture.idle(), 1);
  EXPECT_EQ(fixture.open(), 1);
  EXPECT_TRUE(peers[0].has_ended());
  EXPECT_TRUE(peers[1].has_ended());
  EXPECT_EQ(fixture.pool.take_idle().get(), last);
}

TEST(Pool, a_connection_that_carried_its_number_of_requests_is_closed) {
  Fixture fixture({.max_requests = 2});
  auto [connection, peer] = fixture.connect();
  fixture.pool.give_back(std::move(connection));
  connection = fixture.pool.take_idle();
  ASSERT_NE(connection, nullptr);
  fixture.pool.give_back(std::move(connection));
  EXPECT_EQ(fixture.pool.take_idle(), nullptr);
  EXPECT_TRUE(peer.has_ended());
}

TEST(Pool, a_retired_pool_keeps_nothing) {
  Fixture fixture;
  auto [idle, idle_peer] = fixture.connect();
  auto [busy, busy_peer] = fixture.connect();
  fixture.pool.give_back(std::move(idle));
  fixture.pool.retire();
  EXPECT_TRUE(idle_peer.has_ended());
  EXPECT_FALSE(busy_peer.has_ended());
  fixture.pool.give_back(std::move(busy));
  EXPECT_TRUE(busy_peer.has_ended());
  EXPECT_EQ(fixture.idle(), 0);
  EXPECT_EQ(fixture.open(), 0);
}

TEST(Pool, other_settings_of_tls_close_what_was_opened_with_the_former) {
  const net::test::TlsPair unused;
  config::ClientTls settings;
  settings.verify = false;
  config::Problems problems;
  const auto tls = net::ClientTlsContext::load(settings, problems);
  ASSERT_NE(tls, nullptr);
  Fixture fixture;
  auto [idle, idle_peer] = fixture.connect();
  auto [busy, busy_peer] = fixture.connect();
  fixture.pool.give_back(std::move(idle));
  fixture.pool.apply({}, 0, nullptr);
  EXPECT_EQ(fixture.idle(), 1);
  fixture.pool.apply({}, 0, tls);
  EXPECT_EQ(fixture.idle(), 0);
  EXPECT_TRUE(idle_peer.has_ended());
  // Clear, while the target is to be reached over TLS now.
  fixture.pool.give_back(std::move(busy));
  EXPECT_EQ(fixture.idle(), 0);
  EXPECT_TRUE(busy_peer.has_ended());
}

TEST(Pool, nothing_idle_is_left_behind_by_a_pool_that_goes) {
  Fixture fixture;
  auto pool = std::make_unique<Pool>(fixture.loop, fixture.cells, fixture.target);
  pool->apply({}, 0, nullptr);
  auto [connection, peer] = fixture.connect();
  pool->give_back(std::move(connection));
  EXPECT_EQ(fixture.idle(), 1);
  pool.reset();
  EXPECT_EQ(fixture.idle(), 0);
  EXPECT_EQ(fixture.open(), 0);
  EXPECT_TRUE(peer.has_ended());
  EXPECT_TRUE(fixture.loop.deadlines.empty());
}

TEST(Pool, a_target_that_refuses_is_told) {
  Fixture fixture;
  fixture.server.close();
  Connected connected;
  net::spawn(keep(fixture.pool, connected));
  ASSERT_TRUE(support::run_until(fixture.loop, [&] { return connected.done; }));
  EXPECT_EQ(connected.leased.connection, nullptr);
  EXPECT_EQ(connected.leased.error, net::DialError::refused);
  EXPECT_FALSE(connected.leased.error_text.empty());
  EXPECT_EQ(fixture.open(), 0);
}

// ---------------------------------------------------------------- TLS towards the target

std::shared_ptr<const net::ClientTlsContext> client_tls() {
  config::ClientTls settings;
  settings.verify = false;
  config::Problems problems;
  return net::ClientTlsContext::load(settings, problems);
}

TEST(Pool, over_tls_a_ticket_behind_the_handshake_is_no_stray_byte) {
  const net::test::TlsPair tls;
  Fixture fixture({}, client_tls());
  Connected connected;
  net::spawn(keep(fixture.pool, connected));
  std::optional<Peer> accepted;
  ASSERT_TRUE(support::run_until(fixture.loop, [&] {
    accepted = fixture.server.accept();
    return accepted.has_value();
  }));
  net::Stream far(fixture.loop, ::fcntl(accepted->fd(), F_DUPFD_CLOEXEC, 0));
  far.use_tls(tls.server());
  net::HandshakeResult result;
  bool done = false;
  net::spawn(net::test::keep_handshake(far, net::test::long_time, result, done));
  ASSERT_TRUE(support::run_until(fixture.loop, [&] { return done && connected.done; }));
  ASSERT_NE(connected.leased.connection, nullptr) << connected.leased.error_text;
  // As an exchange does: what has come is read before the connection is given back.
  net::Stream& near = connected.leased.connection->stream();
  EXPECT_EQ(net::test::read_now(fixture.loop, near).status, net::IoStatus::would_block);
  fixture.pool.give_back(std::move(connected.leased.connection));
  settle(fixture.loop);
  EXPECT_EQ(fixture.idle(), 1);
  EXPECT_EQ(net::test::write(far, "stray").status, net::IoStatus::ok);
  EXPECT_TRUE(support::run_until(fixture.loop, [&] { return fixture.idle() == 0; }));
}

TEST(Pool, a_handshake_that_fails_or_stalls_is_told) {
  for (const bool stalls : {false, true}) {
    Fixture fixture({}, client_tls());
    Connected connected;
    net::spawn(keep(fixture.pool, connected));
    std::optional<Peer> peer;
    ASSERT_TRUE(support::run_until(fixture.loop, [&] {
      if (!peer.has_value()) peer = fixture.server.accept();
      return peer.has_value() && !peer->received().empty();
    }));
    if (stalls) {
      pass_time(fixture.loop, milliseconds(5100));
    } else {
      peer->send("HTTP/1.1 400 Bad Request\r\n\r\n");
    }
    ASSERT_TRUE(support::run_until(fixture.loop, [&] { return connected.done; }));
    EXPECT_EQ(connected.leased.connection, nullptr);
    EXPECT_EQ(connected.leased.error,
              stalls ? net::DialError::tls_timeout : net::DialError::tls_failed);
    EXPECT_EQ(fixture.open(), 0);
  }
}

}  // namespace
}  // namespace sluice::upstream
