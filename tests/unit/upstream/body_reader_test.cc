#include "sluice/upstream/body_reader.h"

#include <gtest/gtest.h>

#include <sys/socket.h>

#include <chrono>
#include <string>

#include "support/streams.h"

namespace sluice::upstream {
namespace {

using http::Framing;
using net::Transfer;

constexpr http::BodyLimits limits{.chunk_extension_bytes = 64, .trailer_bytes = 256};
constexpr std::string_view chunked =
    "5\r\nhello\r\n1;x=\"y\"\r\n \r\nA\r\n0123456789\r\n0\r\nX-T: v\r\n\r\n";
constexpr std::string_view chunked_content = "hello 0123456789";

struct Outcome {
  bool done = false;
  Transfer result = Transfer::ok;
  std::string content;
};

// As the proxy reads a body: take, and fill when there was nothing to take.
net::Task<> read_body(BodyReader& body, Outcome& outcome) {
  while (!body.is_finished() && !body.has_failed()) {
    const Runs runs = body.take();
    std::uint64_t bytes = 0;
    for (const base::Bytes run : runs.items) {
      outcome.content.append(base::as_text(run));
      bytes += run.size();
    }
    EXPECT_EQ(bytes, runs.bytes);
    if (runs.bytes > 0 || body.is_finished() || body.has_failed()) continue;
    outcome.result = co_await body.fill(std::chrono::milliseconds(1000));
    if (outcome.result != Transfer::ok) break;
  }
  outcome.done = true;
}

struct Fixture {
  Fixture() : pair(support::unix_pair()), stream(loop, pair.ours.release()), body(stream) {}
  net::Loop loop;
  support::Pair pair;
  net::Stream stream;
  BodyReader body;
};

struct Case {
  Framing framing;
  std::uint64_t length;
  std::string_view bytes;
  std::string_view content;
  std::string_view next;  // bytes of the next message
};

const Case cases[] = {
    {Framing::length, 10, "0123456789", "0123456789", "GET"},
    {Framing::length, 10, "0123456789", "0123456789", ""},
    {Framing::chunked, 0, chunked, chunked_content, ""},
    {Framing::chunked, 0, chunked, chunked_content, "HTTP/1.1"},
};

TEST(BodyReader, a_body_is_the_same_however_it_is_split_between_the_head_and_the_stream) {
  for (const Case& each : cases) {
    const std::string all = std::string(each.bytes) + std::string(each.next);
    for (std::size_t with_head = 0; with_head <= all.size(); ++with_head) {
      for (std::size_t second = with_head; second <= all.size(); ++second) {
        Fixture fixture;
        fixture.body.begin(each.framing, each.length, limits,
                           base::as_bytes(std::string_view(all).substr(0, with_head)));
        Outcome outcome;
        net::spawn(read_body(fixture.body, outcome));
        if (second > with_head) fixture.pair.peer.send(all.substr(with_head, second - with_head));
        support::settle(fixture.loop);
        if (second < all.size()) fixture.pair.peer.send(all.substr(second));
        support::settle(fixture.loop);
        const std::string where = std::to_string(with_head) + "/" + std::to_string(second);
        ASSERT_TRUE(outcome.done) << where;
        EXPECT_TRUE(fixture.body.is_finished()) << where;
        EXPECT_EQ(outcome.content, each.content) << where;
        EXPECT_EQ(fixture.body.content_bytes(), each.content.size()) << where;
        EXPECT_EQ(fixture.body.trailers().size(), each.framing == Framing::chunked ? 1U : 0U);
        EXPECT_EQ(fixture.body.within_head_buffer(), with_head >= each.bytes.size()) << where;
        EXPECT_EQ(fixture.body.head_buffer_used(), std::min(with_head, each.bytes.size())) << where;
        // What of the next message has been read is told, and not lost.
        std::string rest = all.substr(std::min(with_head, each.bytes.size()),
                                      with_head - std::min(with_head, each.bytes.size()));
        const bool stray = fixture.body.has_stray_bytes();
        const net::Buffer buffer = fixture.body.take_buffer();
        if (buffer.has_memory()) rest += base::as_text(buffer.unread());
        EXPECT_EQ(stray, !rest.empty()) << where;
        EXPECT_EQ(rest, each.next.substr(0, rest.size())) << where;
      }
    }
  }
}

TEST(BodyReader, a_message_without_a_body_is_finished_from_the_start) {
  Fixture fixture;
  for (const bool stray : {false, true}) {
    fixture.body.begin(Framing::none, 0, limits, base::as_bytes(stray ? "x" : ""));
    EXPECT_TRUE(fixture.body.is_finished());
    EXPECT_EQ(fixture.body.take().bytes, 0U);
    EXPECT_EQ(fixture.body.has_stray_bytes(), stray);
    EXPECT_TRUE(fixture.body.within_head_buffer());
  }
}

TEST(BodyReader, a_body_until_close_ends_with_the_connection) {
  Fixture fixture;
  fixture.body.begin(Framing::until_close, 0, limits, base::as_bytes("begin "));
  Outcome outcome;
  net::spawn(read_body(fixture.body, outcome));
  fixture.pair.peer.send("end");
  support::settle(fixture.loop);
  EXPECT_FALSE(outcome.done);
  fixture.pair.peer.close();
  ASSERT_TRUE(support::run_until(fixture.loop, [&] { return outcome.done; }));
  EXPECT_TRUE(fixture.body.is_finished());
  EXPECT_EQ(outcome.result, Transfer::ok);
  EXPECT_EQ(outcome.content, "begin end");
}

TEST(BodyReader, a_connection_that_ends_in_the_middle_is_no_end_of_a_framed_body) {
  for (const Framing framing : {Framing::length, Framing::chunked}) {
    Fixture fixture;
    fixture.body.begin(framing, 10, limits, {});
    Outcome outcome;
    net::spawn(read_body(fixture.body, outcome));
    fixture.pair.peer.send(framing == Framing::length ? "01234" : "5\r\n01");
    fixture.pair.peer.close();
    ASSERT_TRUE(support::run_until(fixture.loop, [&] { return outcome.done; }));
    EXPECT_EQ(outcome.result, Transfer::closed);
    EXPECT_FALSE(fixture.body.is_finished());
  }
}

TEST(BodyReader, silence_expires_and_each_read_has_its_own_time) {
  Fixture fixture;
  fixture.body.begin(Framing::length, 10, limits, {});
  Outcome outcome;
  net::spawn(read_body(fixture.body, outcome));
  for (int i = 0; i < 5; ++i) {
    support::pass_time(fixture.loop, std::chrono::milliseconds(900));
    EXPECT_FALSE(outcome.done);
    fixture.pair.peer.send("x");
    support::settle(fixture.loop);
  }
  support::pass_time(fixture.loop, std::chrono::milliseconds(1100));
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.result, Transfer::expired);
  EXPECT_EQ(outcome.content, "xxxxx");
}

TEST(BodyReader, a_malformed_chunk_fails_it_after_the_content_before) {
  Fixture fixture;
  fixture.body.begin(Framing::chunked, 0, limits, base::as_bytes("2\r\nok\r\nnonsense\r\n"));
  Outcome outcome;
  net::spawn(read_body(fixture.body, outcome));
  EXPECT_TRUE(outcome.done);
  EXPECT_TRUE(fixture.body.has_failed());
  EXPECT_EQ(fixture.body.failure(), observe::Reason::chunk_invalid);
  EXPECT_EQ(outcome.content, "ok");
}

TEST(BodyReader, more_chunks_than_one_take_holds_come_with_the_next) {
  Fixture fixture;
  std::string bytes;
  std::string content;
  for (int i = 0; i < 50; ++i) {
    bytes += "1\r\n" + std::string(1, static_cast<char>('a' + i % 26)) + "\r\n";
    content += static_cast<char>('a' + i % 26);
  }
  bytes += "0\r\n\r\n";
  fixture.body.begin(Framing::chunked, 0, limits, base::as_bytes(bytes));
  EXPECT_EQ(fixture.body.take().items.size(), Runs::most);
  fixture.body.begin(Framing::chunked, 0, limits, base::as_bytes(bytes));
  Outcome outcome;
  net::spawn(read_body(fixture.body, outcome));
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.content, content);
}

TEST(BodyReader, waiting_for_more_holds_no_buffer) {
  Fixture fixture;
  fixture.body.begin(Framing::length, 10, limits, {});
  Outcome outcome;
  net::spawn(read_body(fixture.body, outcome));
  fixture.pair.peer.send("x");
  support::settle(fixture.loop);
  EXPECT_EQ(outcome.content, "x");
  EXPECT_EQ(fixture.loop.buffers.bytes_in_use(), 0U);
  fixture.pair.peer.send("123456789");
  support::settle(fixture.loop);
  EXPECT_TRUE(outcome.done);
}

TEST(BodyReader, what_is_there_can_be_read_without_waiting) {
  Fixture fixture;
  fixture.body.begin(Framing::length, 4, limits, {});
  EXPECT_FALSE(fixture.body.try_fill());
  fixture.pair.peer.send("body");
  support::settle(fixture.loop);
  EXPECT_TRUE(fixture.body.try_fill());
  EXPECT_EQ(fixture.body.take().bytes, 4U);
  EXPECT_TRUE(fixture.body.is_finished());
}

// More than its buffer: the pieces come one after the other, each when the former was taken.
TEST(BodyReader, a_long_body_passes_through_one_buffer) {
  Fixture fixture;
  const std::string text = net::test::pattern(1 << 20);
  fixture.body.begin(Framing::length, text.size(), limits, {});
  Outcome outcome;
  net::spawn(read_body(fixture.body, outcome));
  std::size_t sent = 0;
  ASSERT_TRUE(support::run_until(fixture.loop, [&] {
    const ssize_t taken = ::send(fixture.pair.peer.fd(), text.data() + sent, text.size() - sent,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) sent += static_cast<std::size_t>(taken);
    EXPECT_LE(fixture.loop.buffers.bytes_in_use(), BodyReader::buffer_bytes);
    return outcome.done;
  }));
  EXPECT_TRUE(outcome.content == text);
}

}  // namespace
}  // namespace sluice::upstream
