#include "sluice/http/h1_writer.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "describe.h"

namespace sluice::http {
namespace {

using namespace std::string_view_literals;

// What `write` leaves in a buffer of `size` bytes, or "overflowed". The buffer is an allocation of
// exactly that size: a sanitizer sees any byte beyond.
template <typename Write>
std::string written(Write write, std::size_t size = 4096) {
  std::vector<char> buffer(size);
  H1Writer writer(buffer);
  write(writer);
  if (writer.overflowed()) return "overflowed";
  EXPECT_EQ(writer.bytes().size(), writer.size());
  return std::string(base::as_text(writer.bytes()));
}

TEST(H1Writer, a_request_head_is_written) {
  EXPECT_EQ(written([](H1Writer& writer) {
              writer.request_line("GET", "/a", "b=c", true);
              writer.field("Host", "a.example");
              writer.field("Content-Length", std::uint64_t{18446744073709551615U});
              writer.begin_field("X-Forwarded-For");
              writer.text("10.0.0.1");
              writer.text(", ");
              writer.number(0);
              writer.end_field();
              writer.trusted_field("X", "y");
              writer.end_head();
            }),
            "GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nContent-Length: 18446744073709551615\r\n"
            "X-Forwarded-For: 10.0.0.1, 0\r\nX: y\r\n\r\n");
}

TEST(H1Writer, an_empty_query_and_none_are_told_apart) {
  EXPECT_EQ(written([](H1Writer& writer) { writer.request_line("GET", "/", "", true); }),
            "GET /? HTTP/1.1\r\n");
  EXPECT_EQ(written([](H1Writer& writer) { writer.request_line("GET", "/", "", false); }),
            "GET / HTTP/1.1\r\n");
}

TEST(H1Writer, a_status_line_keeps_the_space_before_an_empty_phrase) {
  EXPECT_EQ(written([](H1Writer& writer) { writer.status_line(204, "No Content"); }),
            "HTTP/1.1 204 No Content\r\n");
  EXPECT_EQ(written([](H1Writer& writer) { writer.status_line(299, ""); }), "HTTP/1.1 299 \r\n");
}

TEST(H1Writer, it_stops_at_the_end_of_the_buffer) {
  const auto write = [](H1Writer& writer) {
    writer.request_line("GET", "/", "", false);
    writer.field("Host", "a");
    writer.end_head();
  };
  const std::string all = written(write);
  for (std::size_t size = 0; size < all.size(); ++size) {
    EXPECT_EQ(written(write, size), "overflowed") << size;
  }
  EXPECT_EQ(written(write, all.size()), all);
}

TEST(H1Writer, nothing_is_written_behind_an_overflow) {
  std::array<char, 16> buffer;
  H1Writer writer(buffer);
  writer.field("Too-Long-For-It", "x");
  const std::size_t size = writer.size();
  writer.end_head();
  EXPECT_EQ(writer.size(), size);
  EXPECT_TRUE(writer.overflowed());
}

TEST(H1Writer, t5_line_breaks_and_control_bytes_are_refused_everywhere) {
  for (const std::string_view bad :
       {"a\rb"sv, "a\nb"sv, "a\r\nb"sv, "a\0b"sv, "\x7f"sv, "\x01"sv}) {
    EXPECT_EQ(written([bad](H1Writer& writer) { writer.field("A", bad); }), "overflowed") << bad;
    EXPECT_EQ(written([bad](H1Writer& writer) { writer.field(bad, "a"); }), "overflowed") << bad;
    EXPECT_EQ(written([bad](H1Writer& writer) { writer.begin_field(bad); }), "overflowed") << bad;
    EXPECT_EQ(written([bad](H1Writer& writer) { writer.text(bad); }), "overflowed") << bad;
    EXPECT_EQ(written([bad](H1Writer& writer) { writer.status_line(200, bad); }), "overflowed");
    EXPECT_EQ(written([bad](H1Writer& writer) { writer.request_line(bad, "/", "", false); }),
              "overflowed");
    EXPECT_EQ(written([bad](H1Writer& writer) { writer.request_line("GET", bad, "", false); }),
              "overflowed");
    EXPECT_EQ(written([bad](H1Writer& writer) { writer.request_line("GET", "/", bad, true); }),
              "overflowed");
  }
  EXPECT_EQ(written([](H1Writer& writer) { writer.field("", "a"); }), "overflowed");
  EXPECT_EQ(written([](H1Writer& writer) { writer.field("A:", "a"); }), "overflowed");
  EXPECT_EQ(written([](H1Writer& writer) { writer.request_line("GET", "/ x", "", false); }),
            "overflowed");
  EXPECT_EQ(written([](H1Writer& writer) { writer.request_line("", "/", "", false); }),
            "overflowed");
  EXPECT_EQ(written([](H1Writer& writer) { writer.field("A", "caf\xc3\xa9\tb"); }),
            "A: caf\xc3\xa9\tb\r\n");
}

TEST(ChunkHead, sizes_are_hexadecimal_and_fit) {
  std::array<char, chunk_head_bytes_max> out;
  EXPECT_EQ(chunk_head(1, out), "1\r\n");
  EXPECT_EQ(chunk_head(4096, out), "1000\r\n");
  EXPECT_EQ(chunk_head(std::numeric_limits<std::uint64_t>::max(), out), "ffffffffffffffff\r\n");
  EXPECT_EQ(chunk_head(1, base::MutableBytes(out).first(17)), "");
}

TEST(ChunkHead, what_is_written_is_decoded_again) {
  std::array<char, chunk_head_bytes_max> out;
  const std::string content(300, 'x');
  std::string text(chunk_head(content.size(), out));
  text.append(content).append(chunk_tail).append(last_chunk);
  const test::BodyOutcome outcome =
      test::decode_in_pieces(H1Body(Framing::chunked, 0, test::usual_body_limits), text, {});
  EXPECT_TRUE(outcome.finished);
  EXPECT_EQ(outcome.content, content);
  EXPECT_EQ(outcome.consumed, text.size());
}

TEST(StandardReasonPhrase, known_statuses_have_one) {
  EXPECT_EQ(standard_reason_phrase(100), "Continue");
  EXPECT_EQ(standard_reason_phrase(200), "OK");
  EXPECT_EQ(standard_reason_phrase(404), "Not Found");
  EXPECT_EQ(standard_reason_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(standard_reason_phrase(511), "Network Authentication Required");
  for (const std::uint16_t unknown : {0, 99, 299, 306, 420, 599, 65535}) {
    EXPECT_EQ(standard_reason_phrase(unknown), "") << unknown;
  }
}

TEST(StandardReasonPhrase, every_status_of_our_own_answers_has_one) {
  for (std::size_t i = 0; i < observe::reason_count; ++i) {
    const std::uint16_t status = observe::status_of(static_cast<observe::Reason>(i));
    if (status == 0 || status == 499) continue;  // no answer at all
    EXPECT_NE(standard_reason_phrase(status), "") << status;
  }
}

}  // namespace
}  // namespace sluice::http
