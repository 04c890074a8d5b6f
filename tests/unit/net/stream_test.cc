#include "sluice/net/stream.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <span>
#include <string>

#include "support/streams.h"

namespace sluice::net {
namespace {

using support::Pair;
using support::settle;
using test::read_now;
using test::Streams;
using test::TlsPair;
using test::write;

bool kernel_has_room(int fd) {
  pollfd entry{.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLOUT) != 0;
}

// Counts SIGPIPE instead of dying of it.
class PipeSignals {
 public:
  PipeSignals() : former_(std::signal(SIGPIPE, [](int) { seen = seen + 1; })) { seen = 0; }
  ~PipeSignals() { std::signal(SIGPIPE, former_); }
  PipeSignals(const PipeSignals&) = delete;
  PipeSignals& operator=(const PipeSignals&) = delete;
  static inline volatile std::sig_atomic_t seen = 0;

 private:
  void (*former_)(int);
};

TEST(Stream, bytes_pass_both_ways) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  EXPECT_EQ(read_now(loop, stream).status, IoStatus::would_block);
  pair.peer.send("hello");
  EXPECT_EQ(read_now(loop, stream).text, "hello");
  const std::array<base::Bytes, 3> pieces{base::as_bytes("one "), base::as_bytes(""),
                                          base::as_bytes("two")};
  const IoResult result = stream.try_write(pieces);
  EXPECT_EQ(result.status, IoStatus::ok);
  EXPECT_EQ(result.bytes, 7U);
  EXPECT_EQ(pair.peer.received(), "one two");
}

TEST(Stream, bytes_that_were_peeked_at_are_still_there) {
  Loop loop;
  Pair pair = support::tcp_pair();
  Stream stream(loop, pair.ours.release());
  std::array<char, 16> into;
  pair.peer.send("hello");
  ASSERT_TRUE(support::run_until(loop, [&] { return stream.may_read(); }));
  for (int i = 0; i < 2; ++i) {
    const IoResult peeked = stream.try_peek(into);
    EXPECT_EQ(peeked.status, IoStatus::ok);
    EXPECT_EQ(std::string_view(into.data(), peeked.bytes), "hello");
  }
  EXPECT_EQ(stream.try_read(std::span(into).first(5)).bytes, 5U);
  EXPECT_EQ(stream.try_peek(into).status, IoStatus::would_block);
  EXPECT_FALSE(stream.may_read());
  pair.peer.shutdown_write();
  ASSERT_TRUE(support::run_until(loop, [&] { return stream.may_read(); }));
  EXPECT_EQ(stream.try_peek(into).status, IoStatus::closed);
}

TEST(Stream, the_end_of_the_peers_bytes_is_told_after_the_last_of_them) {
  Loop loop;
  Pair pair = support::tcp_pair();
  Stream stream(loop, pair.ours.release());
  pair.peer.send("last");
  pair.peer.shutdown_write();
  const test::ReadNow read = read_now(loop, stream);
  EXPECT_EQ(read.text, "last");
  EXPECT_EQ(read.status, IoStatus::closed);
  EXPECT_TRUE(stream.hung_up());
  EXPECT_EQ(write(stream, "still open this way").status, IoStatus::ok);
}

TEST(Stream, a_reset_fails_reading_and_writing_without_a_signal) {
  const PipeSignals signals;
  Loop loop;
  Pair pair = support::tcp_pair();
  Stream stream(loop, pair.ours.release());
  pair.peer.reset();
  EXPECT_EQ(read_now(loop, stream).status, IoStatus::failed);
  EXPECT_TRUE(stream.was_reset());
  EXPECT_EQ(write(stream, "x").status, IoStatus::failed);
  EXPECT_EQ(PipeSignals::seen, 0);
}

TEST(Stream, a_write_that_does_not_fit_says_how_much_was_taken) {
  Loop loop;
  Pair pair = support::unix_pair();
  support::shrink_send_buffer(pair.ours.get());
  Stream stream(loop, pair.ours.release());
  const std::string text = test::pattern(1 << 20);
  const IoResult result = write(stream, text);
  EXPECT_EQ(result.status, IoStatus::would_block);
  EXPECT_LT(result.bytes, text.size());
  EXPECT_FALSE(kernel_has_room(stream.fd()));
  EXPECT_EQ(write(stream, "more").status, IoStatus::would_block);
  EXPECT_EQ(pair.peer.received(), text.substr(0, result.bytes));
}

TEST(Stream, a_closed_stream_fails_and_may_be_closed_again) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  stream.close();
  EXPECT_FALSE(stream.is_open());
  char byte = 0;
  EXPECT_EQ(stream.try_read({&byte, 1}).status, IoStatus::failed);
  EXPECT_EQ(write(stream, "x").status, IoStatus::failed);
  stream.close();
  stream.cut();
  stream.abort();
  stream.shutdown_write();
  EXPECT_TRUE(pair.peer.has_ended());
}

TEST(Stream, aborting_resets_the_connection_and_closing_does_not) {
  for (const bool abort : {false, true}) {
    Loop loop;
    Pair pair = support::tcp_pair();
    Stream stream(loop, pair.ours.release());
    if (abort) {
      stream.abort();
    } else {
      stream.close();
    }
    EXPECT_TRUE(pair.peer.has_ended());
    EXPECT_EQ(pair.peer.was_reset(), abort);
  }
}

TEST(Stream, after_shutting_its_writing_side_a_stream_still_reads) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  stream.shutdown_write();
  EXPECT_TRUE(pair.peer.has_ended());
  pair.peer.send("late");
  EXPECT_EQ(read_now(loop, stream).text, "late");
}

TEST(Stream, a_watcher_hears_the_next_event_once) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  settle(loop);
  int calls = 0;
  stream.watch_reader([&calls](Wake) { ++calls; });
  stream.unwatch_reader();
  pair.peer.send("x");
  settle(loop);
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(read_now(loop, stream).text, "x");
  stream.watch_reader([&calls](Wake) { ++calls; });
  pair.peer.send("y");
  settle(loop);
  pair.peer.send("z");
  settle(loop);
  EXPECT_EQ(calls, 1);
}

// ---------------------------------------------------------------- TLS

TEST(TlsStream, a_handshake_tells_what_was_agreed) {
  const TlsPair tls;
  Loop loop;
  Streams streams(loop, support::stream_pair());
  EXPECT_FALSE(streams.near.is_tls());
  EXPECT_EQ(streams.near.tls_version(), "");
  EXPECT_EQ(streams.near.tls_cipher(), "");
  EXPECT_EQ(streams.near.tls_server_name(), "");
  streams.secure(tls);
  EXPECT_TRUE(streams.near.is_tls());
  EXPECT_EQ(streams.near.tls_version(), "TLSv1.3");
  EXPECT_FALSE(streams.near.tls_cipher().empty());
  EXPECT_EQ(streams.near.tls_server_name(), "test.example");
  EXPECT_FALSE(streams.near.tls_resumed());
}

TEST(TlsStream, bytes_pass_both_ways_and_pieces_are_one_stream) {
  const TlsPair tls;
  Loop loop;
  Streams streams(loop, support::stream_pair());
  streams.secure(tls);
  const std::string body = test::pattern(50'000);  // several records, and a part
  const std::array<base::Bytes, 4> pieces{base::as_bytes("head"), base::as_bytes(""),
                                          base::as_bytes(body), base::as_bytes("tail")};
  const IoResult result = streams.near.try_write(pieces);
  EXPECT_EQ(result.status, IoStatus::ok);
  EXPECT_EQ(result.bytes, body.size() + 8);
  EXPECT_EQ(read_now(loop, streams.far).text, "head" + body + "tail");
  EXPECT_EQ(write(streams.far, "answer").status, IoStatus::ok);
  EXPECT_EQ(read_now(loop, streams.near).text, "answer");
}

TEST(TlsStream, a_mebibyte_passes_both_ways_at_once_through_small_sockets) {
  const TlsPair tls;
  Loop loop;
  Streams streams(loop, support::stream_pair());
  streams.secure(tls);
  support::shrink_send_buffer(streams.near.fd());
  support::shrink_send_buffer(streams.far.fd());
  const std::string there = test::pattern(1 << 20);
  const std::string back = test::pattern((1 << 20) + 12345).substr(12345);
  std::array<test::Sent, 2> sent;
  std::array<test::Received, 2> received;
  spawn(test::receive_all(streams.near, there.size(), received[0]));
  spawn(test::receive_all(streams.far, back.size(), received[1]));
  spawn(test::send_all(streams.far, base::as_bytes(there), test::long_time, sent[0]));
  spawn(test::send_all(streams.near, base::as_bytes(back), test::long_time, sent[1]));
  ASSERT_TRUE(support::run_until(
      loop, [&] { return sent[0].done && sent[1].done && received[0].done && received[1].done; }));
  EXPECT_EQ(sent[0].result, Transfer::ok);
  EXPECT_EQ(sent[1].result, Transfer::ok);
  EXPECT_EQ(sent[0].bytes, there.size());
  EXPECT_TRUE(received[0].text == there);
  EXPECT_TRUE(received[1].text == back);
  EXPECT_FALSE(streams.near.has_pending_output());
  EXPECT_EQ(loop.buffers.bytes_in_use(), 0U);
}

TEST(TlsStream, ciphertext_that_the_kernel_did_not_take_is_flushed_later) {
  const TlsPair tls;
  Loop loop;
  Streams streams(loop, support::stream_pair());
  streams.secure(tls);
  support::shrink_send_buffer(streams.near.fd());
  const std::string text = test::pattern(100'000);
  const IoResult result = write(streams.near, text);
  EXPECT_EQ(result.status, IoStatus::would_block);
  EXPECT_EQ(result.bytes, text.size());  // taken, for it is encrypted
  EXPECT_TRUE(streams.near.has_pending_output());
  EXPECT_GT(loop.buffers.bytes_in_use(), 0U);
  EXPECT_EQ(write(streams.near, "more").bytes, 0U);
  std::string received;
  for (int i = 0; i < 1000 && streams.near.has_pending_output(); ++i) {
    received += read_now(loop, streams.far).text;
    (void)streams.near.try_write({});
  }
  EXPECT_FALSE(streams.near.has_pending_output());
  EXPECT_EQ(loop.buffers.bytes_in_use(), 0U);
  received += read_now(loop, streams.far).text;
  EXPECT_TRUE(received == text);
}

// Nobody would wake a writer that waits for room while there is room: the socket tells it only
// once.
TEST(TlsStream, a_write_would_block_only_when_the_kernel_is_full) {
  const TlsPair tls;
  Loop loop;
  Streams streams(loop, test::tcp_fds());
  streams.secure(tls);
  const std::string text = test::pattern(1 << 20);
  std::size_t taken = 0;
  for (;;) {
    const IoResult result = write(streams.near, std::string_view(text).substr(taken));
    taken += result.bytes;
    if (result.status == IoStatus::ok) break;
    ASSERT_EQ(result.status, IoStatus::would_block);
    ASSERT_TRUE(streams.near.has_pending_output() || !kernel_has_room(streams.near.fd()))
        << taken << " bytes taken";
    std::string drained = read_now(loop, streams.far).text;
    settle(loop);
  }
  EXPECT_EQ(taken, text.size());
}

TEST(TlsStream, an_orderly_end_is_told_apart_from_a_truncated_stream) {
  const TlsPair tls;
  for (const bool orderly : {true, false}) {
    Loop loop;
    Streams streams(loop, support::stream_pair());
    streams.secure(tls);
    ASSERT_EQ(write(streams.far, "last").status, IoStatus::ok);
    if (orderly) {
      streams.far.close();
    } else {
      streams.far.cut();
    }
    const test::ReadNow read = read_now(loop, streams.near);
    EXPECT_EQ(read.text, "last");
    EXPECT_EQ(read.status, orderly ? IoStatus::closed : IoStatus::failed);
    EXPECT_EQ(streams.near.take_error_text().empty(), orderly);
  }
}

TEST(TlsStream, after_close_notify_the_other_direction_stays_open) {
  const TlsPair tls;
  Loop loop;
  Streams streams(loop, support::stream_pair());
  streams.secure(tls);
  streams.far.shutdown_write();
  EXPECT_EQ(read_now(loop, streams.near).status, IoStatus::closed);
  EXPECT_EQ(write(streams.near, "answer").status, IoStatus::ok);
  EXPECT_EQ(read_now(loop, streams.far).text, "answer");
}

TEST(TlsStream, garbage_fails_the_handshake_and_the_alert_leaves) {
  const TlsPair tls;
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  stream.use_tls(tls.server());
  HandshakeResult result;
  bool done = false;
  spawn(test::keep_handshake(stream, test::long_time, result, done));
  using namespace std::string_view_literals;
  pair.peer.send("\x16\x03\x01\0\x05hello"sv);  // a handshake record of an unknown message
  ASSERT_TRUE(support::run_until(loop, [&] { return done; }));
  EXPECT_EQ(result.error, DialError::tls_failed);
  EXPECT_FALSE(result.error_text.empty());
  EXPECT_EQ(pair.peer.received().substr(0, 1), "\x15");  // an alert
}

TEST(TlsStream, a_peer_that_leaves_in_the_handshake_fails_it) {
  const TlsPair tls;
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  stream.use_tls(tls.client());
  HandshakeResult result;
  bool done = false;
  spawn(test::keep_handshake(stream, test::long_time, result, done));
  EXPECT_FALSE(pair.peer.received().empty());
  pair.peer.close();
  ASSERT_TRUE(support::run_until(loop, [&] { return done; }));
  EXPECT_EQ(result.error, DialError::tls_failed);
  EXPECT_FALSE(result.error_text.empty());
}

TEST(TlsStream, a_silent_peer_lets_the_handshake_expire) {
  const TlsPair tls;
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  stream.use_tls(tls.server());
  HandshakeResult result;
  bool done = false;
  spawn(test::keep_handshake(stream, std::chrono::milliseconds(500), result, done));
  settle(loop);
  support::pass_time(loop, std::chrono::milliseconds(400));
  EXPECT_FALSE(done);
  support::pass_time(loop, std::chrono::milliseconds(200));
  EXPECT_TRUE(done);
  EXPECT_EQ(result.error, DialError::tls_timeout);
}

TEST(TlsStream, a_client_refuses_a_certificate_for_another_name) {
  const TlsPair tls;
  Loop loop;
  auto [near, far] = support::stream_pair();
  Stream server(loop, near.release());
  Stream client(loop, far.release());
  server.use_tls(tls.server());
  client.use_tls(tls.client("other.example"));
  std::array<HandshakeResult, 2> results;
  std::array<bool, 2> done{};
  spawn(test::keep_handshake(server, test::long_time, results[0], done[0]));
  spawn(test::keep_handshake(client, test::long_time, results[1], done[1]));
  ASSERT_TRUE(support::run_until(loop, [&] { return done[1]; }));
  EXPECT_EQ(results[1].error, DialError::tls_failed);
  EXPECT_FALSE(results[1].error_text.empty());
  client.close();
  // The server had finished in the meantime, or learns of it now.
  EXPECT_TRUE(support::run_until(loop, [&] { return done[0]; }));
}

TEST(TlsStream, both_ends_know_the_protocol_that_was_chosen) {
  Loop loop;
  Streams clear(loop, support::stream_pair());
  EXPECT_EQ(clear.near.tls_alpn(), "");
  for (const bool offer_http2 : {false, true}) {
    const TlsPair tls(offer_http2);
    Streams streams(loop, support::stream_pair());
    streams.secure(tls, {"http/1.1", "h2"});
    const std::string_view expected = offer_http2 ? "h2" : "http/1.1";
    EXPECT_EQ(streams.near.tls_alpn(), expected);
    EXPECT_EQ(streams.far.tls_alpn(), expected);
  }
}

TEST(TlsStream, an_idle_stream_holds_no_buffer_of_the_pool) {
  const TlsPair tls;
  Loop loop;
  Streams streams(loop, support::stream_pair());
  streams.secure(tls);
  EXPECT_EQ(loop.buffers.bytes_in_use(), 0U);
}

TEST(TlsStream, writing_to_a_peer_that_left_fails_without_a_signal) {
  const PipeSignals signals;
  const TlsPair tls;
  Loop loop;
  Streams streams(loop, support::stream_pair());
  streams.secure(tls);
  streams.far.cut();
  settle(loop);
  EXPECT_EQ(write(streams.near, "x").status, IoStatus::failed);
  streams.near.close();  // would send close_notify
  EXPECT_EQ(PipeSignals::seen, 0);
}

}  // namespace
}  // namespace sluice::net
