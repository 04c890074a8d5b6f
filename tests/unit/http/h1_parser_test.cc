// Both directions, refusals and framing. Every input is fed whole, byte by byte and cut in two at
// every place, and has to come out the same.
#include "sluice/http/h1_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "describe.h"

namespace sluice::http {
namespace {

using observe::Reason;
using test::Outcome;
using test::usual_limits;

template <typename Parse>
Outcome same_at_every_split(std::string_view text, Parse parse) {
  const Outcome whole = parse(std::vector<std::size_t>{});
  EXPECT_EQ(whole, parse(test::every_byte_alone(text))) << "byte by byte: " << text;
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(whole, parse(std::vector{cut})) << "cut at " << cut << ": " << text;
  }
  return whole;
}

Outcome request(std::string_view text, const HeadLimits& limits = usual_limits) {
  return same_at_every_split(text, [&](const std::vector<std::size_t>& cuts) {
    return test::parse_request(text, cuts, limits);
  });
}

Outcome response(std::string_view text, Method request_method = Method::get,
                 const HeadLimits& limits = usual_limits) {
  return same_at_every_split(text, [&](const std::vector<std::size_t>& cuts) {
    return test::parse_response(text, request_method, cuts, limits);
  });
}

// A request with these lines, each without its CRLF, behind an ordinary request line and Host.
std::string with_fields(std::string_view lines, std::string_view version = "HTTP/1.1") {
  std::string text = "POST /x ";
  text.append(version).append("\r\nHost: a\r\n").append(lines).append("\r\n\r\n");
  return text;
}

void expect_refused(const Outcome& outcome, Reason reason, std::string_view input) {
  EXPECT_EQ(outcome.progress, Progress::failed) << input;
  EXPECT_EQ(observe::text(outcome.reason), observe::text(reason)) << input;
}

// A head that stays where it is, for tests that look at single members.
struct ParsedRequest {
  explicit ParsedRequest(std::string input) : text(std::move(input)) {
    progress = parser.parse(base::as_bytes(text), head);
  }
  std::string text;
  H1Parser parser{usual_limits};
  RequestHead head;
  Progress progress;
};

struct ParsedResponse {
  explicit ParsedResponse(std::string input, Method request_method = Method::get)
      : text(std::move(input)) {
    progress = parser.parse(base::as_bytes(text), head, request_method);
  }
  std::string text;
  H1Parser parser{usual_limits};
  ResponseHead head;
  Progress progress;
};

// --- what is accepted ---------------------------------------------------------------------------

TEST(H1Parser, an_ordinary_request_is_understood) {
  const Outcome outcome = request(
      "GET /a/b?x=1&y=2 HTTP/1.1\r\n"
      "Host: shop.example.com:8080\r\n"
      "User-Agent:curl/7.88.1\r\n"
      "Accept:   */*  \t\r\n"
      "X-Empty:\r\n"
      "x-Text: caf\xc3\xa9\tau lait\r\n"
      "\r\n");
  EXPECT_EQ(outcome.progress, Progress::complete);
  EXPECT_EQ(outcome.head,
            "GET /a/b?x=1&y=2 HTTP/1.1\n form origin, path /a/b, query x=1&y=2\n"
            " host shop.example.com:8080\n framing none 0, persistent\n"
            "  Host: shop.example.com:8080\n  User-Agent: curl/7.88.1\n  Accept: */*\n"
            "  X-Empty: \n  x-Text: caf\xc3\xa9\tau lait");
}

TEST(H1Parser, bytes_behind_the_head_are_left_alone) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n";
  const Outcome outcome = request(head + "\n\x01\r ");
  EXPECT_EQ(outcome.progress, Progress::complete);
  EXPECT_EQ(outcome.head_bytes, head.size());
}

TEST(H1Parser, pipelined_requests_are_parsed_one_after_the_other) {
  const std::string first = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string second = "GET /2 HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n";
  const std::string both = first + second;
  H1Parser parser(usual_limits);
  RequestHead head;
  ASSERT_EQ(parser.parse(base::as_bytes(both), head), Progress::complete);
  EXPECT_EQ(head.path, "/1");
  ASSERT_EQ(parser.head_bytes(), first.size());

  parser.reset();
  EXPECT_FALSE(parser.started());
  ASSERT_EQ(parser.parse(base::as_bytes(both).subspan(first.size()), head), Progress::complete);
  EXPECT_EQ(head.path, "/2");
  EXPECT_EQ(head.fields.size(), 2U);  // nothing is left of the first
  EXPECT_FALSE(head.persistent);
}

TEST(H1Parser, one_empty_line_before_a_request_is_skipped_and_is_not_a_beginning) {
  const std::string text = "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const Outcome outcome = request(text);
  EXPECT_EQ(outcome.progress, Progress::complete);
  EXPECT_EQ(outcome.head_bytes, text.size());

  H1Parser parser(usual_limits);
  RequestHead head;
  EXPECT_EQ(parser.parse(base::as_bytes("\r\n"), head), Progress::incomplete);
  EXPECT_FALSE(parser.started());
  EXPECT_EQ(parser.parse(base::as_bytes("\r\nG"), head), Progress::incomplete);
  EXPECT_TRUE(parser.started());
}

TEST(H1Parser, a_second_empty_line_before_a_request_is_refused) {
  expect_refused(request("\r\n\r\nGET / HTTP/1.1\r\n"), Reason::bad_method, "two empty lines");
}

TEST(H1Parser, no_bytes_are_no_message) {
  EXPECT_EQ(request("").progress, Progress::incomplete);
  EXPECT_EQ(response("").progress, Progress::incomplete);
  H1Parser parser(usual_limits);
  RequestHead head;
  EXPECT_EQ(parser.parse({}, head), Progress::incomplete);
}

TEST(H1Parser, an_unfinished_head_waits_for_more) {
  for (const std::string_view text :
       {"G", "GET / HTTP/1.1", "GET / HTTP/1.1\r", "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: a", "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r"}) {
    EXPECT_EQ(request(text).progress, Progress::incomplete) << text;
  }
}

TEST(H1Parser, a_failure_stays_until_reset) {
  H1Parser parser(usual_limits);
  RequestHead head;
  EXPECT_EQ(parser.parse(base::as_bytes("\x16"), head), Progress::failed);
  const std::string_view good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  EXPECT_EQ(parser.parse(base::as_bytes(good), head), Progress::failed);
  parser.reset();
  EXPECT_EQ(parser.parse(base::as_bytes(good), head), Progress::complete);
}

TEST(H1Parser, a_refused_request_still_tells_method_and_target_for_the_log) {
  struct Case {
    std::string text;
    std::string_view method;
    std::string_view target;
  };
  const Case cases[] = {
      {"GET /x?y HTTP/1.1\r\nHost: a\r\nBad Name: 1\r\n\r\n", "GET", "/x?y"},
      {"GET /x HTTP/1.1\r\nHost: a\n", "GET", "/x"},
      {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "CONNECT", "a:443"},
      {"GET /x HTTP/2.0\r\n\r\n", "GET", "/x"},
      {"GET /x\x01y HTTP/1.1\r\n\r\n", "GET", "/x"},
      {"\x16\x03\x01", "", ""},
  };
  for (const Case& one : cases) {
    ParsedRequest parsed(one.text);
    EXPECT_EQ(parsed.progress, Progress::failed) << one.text;
    EXPECT_EQ(parsed.head.method_text, one.method) << one.text;
    EXPECT_EQ(parsed.head.target, one.target) << one.text;
  }
}

// --- the request line ---------------------------------------------------------------------------

TEST(H1Parser, request_lines_are_held_to_the_letter) {
  struct Case {
    std::string_view line;
    Reason reason;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"GET / HTTP/1.1"sv, Reason::none},
      {"GET / HTTP/1.0"sv, Reason::none},
      {"M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1"sv, Reason::none},
      {"get / HTTP/1.1"sv, Reason::none},  // a method of its own, not GET
      {"GET / HTTP/1.2"sv, Reason::version_not_supported},
      {"GET / HTTP/2.0"sv, Reason::version_not_supported},
      {"GET / HTTP/3.0"sv, Reason::version_not_supported},
      {"GET / HTTP/0.9"sv, Reason::version_not_supported},
      {"PRI * HTTP/2.0"sv, Reason::version_not_supported},
      {"GET / HTTP/1.10"sv, Reason::bad_request_line},
      {"GET / HTTP/11"sv, Reason::bad_request_line},
      {"GET / HTTP/1.x"sv, Reason::bad_request_line},
      {"GET / http/1.1"sv, Reason::bad_request_line},
      {"GET / HTTPS/1.1"sv, Reason::bad_request_line},
      {"GET / HTTP/1.1 "sv, Reason::bad_request_line},
      {"GET / x HTTP/1.1"sv, Reason::bad_request_line},
      {"GET /  HTTP/1.1"sv, Reason::bad_request_line},
      {"GET  / HTTP/1.1"sv, Reason::bad_request_line},
      {"GET /"sv, Reason::bad_request_line},  // HTTP/0.9
      {"GET / "sv, Reason::bad_request_line},
      {"GET"sv, Reason::bad_request_line},
      {"GET "sv, Reason::bad_request_line},
      {"GET\t/ HTTP/1.1"sv, Reason::bad_method},
      {"GE\0T / HTTP/1.1"sv, Reason::bad_method},
      {"GE(T) / HTTP/1.1"sv, Reason::bad_method},
      {"G\xc3\x84T / HTTP/1.1"sv, Reason::bad_method},
      {"GE\rT / HTTP/1.1"sv, Reason::bad_request_line},  // bare CR
      {"GET /\rx HTTP/1.1"sv, Reason::bad_request_line},
      {"GET / HTTP/1.1\r"sv, Reason::bad_request_line},
      {"GET /\t HTTP/1.1"sv, Reason::bad_request_target},
      {"GET /\0 HTTP/1.1"sv, Reason::bad_request_target},
      {"GET /\x7f HTTP/1.1"sv, Reason::bad_request_target},
      {"GET /caf\xc3\xa9 HTTP/1.1"sv, Reason::bad_request_target},
      {"GET /?caf\xc3\xa9 HTTP/1.1"sv, Reason::bad_request_target},
      {"GET /#top HTTP/1.1"sv, Reason::bad_request_target},
      {"GET /?a#top HTTP/1.1"sv, Reason::bad_request_target},
      {"GET x HTTP/1.1"sv, Reason::bad_request_target},
      {"GET * HTTP/1.1"sv, Reason::bad_request_target},
      {"GET ?x HTTP/1.1"sv, Reason::bad_request_target},
      {"GET a:80 HTTP/1.1"sv, Reason::bad_request_target},
      {"GET ftp://a/ HTTP/1.1"sv, Reason::bad_request_target},
      {"GET http:/a HTTP/1.1"sv, Reason::bad_request_target},
      {"GET http:///a HTTP/1.1"sv, Reason::bad_request_target},
      {"GET http://u@a/ HTTP/1.1"sv, Reason::bad_request_target},
      {"GET http://u:p@a/ HTTP/1.1"sv, Reason::bad_request_target},
      {"OPTIONS * HTTP/1.1"sv, Reason::none},
      {"OPTIONS *x HTTP/1.1"sv, Reason::bad_request_target},
      {"CONNECT a:443 HTTP/1.1"sv, Reason::connect_refused},
      {"TRACE / HTTP/1.1"sv, Reason::method_not_allowed},
  };
  for (const Case& one : cases) {
    std::string text(one.line);
    text += "\r\nHost: a\r\n\r\n";
    const Outcome outcome = request(text);
    EXPECT_EQ(outcome.progress, one.reason == Reason::none ? Progress::complete : Progress::failed)
        << one.line;
    EXPECT_EQ(observe::text(outcome.reason), observe::text(one.reason)) << one.line;
  }
}

TEST(H1Parser, a_first_byte_that_begins_no_request_fails_at_once) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const std::string_view tchars =
        "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    H1Parser parser(usual_limits);
    RequestHead head;
    const Progress progress = parser.parse(base::Bytes(&c, 1), head);
    if (c == '\r' || tchars.find(c) != std::string_view::npos) {
      EXPECT_EQ(progress, Progress::incomplete) << byte;
    } else {
      EXPECT_EQ(progress, Progress::failed) << byte;
      EXPECT_EQ(parser.reason(), c == '\n' ? Reason::bare_line_feed : Reason::bad_method) << byte;
    }
  }
}

TEST(H1Parser, absolute_targets_give_the_host_and_a_path) {
  struct Case {
    std::string_view target;
    std::string_view host;
    std::string_view path;
    std::string_view query;
  };
  const Case cases[] = {
      {"http://b.example/x", "b.example", "/x", ""},
      {"HTTPS://b.example:8443/x?y", "b.example:8443", "/x", "y"},
      {"http://b.example", "b.example", "/", ""},
      {"http://b.example?y", "b.example", "/", "y"},
      {"http://[::1]:80/./x", "[::1]:80", "/x", ""},
  };
  for (const Case& one : cases) {
    ParsedRequest parsed("GET " + std::string(one.target) + " HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_EQ(parsed.progress, Progress::complete) << one.target;
    EXPECT_EQ(parsed.head.form, TargetForm::absolute) << one.target;
    EXPECT_EQ(parsed.head.host, one.host) << one.target;  // wins over Host (RFC 9112 3.2.2)
    EXPECT_EQ(parsed.head.path, one.path) << one.target;
    EXPECT_EQ(parsed.head.query, one.query) << one.target;
    EXPECT_EQ(parsed.head.has_query, !one.query.empty()) << one.target;
  }
}

TEST(H1Parser, options_without_a_path_asks_about_the_whole_server) {
  for (const std::string_view target : {"*", "http://b.example"}) {
    ParsedRequest parsed("OPTIONS " + std::string(target) + " HTTP/1.1\r\nHost: b.example\r\n\r\n");
    ASSERT_EQ(parsed.progress, Progress::complete) << target;
    EXPECT_EQ(parsed.head.form, TargetForm::asterisk) << target;
    EXPECT_EQ(parsed.head.path, "*") << target;
    EXPECT_EQ(parsed.head.host, "b.example") << target;
  }
}

// --- T2: lines and names ------------------------------------------------------------------------

TEST(H1Parser, t2_line_ends_names_and_values_are_held_to_the_letter) {
  struct Case {
    std::string_view lines;
    Reason reason;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"A: b"sv, Reason::none},
      {"A:"sv, Reason::none},
      {"A: b\nC: d"sv, Reason::bare_line_feed},
      {"A: b\n"sv, Reason::bare_line_feed},
      {"A: b\n\r"sv, Reason::bare_line_feed},
      {"A: b\rC: d"sv, Reason::bad_header_value},
      {"A: b\r\r\nC: d"sv, Reason::bad_header_value},
      {"A: \rb"sv, Reason::bad_header_value},
      {"A\r: b"sv, Reason::bad_header_name},
      {"\rA: b"sv, Reason::bad_header_name},
      {"A: b\0c"sv, Reason::bad_header_value},
      {"A: b\x01"sv, Reason::bad_header_value},
      {"A: \x0b"sv, Reason::bad_header_value},
      {"A: b\x7f"sv, Reason::bad_header_value},
      {"A: b\r\n c"sv, Reason::obs_fold},
      {"A: b\r\n\tc"sv, Reason::obs_fold},
      {" A: b"sv, Reason::obs_fold},
      {"A : b"sv, Reason::bad_header_name},
      {"A\t: b"sv, Reason::bad_header_name},
      {"A B: b"sv, Reason::bad_header_name},
      {": b"sv, Reason::bad_header_name},
      {"A"sv, Reason::bad_header_name},
      {"A\r\nB: c"sv, Reason::bad_header_name},
      {"A\0: b"sv, Reason::bad_header_name},
      {"A\xc3\x84: b"sv, Reason::bad_header_name},
      {"A(b): c"sv, Reason::bad_header_name},
      {R"("A": b)"sv, Reason::bad_header_name},
      {"Content\rLength: 5"sv, Reason::bad_header_name},
      {"Transfer-Encoding : chunked"sv, Reason::bad_header_name},
      {"Transfer\rEncoding: chunked"sv, Reason::bad_header_name},
  };
  for (const Case& one : cases) {
    const Outcome as_request = request(with_fields(one.lines));
    EXPECT_EQ(observe::text(as_request.reason), observe::text(one.reason)) << one.lines;
    std::string answer = "HTTP/1.1 200 OK\r\n";
    answer.append(one.lines).append("\r\n\r\n");
    const Outcome as_response = response(answer);
    EXPECT_EQ(observe::text(as_response.reason), observe::text(one.reason)) << one.lines;
  }
}

TEST(H1Parser, t2_a_bare_line_feed_is_refused_as_soon_as_it_is_seen) {
  expect_refused(request("GET / HTTP/1.1\n"), Reason::bare_line_feed, "first line");
  expect_refused(request("GET / HTTP/1.1\r\nHost: a\n"), Reason::bare_line_feed, "field line");
  expect_refused(request("GET / HTTP/1.1\r\nHost: a\r\n\n"), Reason::bare_line_feed, "empty line");
  expect_refused(response("HTTP/1.1 200 OK\n"), Reason::bare_line_feed, "status line");
}

TEST(H1Parser, t2_every_byte_is_judged_alike_in_names_and_values_of_every_length) {
  // Eight bytes are looked at together: the byte in question stands at every place among them.
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    for (std::size_t place = 0; place < 17; ++place) {
      std::string value(17, 'v');
      value[place] = c;
      if (c == '\n') continue;  // has its own reason
      const bool allowed = byte >= 0x20 ? byte != 0x7f : c == '\t';
      EXPECT_EQ(test::parse_request(with_fields("A: " + value)).progress,
                allowed ? Progress::complete : Progress::failed)
          << byte << " at " << place;
    }
  }
}

// --- T1: framing --------------------------------------------------------------------------------

TEST(H1Parser, t1_framing_of_requests_is_one_decision) {
  struct Case {
    std::string_view lines;
    Reason reason;
    Framing framing = Framing::none;
    std::uint64_t length = 0;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"A: b"sv, Reason::none, Framing::none},
      {"Content-Length: 0"sv, Reason::none, Framing::length, 0},
      {"content-length: 5"sv, Reason::none, Framing::length, 5},
      {"CONTENT-LENGTH:\t5 "sv, Reason::none, Framing::length, 5},
      {"Content-Length: 005"sv, Reason::none, Framing::length, 5},
      {"Content-Length: 9223372036854775807"sv, Reason::none, Framing::length,
       9223372036854775807U},
      {"Content-Length: 9223372036854775808"sv, Reason::content_length_invalid},
      {"Content-Length: 18446744073709551616"sv, Reason::content_length_invalid},
      {"Content-Length: 18446744073709551621"sv, Reason::content_length_invalid},
      {"Content-Length:"sv, Reason::content_length_invalid},
      {"Content-Length: +5"sv, Reason::content_length_invalid},
      {"Content-Length: -5"sv, Reason::content_length_invalid},
      {"Content-Length: 5x"sv, Reason::content_length_invalid},
      {"Content-Length: 0x5"sv, Reason::content_length_invalid},
      {"Content-Length: 5.0"sv, Reason::content_length_invalid},
      {"Content-Length: 5 5"sv, Reason::content_length_invalid},
      {"Content-Length: 5, 5"sv, Reason::content_length_invalid},
      {"Content-Length: 5,"sv, Reason::content_length_invalid},
      {"Content-Length: \xc2\xb2"sv, Reason::content_length_invalid},
      {"Content-Length: 5\r\nContent-Length: 5"sv, Reason::content_length_conflict},
      {"Content-Length: 5\r\ncontent-length: 6"sv, Reason::content_length_conflict},
      {"Content-Length: 5\r\nContent-Length:"sv, Reason::content_length_conflict},
      {"Transfer-Encoding: chunked"sv, Reason::none, Framing::chunked},
      {"transfer-encoding:CHUNKED\t"sv, Reason::none, Framing::chunked},
      {"Transfer-Encoding: chunked\r\nContent-Length: 5"sv,
       Reason::content_length_with_transfer_encoding},
      {"Content-Length: 5\r\nTransfer-Encoding: chunked"sv,
       Reason::content_length_with_transfer_encoding},
      {"Content-Length: 5\r\nTransfer-Encoding: identity"sv,
       Reason::content_length_with_transfer_encoding},
      {"Content-Length: 0\r\nTransfer-Encoding:"sv, Reason::content_length_with_transfer_encoding},
      {"Transfer-Encoding: gzip"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding: identity"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding: gzip, chunked"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding: chunked, gzip"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding: chunked, identity"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding: xchunked"sv, Reason::transfer_coding_unknown},
      {R"(Transfer-Encoding: "chunked")"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding: chunked;q=1"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding: chunked\xa0"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding: chun ked"sv, Reason::transfer_coding_unknown},
      {"Transfer-Encoding:"sv, Reason::transfer_encoding_not_final_chunked},
      {"Transfer-Encoding: ,chunked"sv, Reason::transfer_encoding_not_final_chunked},
      {"Transfer-Encoding: chunked,"sv, Reason::transfer_encoding_not_final_chunked},
      {"Transfer-Encoding: chunked, chunked"sv, Reason::transfer_encoding_not_final_chunked},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"sv,
       Reason::transfer_encoding_not_final_chunked},
      {"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked"sv,
       Reason::transfer_encoding_not_final_chunked},
      {"Transfer-Encoding: chunked\x0b"sv, Reason::bad_header_value},
      {"Transfer-Encoding:\r\n chunked"sv, Reason::obs_fold},
      // Other names, which the proxy drops as aliases (T10); they decide nothing here.
      {"Transfer_Encoding: chunked"sv, Reason::none, Framing::none},
      {"Content.Length: 5"sv, Reason::none, Framing::none},
  };
  for (const Case& one : cases) {
    const std::string text = with_fields(one.lines);
    const Outcome outcome = request(text);
    EXPECT_EQ(observe::text(outcome.reason), observe::text(one.reason)) << one.lines;
    if (one.reason != Reason::none) continue;
    ParsedRequest parsed(text);
    EXPECT_EQ(parsed.head.framing, one.framing) << one.lines;
    EXPECT_EQ(parsed.head.content_length, one.length) << one.lines;
  }
}

TEST(H1Parser, t1_transfer_encoding_in_http_1_0_is_refused_in_both_directions) {
  expect_refused(request(with_fields("Transfer-Encoding: chunked", "HTTP/1.0")),
                 Reason::transfer_encoding_in_http_1_0, "request");
  expect_refused(response("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                 Reason::transfer_encoding_in_http_1_0, "response");
}

TEST(H1Parser, t1_framing_of_responses_follows_rfc_9112_6_3) {
  struct Case {
    std::string_view text;  // without the empty line
    Method request_method;
    Framing framing;
    std::uint64_t length;
    bool persistent;
  };
  const Case cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", Method::get, Framing::length, 7, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n", Method::get, Framing::length, 0, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Method::get, Framing::chunked, 0, true},
      {"HTTP/1.1 200 OK\r\n", Method::get, Framing::until_close, 0, false},
      {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", Method::get, Framing::until_close, 0,
       false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 7\r\n", Method::get, Framing::length, 7, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 7\r\nConnection: keep-alive\r\n", Method::get,
       Framing::length, 7, true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n", Method::get,
       Framing::length, 7, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n", Method::head, Framing::none, 7, true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Method::head, Framing::none, 0, true},
      {"HTTP/1.1 200 OK\r\n", Method::head, Framing::none, 0, true},
      {"HTTP/1.1 204 No Content\r\n", Method::get, Framing::none, 0, true},
      {"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n", Method::get, Framing::none, 7, true},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n", Method::get, Framing::none, 7, true},
      {"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n", Method::get, Framing::none, 0,
       true},
      {"HTTP/1.1 100 Continue\r\n", Method::post, Framing::none, 0, true},
      {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
       Method::get, Framing::none, 0, true},
      {"HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n", Method::get, Framing::none, 0, true},
      {"HTTP/1.1 500 Oops\r\nContent-Length: 7\r\n", Method::post, Framing::length, 7, true},
  };
  for (const Case& one : cases) {
    const std::string text = std::string(one.text) + "\r\n";
    EXPECT_EQ(response(text, one.request_method).progress, Progress::complete) << one.text;
    ParsedResponse parsed(text, one.request_method);
    EXPECT_EQ(parsed.head.framing, one.framing) << one.text;
    EXPECT_EQ(parsed.head.content_length, one.length) << one.text;
    EXPECT_EQ(parsed.head.persistent, one.persistent) << one.text;
    EXPECT_EQ(parsed.head.has_content_length,
              one.text.find("Content-Length") != std::string_view::npos)
        << one.text;
  }
}

TEST(H1Parser, t1_ambiguous_framing_of_responses_is_refused_even_without_a_body) {
  struct Case {
    std::string_view lines;
    Reason reason;
  };
  const Case cases[] = {
      {"Content-Length: 5\r\nContent-Length: 5\r\n", Reason::content_length_conflict},
      {"Content-Length: 5, 5\r\n", Reason::content_length_invalid},
      {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
       Reason::content_length_with_transfer_encoding},
      {"Transfer-Encoding: gzip\r\n", Reason::transfer_coding_unknown},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
       Reason::transfer_encoding_not_final_chunked},
  };
  for (const Case& one : cases) {
    for (const std::string_view status : {"200 OK", "204 No Content", "304 Not Modified"}) {
      std::string text = "HTTP/1.1 ";
      text.append(status).append("\r\n").append(one.lines).append("\r\n");
      expect_refused(response(text), one.reason, text);
      expect_refused(response(text, Method::head), one.reason, text);
    }
  }
}

// --- the status line ----------------------------------------------------------------------------

TEST(H1Parser, status_lines_are_held_to_the_letter) {
  struct Case {
    std::string_view line;
    Reason reason;
    std::uint16_t status;
    std::string_view phrase;
  };
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"HTTP/1.1 200 OK"sv, Reason::none, 200, "OK"},
      {"HTTP/1.0 404 Not Found"sv, Reason::none, 404, "Not Found"},
      {"HTTP/1.1 200 "sv, Reason::none, 200, ""},
      {"HTTP/1.1 200"sv, Reason::none, 200, ""},
      {"HTTP/1.1 200 \ta\xc3\xa9 "sv, Reason::none, 200, "\ta\xc3\xa9 "},
      {"HTTP/1.1 599 x"sv, Reason::none, 599, "x"},
      {"HTTP/1.1 600 x"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 099 x"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 20 OK"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 2000 OK"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 2x0 OK"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 +20 OK"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1  200 OK"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1\t200 OK"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 200\tOK"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 "sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 200 O\0K"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/1.1 200 O\rK"sv, Reason::bad_request_line, 0, ""},
      {"HTTP/2.0 200 OK"sv, Reason::version_not_supported, 0, ""},
      {"HTTP/2 200"sv, Reason::bad_request_line, 0, ""},
      {"http/1.1 200 OK"sv, Reason::bad_request_line, 0, ""},
      {"ICY 200 OK"sv, Reason::bad_request_line, 0, ""},
      {"\r\nHTTP/1.1 200 OK"sv, Reason::bad_request_line, 0, ""},
  };
  for (const Case& one : cases) {
    const std::string text = std::string(one.line) + "\r\nContent-Length: 0\r\n\r\n";
    const Outcome outcome = response(text);
    EXPECT_EQ(observe::text(outcome.reason), observe::text(one.reason)) << one.line;
    if (one.reason != Reason::none) continue;
    ParsedResponse parsed(text);
    EXPECT_EQ(parsed.head.status, one.status) << one.line;
    EXPECT_EQ(parsed.head.reason_phrase, one.phrase) << one.line;
  }
}

TEST(H1Parser, an_answer_that_is_not_http_fails_before_its_line_ends) {
  expect_refused(response("SSH-2.0-OpenSSH_9.2"), Reason::bad_request_line, "SSH");
  expect_refused(response("HTTX"), Reason::bad_request_line, "HTTX");
  EXPECT_EQ(response("HTTP").progress, Progress::incomplete);
}

// --- T10: Host ----------------------------------------------------------------------------------

TEST(H1Parser, t10_there_is_exactly_one_host_and_it_is_an_authority) {
  struct Case {
    std::string_view text;  // without the empty line
    Reason reason;
    std::string_view host;
  };
  const Case cases[] = {
      {"GET / HTTP/1.1\r\nHost: a.example\r\n", Reason::none, "a.example"},
      {"GET / HTTP/1.1\r\nhOST: A.Example:80\r\n", Reason::none, "A.Example:80"},
      {"GET / HTTP/1.1\r\n", Reason::host_missing, ""},
      {"GET / HTTP/1.0\r\n", Reason::none, ""},
      {"GET / HTTP/1.0\r\nHost: a\r\n", Reason::none, "a"},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", Reason::host_duplicate, ""},
      {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", Reason::host_duplicate, ""},
      {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n", Reason::host_duplicate, ""},
      {"GET / HTTP/1.1\r\nHost:\r\n", Reason::host_invalid, ""},
      {"GET / HTTP/1.0\r\nHost:\r\n", Reason::host_invalid, ""},
      {"GET / HTTP/1.1\r\nHost: a b\r\n", Reason::host_invalid, ""},
      {"GET / HTTP/1.1\r\nHost: a,b\r\n", Reason::host_invalid, ""},
      {"GET / HTTP/1.1\r\nHost: a/b\r\n", Reason::host_invalid, ""},
      {"GET / HTTP/1.1\r\nHost: u@a\r\n", Reason::host_invalid, ""},
      {"GET / HTTP/1.1\r\nHost: http://a\r\n", Reason::host_invalid, ""},
      {"GET http://b/ HTTP/1.1\r\nHost: a\r\n", Reason::none, "b"},
      {"GET http://b/ HTTP/1.1\r\nHost:\r\n", Reason::none, "b"},
      {"GET http://b/ HTTP/1.1\r\n", Reason::host_missing, ""},
      {"GET http://b/ HTTP/1.1\r\nHost: a b\r\n", Reason::host_invalid, ""},
      {"GET http://b/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n", Reason::host_duplicate, ""},
      {"GET http://b/ HTTP/1.0\r\n", Reason::none, "b"},
  };
  for (const Case& one : cases) {
    const std::string text = std::string(one.text) + "\r\n";
    const Outcome outcome = request(text);
    EXPECT_EQ(observe::text(outcome.reason), observe::text(one.reason)) << one.text;
    if (one.reason != Reason::none) continue;
    ParsedRequest parsed(text);
    EXPECT_EQ(parsed.head.host, one.host) << one.text;
  }
}

// --- the connection -----------------------------------------------------------------------------

TEST(H1Parser, persistence_follows_version_and_connection_options) {
  struct Case {
    std::string_view version;
    std::string_view lines;
    bool persistent;
  };
  const Case cases[] = {
      {"HTTP/1.1", "A: b", true},
      {"HTTP/1.1", "Connection: close", false},
      {"HTTP/1.1", "Connection: CLOSE", false},
      {"HTTP/1.1", "Connection: x, close ,y", false},
      {"HTTP/1.1", "Connection: keep-alive\r\nConnection: close", false},
      {"HTTP/1.1", "Connection: close, keep-alive", false},
      {"HTTP/1.1", "Connection: closed", true},
      {"HTTP/1.1", "Connection:", true},
      {"HTTP/1.1", "Proxy-Connection: close", true},
      {"HTTP/1.0", "A: b", false},
      {"HTTP/1.0", "Connection: keep-alive", true},
      {"HTTP/1.0", "Connection: Keep-Alive", true},
      {"HTTP/1.0", "Connection: keep-alive, close", false},
      {"HTTP/1.0", "Proxy-Connection: keep-alive", false},
      {"HTTP/1.0", "Keep-Alive: 300", false},
  };
  for (const Case& one : cases) {
    ParsedRequest parsed(with_fields(one.lines, one.version));
    ASSERT_EQ(parsed.progress, Progress::complete) << one.lines;
    EXPECT_EQ(parsed.head.persistent, one.persistent) << one.version << " " << one.lines;
  }
}

TEST(H1Parser, expectations_are_understood_or_refused) {
  struct Case {
    std::string_view version;
    std::string_view lines;
    Reason reason;
    bool expects_continue;
  };
  const Case cases[] = {
      {"HTTP/1.1", "Content-Length: 5\r\nExpect: 100-continue", Reason::none, true},
      {"HTTP/1.1", "Expect: 100-Continue\r\nTransfer-Encoding: chunked", Reason::none, true},
      {"HTTP/1.1", "Expect: 100-continue", Reason::none, false},  // nothing to wait for
      {"HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 0", Reason::none, false},
      {"HTTP/1.0", "Content-Length: 5\r\nExpect: 100-continue", Reason::none, false},
      {"HTTP/1.1", "Content-Length: 5\r\nExpect: 100-continue, x", Reason::expectation_failed,
       false},
      {"HTTP/1.1", "Expect: 200-ok", Reason::expectation_failed, false},
      {"HTTP/1.1", "Expect:", Reason::expectation_failed, false},
      {"HTTP/1.1", "Expect: 100-continue\r\nExpect: x", Reason::expectation_failed, false},
      {"HTTP/1.0", "Expect: x", Reason::expectation_failed, false},
  };
  for (const Case& one : cases) {
    const std::string text = with_fields(one.lines, one.version);
    EXPECT_EQ(observe::text(request(text).reason), observe::text(one.reason)) << one.lines;
    if (one.reason != Reason::none) continue;
    ParsedRequest parsed(text);
    EXPECT_EQ(parsed.head.expects_continue, one.expects_continue) << one.version << one.lines;
  }
}

TEST(H1Parser, t6_an_upgrade_needs_both_fields_and_no_content) {
  struct Case {
    std::string_view version;
    std::string_view lines;
    Reason reason;
    bool wants_upgrade;
  };
  const Case cases[] = {
      {"HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket", Reason::none, true},
      {"HTTP/1.1", "Upgrade: websocket\r\nConnection: keep-alive, upgrade", Reason::none, true},
      {"HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0", Reason::none,
       true},
      {"HTTP/1.1", "Connection: Upgrade", Reason::none, false},
      {"HTTP/1.1", "Connection: Upgrade\r\nUpgrade:", Reason::none, false},
      {"HTTP/1.1", "Upgrade: websocket", Reason::none, false},
      {"HTTP/1.0", "Connection: Upgrade\r\nUpgrade: websocket", Reason::none, false},
      {"HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1",
       Reason::upgrade_body, false},
      {"HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\nTransfer-Encoding: chunked",
       Reason::upgrade_body, false},
      // Cleartext HTTP/2: an ordinary request, so that no tunnel hides later ones from the rules.
      {"HTTP/1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c", Reason::none, false},
      {"HTTP/1.1", "Connection: Upgrade\r\nUpgrade: websocket, H2C", Reason::none, false},
      {"HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket", Reason::none,
       false},
      {"HTTP/1.1", "Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 1", Reason::none, false},
  };
  for (const Case& one : cases) {
    const std::string text = with_fields(one.lines, one.version);
    EXPECT_EQ(observe::text(request(text).reason), observe::text(one.reason)) << one.lines;
    if (one.reason != Reason::none) continue;
    ParsedRequest parsed(text);
    EXPECT_EQ(parsed.head.wants_upgrade, one.wants_upgrade) << one.version << one.lines;
  }
}

// --- limits -------------------------------------------------------------------------------------

constexpr HeadLimits small_limits{
    .first_line_bytes = 30, .field_bytes = 20, .fields_bytes = 60, .field_count = 4};

std::string first_line_of(std::size_t size) {
  const std::string_view around = "GET / HTTP/1.1";
  return "GET /" + std::string(size - around.size(), 'x') + " HTTP/1.1";
}

TEST(H1Parser, the_first_line_is_limited_to_the_byte) {
  EXPECT_EQ(request(first_line_of(30) + "\r\nHost: a\r\n\r\n", small_limits).progress,
            Progress::complete);
  EXPECT_EQ(request(first_line_of(30) + "\r", small_limits).progress, Progress::incomplete);
  expect_refused(request(first_line_of(31) + "\r\nHost: a\r\n\r\n", small_limits),
                 Reason::request_line_too_long, "finished");
  expect_refused(request(first_line_of(31), small_limits), Reason::request_line_too_long,
                 "unfinished");
  expect_refused(request(first_line_of(31) + "\n", small_limits), Reason::request_line_too_long,
                 "crossed before the bare line feed");
  expect_refused(request(first_line_of(30) + "\n", small_limits), Reason::bare_line_feed,
                 "not crossed");
  expect_refused(request(first_line_of(30) + "\rx", small_limits), Reason::request_line_too_long,
                 "a bare CR counts");
  expect_refused(response("HTTP/1.1 200 " + std::string(18, 'x'), Method::get, small_limits),
                 Reason::request_line_too_long, "status line");
}

TEST(H1Parser, one_field_is_limited_to_the_byte) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(request(start + "A: " + std::string(17, 'x') + "\r\n\r\n", small_limits).progress,
            Progress::complete);
  expect_refused(request(start + "A: " + std::string(18, 'x') + "\r\n\r\n", small_limits),
                 Reason::header_too_large, "finished");
  expect_refused(request(start + "A: " + std::string(18, 'x'), small_limits),
                 Reason::header_too_large, "unfinished");
}

TEST(H1Parser, all_fields_together_are_limited_to_the_byte) {
  // 9 + 22 + 22 bytes, CRLFs counted, leave 7: five and a CRLF.
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n" + ("A: " + std::string(17, 'x')) +
                            "\r\n" + ("B: " + std::string(17, 'x')) + "\r\n";
  EXPECT_EQ(request(start + "C: xx\r\n\r\n", small_limits).progress, Progress::complete);
  EXPECT_EQ(request(start + "C: xx\r", small_limits).progress, Progress::incomplete);
  expect_refused(request(start + "C: xxx\r\n\r\n", small_limits), Reason::headers_too_large,
                 "finished");
  expect_refused(request(start + "C: xxx", small_limits), Reason::headers_too_large, "unfinished");
  expect_refused(request(start + "C: " + std::string(20, 'x'), small_limits),
                 Reason::headers_too_large, "the sum is crossed before the field's own limit");
}

TEST(H1Parser, limits_crossed_by_the_same_byte_are_told_as_the_field_s_own) {
  constexpr HeadLimits equal{
      .first_line_bytes = 30, .field_bytes = 20, .fields_bytes = 22, .field_count = 4};
  expect_refused(request("GET / HTTP/1.0\r\n" + std::string(21, 'x'), equal),
                 Reason::header_too_large, "unfinished");
}

TEST(H1Parser, the_number_of_fields_is_limited) {
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n";
  EXPECT_EQ(request(start + "\r\n", small_limits).progress, Progress::complete);
  EXPECT_EQ(request(start + "\r", small_limits).progress, Progress::incomplete);
  expect_refused(request(start + "D", small_limits), Reason::too_many_headers, "unfinished");
  expect_refused(request(start + "D:\r\n\r\n", small_limits), Reason::too_many_headers, "finished");
}

TEST(H1Parser, limits_of_zero_refuse_the_first_field) {
  const HeadLimits none{30, 0, 0, 0};
  EXPECT_EQ(request("GET / HTTP/1.0\r\n\r\n", none).progress, Progress::complete);
  expect_refused(request("GET / HTTP/1.0\r\nA:", none), Reason::too_many_headers, "count first");
}

TEST(H1Parser, a_limit_crossed_is_told_without_waiting_for_the_line_end) {
  H1Parser parser(usual_limits);
  RequestHead head;
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\nA: ";
  text.append(usual_limits.field_bytes, 'x');
  EXPECT_EQ(parser.parse(base::as_bytes(text), head), Progress::failed);
  EXPECT_EQ(parser.reason(), Reason::header_too_large);
  EXPECT_EQ(head.target, "/");  // for the log
}

}  // namespace
}  // namespace sluice::http
