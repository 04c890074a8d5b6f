// Bodies. Every input is fed whole, byte by byte, cut in two at every place and in random pieces,
// and has to come out the same.
#include "sluice/http/h1_body.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "describe.h"

namespace sluice::http {
namespace {

using namespace std::string_view_literals;
using observe::Reason;
using test::BodyOutcome;
using test::decode_in_pieces;

BodyOutcome decode(std::string_view text, Framing framing = Framing::chunked,
                   std::uint64_t length = 0, BodyLimits limits = test::usual_body_limits) {
  const H1Body body(framing, length, limits);
  const BodyOutcome whole = decode_in_pieces(body, text, {});
  EXPECT_EQ(whole, decode_in_pieces(body, text, test::every_byte_alone(text))) << text;
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(whole, decode_in_pieces(body, text, {cut})) << "cut at " << cut << ": " << text;
  }
  return whole;
}

void expect_failed(const BodyOutcome& outcome, Reason reason, std::string_view input) {
  EXPECT_TRUE(outcome.failed) << input;
  EXPECT_EQ(observe::text(outcome.reason), observe::text(reason)) << input;
}

// --- without chunks -----------------------------------------------------------------------------

TEST(H1Body, without_a_body_nothing_is_consumed) {
  for (const Framing framing : {Framing::none, Framing::length}) {
    const BodyOutcome outcome = decode("GET / HTTP/1.1\r\n", framing, 0);
    EXPECT_TRUE(outcome.finished);
    EXPECT_EQ(outcome.consumed, 0U);
    EXPECT_EQ(outcome.content, "");
  }
  EXPECT_TRUE(H1Body().finished());
}

TEST(H1Body, a_length_is_counted_to_the_byte) {
  const BodyOutcome outcome = decode("helloGET /", Framing::length, 5);
  EXPECT_TRUE(outcome.finished);
  EXPECT_EQ(outcome.content, "hello");
  EXPECT_EQ(outcome.consumed, 5U);
}

TEST(H1Body, the_missing_bytes_are_known_for_a_length_only) {
  H1Body body(Framing::length, 1'000'000'000'000, test::usual_body_limits);
  EXPECT_EQ(body.remaining(), 1'000'000'000'000U);
  EXPECT_EQ(body.decode(base::as_bytes("hello")).consumed, 5U);
  EXPECT_EQ(body.remaining(), 999'999'999'995U);
  EXPECT_FALSE(body.finish_at_close());
  EXPECT_EQ(body.reason(), Reason::body_incomplete);
  EXPECT_EQ(body.remaining(), 0U);

  H1Body chunked(Framing::chunked, 0, test::usual_body_limits);
  EXPECT_EQ(chunked.decode(base::as_bytes("5\r\nhe")).content.size(), 2U);
  EXPECT_EQ(chunked.remaining(), 0U);
}

TEST(H1Body, until_close_ends_with_the_connection) {
  H1Body body(Framing::until_close, 0, test::usual_body_limits);
  const H1Body::Step step = body.decode(base::as_bytes("0\r\n\r\n"));
  EXPECT_EQ(base::as_text(step.content), "0\r\n\r\n");
  EXPECT_EQ(step.consumed, 5U);
  EXPECT_FALSE(body.finished());
  EXPECT_TRUE(body.finish_at_close());
  EXPECT_TRUE(body.finished());
}

TEST(H1Body, a_chunked_body_cut_anywhere_is_incomplete) {
  const std::string_view text = "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    H1Body body(Framing::chunked, 0, test::usual_body_limits);
    base::Bytes input = base::as_bytes(text.substr(0, size));
    while (!input.empty()) input = input.subspan(body.decode(input).consumed);
    EXPECT_FALSE(body.finished()) << size;
    EXPECT_FALSE(body.failed()) << size;
    EXPECT_FALSE(body.finish_at_close()) << size;
    EXPECT_EQ(body.reason(), Reason::body_incomplete) << size;
  }
}

TEST(H1Body, content_is_a_view_of_the_input) {
  const std::string text = "5\r\nhello\r\n";
  H1Body body(Framing::chunked, 0, test::usual_body_limits);
  const H1Body::Step step = body.decode(base::as_bytes(text));
  EXPECT_EQ(step.content.data(), text.data() + 3);
  EXPECT_EQ(step.consumed, 8U);
}

// --- chunks -------------------------------------------------------------------------------------

TEST(H1Body, t3_chunks_are_decoded_and_their_extensions_dropped) {
  struct Case {
    std::string_view text;
    std::string_view content;
  };
  const Case cases[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"1\r\na\r\n2\r\nbc\r\n000\r\n\r\n", "abc"},
      {"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", "hello"},
      {"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
      {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
      {"5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello"},
      {"5;a=\"b;c\\\"d\\\\\";e\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5;a=\"\tb\"\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5;\r\nhello\r\n0\r\n\r\n", "hello"},
  };
  for (const Case& one : cases) {
    const BodyOutcome outcome = decode(std::string(one.text) + "\r\nGET /next");
    EXPECT_TRUE(outcome.finished) << one.text;
    EXPECT_EQ(outcome.content, one.content) << one.text;
    EXPECT_EQ(outcome.consumed, one.text.size()) << one.text;  // nothing behind its end
    EXPECT_EQ(outcome.trailers, "") << one.text;
  }
}

TEST(H1Body, t3_malformed_chunks_are_refused) {
  for (const std::string_view text : {
           "\r\n"sv,
           "x\r\n"sv,
           " 5\r\n"sv,
           "5 \r\n"sv,
           "5\t;a\r\n"sv,
           "+5\r\n"sv,
           "-5\r\n"sv,
           "0x5\r\n"sv,
           "5h\r\n"sv,
           "5,5\r\n"sv,
           "5\n"sv,
           "5\r5"sv,
           "5\rhello"sv,
           ";a\r\n"sv,
           "5;a\n"sv,
           "5;a\0\r\n"sv,
           "5;a\x7f\r\n"sv,
           "5;a=\"b\r\n"sv,
           "5;a=\"b\r\nc\"\r\n"sv,
           "5;a=\"b\\\r\n"sv,
           "5;a=\"b\nc\"\r\n"sv,
           "5;a\rb\r\n"sv,
           "5\r\nhello0\r\n"sv,
           "5\r\nhello\n"sv,
           "5\r\nhello\rx"sv,
           "5\r\nhellox\r\n"sv,
           "5\r\nhello\r\n\r\n"sv,
           "\0"sv,
           "G"sv,
       }) {
    expect_failed(decode(text), Reason::chunk_invalid, text);
  }
}

TEST(H1Body, t3_chunk_sizes_are_bounded) {
  for (const std::string_view text :
       {"00000000000000005\r\n", "10000000000000000\r\n", "FFFFFFFFFFFFFFFFF\r\n",
        "FFFFFFFFFFFFFFFF\r\n", "ffffffffffffffff;a\r\n", "8000000000000000\r\n",
        "fffffffffffffffe\r\n"}) {
    expect_failed(decode(text), Reason::chunk_invalid, text);
  }
  const BodyOutcome largest = decode("7FFFFFFFFFFFFFFF\r\nabc");
  EXPECT_FALSE(largest.failed);
  EXPECT_EQ(largest.content, "abc");
}

TEST(H1Body, t3_extensions_are_bounded_to_the_byte) {
  const BodyLimits limits{.chunk_extension_bytes = 8, .trailer_bytes = 16};
  EXPECT_TRUE(decode("1;2345678\r\na\r\n0;2345678\r\n\r\n", Framing::chunked, 0, limits).finished);
  expect_failed(decode("1;23456789\r\n", Framing::chunked, 0, limits),
                Reason::chunk_extension_too_long, "one over");
  expect_failed(decode("1;\"345678\"", Framing::chunked, 0, limits),
                Reason::chunk_extension_too_long, "quoted");
}

// --- trailers -----------------------------------------------------------------------------------

TEST(H1Body, t4_trailers_are_parsed_as_fields) {
  const std::string_view text = "0\r\nExpires: never\r\nX-Sum:\t 1 \r\nhost: a\r\n\r\n";
  const BodyOutcome outcome = decode(std::string(text) + "GET");
  EXPECT_TRUE(outcome.finished);
  EXPECT_EQ(outcome.trailers, "\n  Expires: never\n  X-Sum: 1\n  host: a");
  EXPECT_EQ(outcome.consumed, text.size());
}

TEST(H1Body, t4_malformed_trailers_are_refused) {
  for (const std::string_view text : {
           "0\r\nA : b\r\n\r\n"sv,
           "0\r\nA\r\n\r\n"sv,
           "0\r\n: b\r\n\r\n"sv,
           "0\r\nA: b\r\n c\r\n\r\n"sv,
           "0\r\n A: b\r\n\r\n"sv,
           "0\r\nA: b\n"sv,
           "0\r\n\n"sv,
           "0\r\nA: b\r\n\n"sv,
           "0\r\nA: b\rc\r\n\r\n"sv,
           "0\r\nA: b\0\r\n\r\n"sv,
           "0\r\n\rA: b\r\n\r\n"sv,
           "0\r\nA: b\r\r\n\r\n"sv,
       }) {
    const BodyOutcome outcome = decode(text);
    expect_failed(outcome, Reason::trailer_invalid, text);
    EXPECT_EQ(outcome.trailers, "") << text;
  }
}

TEST(H1Body, t4_trailers_are_bounded_to_the_byte) {
  const BodyLimits limits{.chunk_extension_bytes = 8, .trailer_bytes = 16};
  EXPECT_TRUE(decode("0\r\nA: 3456\r\nB: 45\r\n\r\n", Framing::chunked, 0, limits).finished);
  EXPECT_TRUE(decode("0\r\nA: 34567890123\r\n\r\n", Framing::chunked, 0, limits).finished);
  expect_failed(decode("0\r\nA: 345678901234\r\n\r\n", Framing::chunked, 0, limits),
                Reason::trailers_too_large, "one line");
  expect_failed(decode("0\r\nA: 3456\r\nB: 456\r\n\r\n", Framing::chunked, 0, limits),
                Reason::trailers_too_large, "two lines");
  expect_failed(decode("0\r\nA: 345678901234", Framing::chunked, 0, limits),
                Reason::trailers_too_large, "unfinished");
}

TEST(H1Body, random_chunks_in_random_pieces_come_out_whole) {
  std::mt19937 random(20261121);  // fixed, so that a failure can be repeated
  const auto up_to = [&random](std::size_t most) {
    return std::uniform_int_distribution<std::size_t>(0, most)(random);
  };
  for (int round = 0; round < 500; ++round) {
    std::string content;
    std::string encoded;
    for (std::size_t chunks = up_to(6); chunks > 0; --chunks) {
      std::string chunk(1 + up_to(40), '\0');
      for (char& c : chunk) c = "\r\n0;abc"[up_to(6)];
      char size[20];
      std::snprintf(size, sizeof size, up_to(1) == 0 ? "%zx" : "%03zX", chunk.size());
      encoded.append(size).append(up_to(3) == 0 ? ";x=\"y;\"" : "").append("\r\n");
      encoded.append(chunk).append("\r\n");
      content += chunk;
    }
    encoded.append("0\r\n").append(up_to(1) == 0 ? "A: b\r\n" : "").append("\r\n");
    const std::size_t end = encoded.size();
    encoded += "\r\n0\r\n";

    std::vector<std::size_t> cuts;
    for (std::size_t i = up_to(8); i > 0; --i) cuts.push_back(up_to(encoded.size()));
    std::ranges::sort(cuts);
    const BodyOutcome outcome =
        decode_in_pieces(H1Body(Framing::chunked, 0, test::usual_body_limits), encoded, cuts);
    ASSERT_TRUE(outcome.finished) << encoded;
    ASSERT_EQ(outcome.content, content) << encoded;
    ASSERT_EQ(outcome.consumed, end) << encoded;
  }
}

}  // namespace
}  // namespace sluice::http
