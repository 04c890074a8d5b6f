#include "sluice/http/websocket.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace sluice::http {
namespace {

std::string bytes(std::initializer_list<unsigned> values) {
  std::string text;
  for (const unsigned value : values) text += static_cast<char>(value);
  return text;
}

std::string text_of(const ControlFrame& frame) { return std::string(base::as_text(frame.bytes())); }

// A text frame with so much payload, as a server sends it or as a client does.
std::string frame(std::uint64_t size, bool masked, unsigned first = 0x81) {
  const unsigned bit = masked ? 0x80 : 0;
  std::string text = bytes({first});
  if (size < 126) {
    text += bytes({bit | static_cast<unsigned>(size)});
  } else if (size < 1 << 16) {
    text +=
        bytes({bit | 126U, static_cast<unsigned>(size >> 8), static_cast<unsigned>(size & 0xff)});
  } else {
    text += bytes({bit | 127U});
    for (int shift = 56; shift >= 0; shift -= 8) {
      text += bytes({static_cast<unsigned>(size >> shift & 0xff)});
    }
  }
  if (masked) text += "mask";
  return text + std::string(size, '\x88');  // a payload that looks like close frames
}

// Where a scanner that is fed in these pieces is between two frames.
std::vector<std::size_t> boundaries(std::string_view text, std::size_t piece) {
  WebSocketScanner scanner;
  std::vector<std::size_t> found;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const std::string_view part = text.substr(at, piece);
    scanner.feed(base::as_bytes(part));
    if (scanner.at_boundary()) found.push_back(at + part.size());
  }
  return found;
}

TEST(WebSocketScanner, begins_between_two_frames) {
  const WebSocketScanner scanner;
  EXPECT_TRUE(scanner.at_boundary());
  EXPECT_FALSE(scanner.has_closed());
}

TEST(WebSocketScanner, knows_the_end_of_frames_of_every_kind_of_length) {
  for (const std::uint64_t size : {0, 1, 125, 126, 127, 65'535, 65'536, 70'000}) {
    for (const bool masked : {false, true}) {
      const std::string one = frame(size, masked);
      EXPECT_EQ(boundaries(one, one.size()), std::vector<std::size_t>{one.size()}) << size;
      EXPECT_EQ(boundaries(one, 1), std::vector<std::size_t>{one.size()}) << size << masked;
    }
  }
}

TEST(WebSocketScanner, finds_the_same_boundaries_however_the_bytes_come) {
  const std::string text = frame(5, true) + frame(300, false) + frame(0, false) + frame(0, true);
  const std::vector<std::size_t> expected{11, 11 + 304, 11 + 304 + 2, text.size()};
  EXPECT_EQ(boundaries(text, 1), expected);
  for (std::size_t piece = 2; piece < text.size(); ++piece) {
    for (const std::size_t at : boundaries(text, piece)) {
      EXPECT_NE(std::ranges::find(expected, at), expected.end()) << piece;
    }
  }
}

TEST(WebSocketScanner, takes_one_frame_at_a_time_when_asked_to) {
  WebSocketScanner scanner;
  const std::string first = frame(300, true);
  const std::string second = frame(0, false);
  const std::string text = first + second + frame(9, false).substr(0, 4);
  base::Bytes rest = base::as_bytes(text);
  EXPECT_EQ(scanner.feed_frame(rest), first.size());
  EXPECT_TRUE(scanner.at_boundary());
  rest = rest.subspan(first.size());
  EXPECT_EQ(scanner.feed_frame(rest), second.size());
  EXPECT_TRUE(scanner.at_boundary());
  rest = rest.subspan(second.size());
  EXPECT_EQ(scanner.feed_frame(rest), rest.size());
  EXPECT_FALSE(scanner.at_boundary());
}

TEST(WebSocketScanner, sees_a_close_frame_with_its_header) {
  WebSocketScanner scanner;
  const std::string close = bytes({0x88, 0x82}) + "mask" + bytes({0x03, 0xe8});
  scanner.feed(base::as_bytes(close).first(5));
  EXPECT_FALSE(scanner.has_closed());
  scanner.feed(base::as_bytes(close).subspan(5, 1));
  EXPECT_TRUE(scanner.has_closed());
  EXPECT_FALSE(scanner.at_boundary()) << "its payload is still to come";
  scanner.feed(base::as_bytes(close).subspan(6));
  EXPECT_TRUE(scanner.at_boundary());
}

TEST(WebSocketScanner, is_not_fooled_by_a_payload_that_looks_like_a_close_frame) {
  WebSocketScanner scanner;
  scanner.feed(base::as_bytes(frame(1000, false)));
  EXPECT_FALSE(scanner.has_closed());
}

TEST(WebSocketScanner, never_speaks_of_a_boundary_again_behind_what_is_no_frame) {
  WebSocketScanner scanner;
  const std::string impossible = bytes({0x88, 0x7f, 0x80, 0, 0, 0, 0, 0, 0, 0});
  scanner.feed(base::as_bytes(impossible));
  EXPECT_FALSE(scanner.at_boundary());
  const std::string sound = frame(1, false);
  EXPECT_EQ(scanner.feed_frame(base::as_bytes(sound)), sound.size());
  EXPECT_FALSE(scanner.at_boundary());
}

TEST(WebSocketScanner, takes_the_longest_length_there_is) {
  WebSocketScanner scanner;
  const std::string header = bytes({0x82, 0x7f, 0x7f, 255, 255, 255, 255, 255, 255, 255});
  scanner.feed(base::as_bytes(header));
  EXPECT_FALSE(scanner.at_boundary());
  const std::string some(100'000, 'x');
  EXPECT_EQ(scanner.feed_frame(base::as_bytes(some)), some.size());
  EXPECT_FALSE(scanner.at_boundary());
}

TEST(ControlFrames, of_a_server_are_not_masked) {
  EXPECT_EQ(text_of(close_frame(WebSocketRole::server, service_restart, 0x01020304)),
            bytes({0x88, 0x02, 0x03, 0xf4}));
  EXPECT_EQ(text_of(ping_frame(WebSocketRole::server, 7)), bytes({0x89, 0x00}));
}

TEST(ControlFrames, of_a_client_are_masked_with_the_given_bits) {
  EXPECT_EQ(text_of(close_frame(WebSocketRole::client, going_away, 0x0d0c0b0a)),
            bytes({0x88, 0x82, 0x0a, 0x0b, 0x0c, 0x0d, 0x03 ^ 0x0a, 0xe9 ^ 0x0b}));
  EXPECT_EQ(text_of(ping_frame(WebSocketRole::client, 0xffffffff)),
            bytes({0x89, 0x80, 0xff, 0xff, 0xff, 0xff}));
}

TEST(ControlFrames, are_read_by_the_scanner_as_what_they_are) {
  for (const WebSocketRole role : {WebSocketRole::server, WebSocketRole::client}) {
    WebSocketScanner scanner;
    scanner.feed(ping_frame(role, 1).bytes());
    EXPECT_TRUE(scanner.at_boundary());
    EXPECT_FALSE(scanner.has_closed());
    scanner.feed(close_frame(role, going_away, 0).bytes());
    EXPECT_TRUE(scanner.at_boundary());
    EXPECT_TRUE(scanner.has_closed());
  }
}

}  // namespace
}  // namespace sluice::http
