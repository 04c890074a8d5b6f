#include "sluice/net/transfer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "support/streams.h"

namespace sluice::net {
namespace {

using std::chrono::milliseconds;
using support::Pair;
using support::pass_time;
using support::settle;
using test::Received;
using test::Sent;

TEST(Writer, what_fits_is_written_at_once) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  Writer writer(stream, test::long_time);
  EXPECT_EQ(writer.start({base::as_bytes("head "), {}, base::as_bytes("body")}), Transfer::ok);
  EXPECT_FALSE(writer.is_unfinished());
  EXPECT_EQ(writer.bytes_written(), 9U);
  EXPECT_EQ(pair.peer.received(), "head body");
  writer.add(base::as_bytes("more"));
  EXPECT_EQ(writer.start(), Transfer::ok);
  EXPECT_EQ(writer.bytes_written(), 13U);
  EXPECT_EQ(pair.peer.received(), "head bodymore");
}

TEST(Writer, as_many_pieces_as_it_has_room_for_leave_in_order) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  Writer writer(stream, test::long_time);
  std::string expected;
  std::array<std::string, Writer::pieces_max> pieces;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    pieces[i] = std::to_string(i) + ";";
    expected += pieces[i];
    writer.add(base::as_bytes(pieces[i]));
  }
  EXPECT_EQ(writer.start(), Transfer::ok);
  EXPECT_EQ(pair.peer.received(), expected);
}

Task<> write_pieces(Stream& stream, const std::vector<std::string>& pieces, Sent& sent) {
  Writer writer(stream, test::long_time);
  for (const std::string& piece : pieces) writer.add(base::as_bytes(piece));
  sent.result = writer.start();
  if (writer.is_unfinished()) sent.result = co_await writer.finish();
  sent.bytes = writer.bytes_written();
  sent.done = true;
}

TEST(Writer, a_slow_reader_holds_the_writer_back_and_loses_nothing) {
  Loop loop;
  Pair pair = support::unix_pair();
  support::shrink_send_buffer(pair.ours.get());
  Stream stream(loop, pair.ours.release());
  std::vector<std::string> pieces;
  std::string expected;
  for (std::size_t i = 0; i < 10; ++i) {
    pieces.push_back(test::pattern(1 + i * 5000));
    expected += pieces.back();
  }
  Sent sent;
  spawn(write_pieces(stream, pieces, sent));
  settle(loop);
  EXPECT_FALSE(sent.done);
  ASSERT_TRUE(support::run_until(loop, [&] {
    (void)pair.peer.received();
    return sent.done;
  }));
  EXPECT_EQ(sent.result, Transfer::ok);
  EXPECT_EQ(sent.bytes, expected.size());
  EXPECT_TRUE(pair.peer.received() == expected);
}

TEST(Writer, a_reader_that_takes_nothing_lets_it_expire) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  const std::string text = test::pattern(4 << 20);
  Sent sent;
  spawn(test::send_all(stream, base::as_bytes(text), milliseconds(1000), sent));
  settle(loop);
  pass_time(loop, milliseconds(900));
  EXPECT_FALSE(sent.done);
  pass_time(loop, milliseconds(200));
  EXPECT_TRUE(sent.done);
  EXPECT_EQ(sent.result, Transfer::expired);
  EXPECT_EQ(sent.bytes, pair.peer.received().size());
}

TEST(Writer, its_timeout_begins_anew_with_every_progress) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  const std::string text = test::pattern(4 << 20);
  Sent sent;
  spawn(test::send_all(stream, base::as_bytes(text), milliseconds(1000), sent));
  std::size_t rounds = 0;
  for (; !sent.done && rounds < 1000; ++rounds) {
    settle(loop);
    pass_time(loop, milliseconds(900));
    (void)pair.peer.received();
    settle(loop);
  }
  EXPECT_TRUE(sent.done);
  EXPECT_EQ(sent.result, Transfer::ok);
  EXPECT_GT(rounds, 2U);
}

TEST(Writer, it_can_be_cancelled) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  const std::string text = test::pattern(4 << 20);
  Sent sent;
  spawn(test::send_all(stream, base::as_bytes(text), test::long_time, sent));
  settle(loop);
  EXPECT_FALSE(sent.done);
  stream.cancel_writer();
  EXPECT_TRUE(sent.done);
  EXPECT_EQ(sent.result, Transfer::cancelled);
}

TEST(Writer, a_reader_that_leaves_fails_it) {
  Loop loop;
  Pair pair = support::tcp_pair();
  Stream stream(loop, pair.ours.release());
  const std::string text = test::pattern(64 << 20);  // more than TCP windows grow to
  Sent sent;
  spawn(test::send_all(stream, base::as_bytes(text), test::long_time, sent));
  settle(loop);
  ASSERT_FALSE(sent.done);
  pair.peer.reset();
  ASSERT_TRUE(support::run_until(loop, [&] { return sent.done; }));
  EXPECT_EQ(sent.result, Transfer::failed);
}

TEST(ReadInto, what_is_there_is_read_at_once) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  pair.peer.send("data");
  settle(loop);
  Received received;
  spawn(test::receive_all(stream, 4, received));
  EXPECT_TRUE(received.done);
  EXPECT_EQ(received.text, "data");
}

TEST(ReadInto, a_stream_that_waits_holds_no_buffer) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  Received received;
  spawn(test::receive_all(stream, 4, received));
  settle(loop);
  EXPECT_EQ(loop.buffers.bytes_in_use(), 0U);
  pair.peer.send("da");
  settle(loop);
  EXPECT_FALSE(received.done);
  EXPECT_EQ(loop.buffers.bytes_in_use(), 0U);
  pair.peer.send("ta");
  settle(loop);
  EXPECT_TRUE(received.done);
  EXPECT_EQ(received.result, Transfer::ok);
  EXPECT_EQ(received.text, "data");
}

TEST(ReadInto, the_end_a_reset_a_deadline_and_a_cancellation_are_told_apart) {
  const auto result_of = [](const auto& act) {
    Loop loop;
    Pair pair = support::tcp_pair();
    Stream stream(loop, pair.ours.release());
    Received received;
    stream.set_read_deadline(milliseconds(500));
    spawn(test::receive_all(stream, 1, received));
    settle(loop);
    EXPECT_FALSE(received.done);
    act(loop, stream, pair.peer);
    EXPECT_TRUE(support::run_until(loop, [&] { return received.done; }));
    return received.result;
  };
  using support::Peer;
  EXPECT_EQ(result_of([](Loop&, Stream&, Peer& peer) { peer.close(); }), Transfer::closed);
  EXPECT_EQ(result_of([](Loop&, Stream&, Peer& peer) { peer.reset(); }), Transfer::failed);
  EXPECT_EQ(result_of([](Loop& loop, Stream&, Peer&) { pass_time(loop, milliseconds(600)); }),
            Transfer::expired);
  EXPECT_EQ(result_of([](Loop&, Stream& stream, Peer&) { stream.cancel_reader(); }),
            Transfer::cancelled);
}

TEST(ReadInto, one_deadline_spans_several_reads) {
  Loop loop;
  Pair pair = support::unix_pair();
  Stream stream(loop, pair.ours.release());
  Received received;
  stream.set_read_deadline(milliseconds(500));
  spawn(test::receive_all(stream, 100, received));
  for (int i = 0; i < 3; ++i) {
    pair.peer.send("x");
    settle(loop);
    EXPECT_FALSE(received.done);
  }
  pass_time(loop, milliseconds(600));
  EXPECT_TRUE(received.done);
  EXPECT_EQ(received.result, Transfer::expired);
  EXPECT_EQ(received.text, "xxx");
}

}  // namespace
}  // namespace sluice::net
