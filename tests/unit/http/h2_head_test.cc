// Every refusal by the section of RFC 9113 that asks for it, and what HTTP/2 and HTTP/1 have to
// agree on.
#include "sluice/http/h2_head.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "describe.h"

namespace sluice::http {
namespace {

using observe::Reason;
using namespace std::string_view_literals;

using Line = std::pair<std::string_view, std::string_view>;
using Lines = std::vector<Line>;

H2Fields fields_of(const Lines& lines) {
  H2FieldsBuilder fields;
  for (const auto& [name, value] : lines) fields.append(name, value);
  return fields.take();
}

std::string text_of(const Lines& lines) {
  std::string out;
  for (const auto& [name, value] : lines) out.append(name).append(": ").append(value).append("\n");
  return out;
}

struct ReadRequest {
  explicit ReadRequest(const Lines& lines, bool ends = true, bool is_tls = false)
      : fields(fields_of(lines)), reason(read_request_head(fields, ends, is_tls, head, cookie)) {}
  H2Fields fields;
  RequestHead head;
  std::string cookie;
  Reason reason;
};

struct ReadResponse {
  explicit ReadResponse(const Lines& lines, bool ends = true, Method method = Method::get)
      : fields(fields_of(lines)), reason(read_response_head(fields, ends, method, head)) {}
  H2Fields fields;
  ResponseHead head;
  Reason reason;
};

// An ordinary GET, and these lines behind it.
Lines get_with(const Lines& more) {
  Lines lines = {
      {":method", "GET"}, {":scheme", "http"}, {":authority", "a.test"}, {":path", "/x"}};
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

Lines ok_with(const Lines& more) {
  Lines lines = {{":status", "200"}};
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

const Lines websocket = {{":method", "CONNECT"},
                         {":protocol", "websocket"},
                         {":scheme", "https"},
                         {":authority", "a.test"},
                         {":path", "/chat?x=1"}};

// --- what is accepted ---------------------------------------------------------------------------

TEST(H2Head, an_ordinary_request_is_understood) {
  const ReadRequest read({{":method", "GET"},
                          {":scheme", "https"},
                          {":path", "/a/../b?x=1"},
                          {":authority", "shop.example.com:8080"},
                          {"accept", "*/*"},
                          {"x-empty", ""},
                          {"te", "trailers"},
                          {"x-text", "caf\xc3\xa9\tau lait"}},
                         true, true);
  EXPECT_EQ(read.reason, Reason::none);
  EXPECT_TRUE(read.head.http2);
  EXPECT_EQ(test::describe(read.head),
            "GET /a/../b?x=1 HTTP/1.1\n form origin, path /b, query x=1\n"
            " host shop.example.com:8080\n framing none 0, persistent\n"
            "  host: shop.example.com:8080\n  accept: */*\n  x-empty: \n  te: trailers\n"
            "  x-text: caf\xc3\xa9\tau lait");
}

TEST(H2Head, views_stay_valid_when_the_fields_are_moved) {
  H2Fields first = fields_of(get_with({{"x-long", "a value that no small string would hold"}}));
  RequestHead head;
  std::string cookie;
  ASSERT_EQ(read_request_head(first, true, false, head, cookie), Reason::none);
  const H2Fields second = std::move(first);
  EXPECT_EQ(head.host, "a.test");
  EXPECT_EQ(second.all().size(), 5U);
}

TEST(H2Head, a_head_that_was_used_before_keeps_nothing) {
  ReadRequest read(get_with({{"x-old", "1"}, {"content-length", "5"}}), false);
  ASSERT_EQ(read.reason, Reason::none);
  const H2Fields next = fields_of(get_with({}));
  ASSERT_EQ(read_request_head(next, true, false, read.head, read.cookie), Reason::none);
  EXPECT_EQ(read.head.fields.size(), 1U);
  EXPECT_EQ(read.head.framing, Framing::none);
}

TEST(H2Head, the_scheme_need_not_be_the_connections) {
  for (const bool is_tls : {false, true}) {
    for (const std::string_view scheme : {"http", "https", "HTTPS"}) {
      const ReadRequest read(
          {{":method", "GET"}, {":scheme", scheme}, {":authority", "a"}, {":path", "/"}}, true,
          is_tls);
      EXPECT_EQ(read.reason, Reason::none) << scheme << is_tls;
    }
  }
}

TEST(H2Head, options_may_ask_about_the_whole_server) {
  const ReadRequest read(
      {{":method", "OPTIONS"}, {":scheme", "http"}, {":authority", "a"}, {":path", "*"}});
  EXPECT_EQ(read.reason, Reason::none);
  EXPECT_EQ(read.head.form, TargetForm::asterisk);
  EXPECT_EQ(read.head.path, "*");
}

// RFC 9113 8.2.3.
TEST(H2Head, crumbs_of_cookie_become_one_field_in_the_place_of_the_first) {
  const ReadRequest read(
      get_with({{"cookie", "a=1"}, {"x", "y"}, {"cookie", "b=2"}, {"cookie", "c=3"}}));
  EXPECT_EQ(read.reason, Reason::none);
  EXPECT_EQ(test::describe(read.head.fields), "\n  host: a.test\n  cookie: a=1; b=2; c=3\n  x: y");
}

TEST(H2Head, a_single_cookie_is_not_copied) {
  const ReadRequest read(get_with({{"cookie", "a=1; b=2"}}));
  EXPECT_EQ(read.head.fields.value(FieldName::cookie), "a=1; b=2");
  EXPECT_TRUE(read.cookie.empty());
}

TEST(H2Head, content_ends_with_the_stream_or_at_its_length) {
  EXPECT_EQ(ReadRequest(get_with({}), true).head.framing, Framing::none);
  EXPECT_EQ(ReadRequest(get_with({}), false).head.framing, Framing::chunked);
  const ReadRequest with_length(get_with({{"content-length", "5"}}), false);
  EXPECT_EQ(with_length.head.framing, Framing::length);
  EXPECT_EQ(with_length.head.content_length, 5U);
  EXPECT_EQ(ReadRequest(get_with({{"content-length", "0"}}), true).reason, Reason::none);
  EXPECT_EQ(ReadRequest(get_with({{"content-length", "0"}}), false).reason, Reason::none);
}

TEST(H2Head, an_expectation_counts_where_content_follows) {
  const Lines lines = get_with({{"expect", "100-continue"}});
  EXPECT_TRUE(ReadRequest(lines, false).head.expects_continue);
  EXPECT_FALSE(ReadRequest(lines, true).head.expects_continue);
}

// RFC 8441 4.
TEST(H2Head, an_extended_connect_for_a_websocket_is_understood) {
  const ReadRequest read(websocket, false);
  EXPECT_EQ(read.reason, Reason::none);
  EXPECT_EQ(read.head.method, Method::connect);
  EXPECT_EQ(read.head.connect_protocol, "websocket");
  EXPECT_EQ(read.head.path, "/chat");
  EXPECT_EQ(read.head.query, "x=1");
  EXPECT_EQ(read.head.host, "a.test");
  EXPECT_EQ(read.head.framing, Framing::none);
}

TEST(H2Head, host_may_stand_for_authority_or_beside_an_equal_one) {
  struct Row {
    Lines lines;
    std::string_view host;
  };
  const Lines bare = {{":method", "GET"}, {":scheme", "https"}, {":path", "/"}};
  const Row rows[] = {
      {{{"host", "b.test"}}, "b.test"},
      {{{":authority", "a.test"}, {"host", "A.Test"}}, "a.test"},
      {{{":authority", "a.test"}, {"host", "a.test:443"}}, "a.test"},  // RFC 3986 6.2.3
      {{{":authority", "a.test:443"}, {"host", "a.test."}}, "a.test:443"},
      {{{":authority", "[::1]"}, {"host", "[::1]:443"}}, "[::1]"},
  };
  for (const Row& row : rows) {
    Lines lines = bare;
    lines.insert(lines.end(), row.lines.begin(), row.lines.end());
    const ReadRequest read(lines);
    EXPECT_EQ(observe::text(read.reason), "-") << text_of(lines);
    EXPECT_EQ(read.head.host, row.host) << text_of(lines);
    int hosts = 0;
    for (const Field& field : read.head.fields) hosts += field.known == FieldName::host ? 1 : 0;
    EXPECT_EQ(hosts, 1) << text_of(lines);
  }
}

TEST(H2Head, of_a_refused_head_method_and_target_are_there_for_the_log) {
  const ReadRequest read(get_with({{"Upper", "1"}}));
  EXPECT_EQ(read.reason, Reason::h2_malformed_head);
  EXPECT_EQ(read.head.method_text, "GET");
  EXPECT_EQ(read.head.target, "/x");
}

// --- refusals -----------------------------------------------------------------------------------

struct Refusal {
  std::string_view section;
  Lines lines;
  Reason reason;
  bool ends = true;
};

void PrintTo(const Refusal& refusal, std::ostream* out) {
  *out << refusal.section << "\n" << text_of(refusal.lines);
}

constexpr auto malformed = Reason::h2_malformed_head;

Lines target_line(std::string_view path, std::string_view method = "GET") {
  return {{":method", method}, {":scheme", "http"}, {":authority", "a.test"}, {":path", path}};
}

Lines authority_line(std::string_view authority) {
  return {{":method", "GET"}, {":scheme", "http"}, {":authority", authority}, {":path", "/"}};
}

const Refusal request_refusals[] = {
    {"8.2.1 upper case", get_with({{"X-Upper", "1"}}), malformed},
    {"8.2.1 upper case at the end", get_with({{"x-uppeR", "1"}}), malformed},
    {"8.2.1 empty name", get_with({{"", "1"}}), malformed},
    {"8.2.1 space in a name", get_with({{"x y", "1"}}), malformed},
    {"8.2.1 colon in a name", get_with({{"x:y", "1"}}), malformed},
    {"8.2.1 line end in a name", get_with({{"x\r\ny", "1"}}), malformed},
    {"8.2.1 NUL in a name", get_with({{"x\0y"sv, "1"}}), malformed},
    {"8.2.1 byte above 0x7f in a name", get_with({{"x\xff", "1"}}), malformed},
    {"8.2.1 LF in a value", get_with({{"x", "1\n2"}}), malformed},
    {"8.2.1 CR in a value", get_with({{"x", "1\r2"}}), malformed},
    {"8.2.1 a second request in a value",
     get_with({{"x", "1\r\n\r\nGET /admin HTTP/1.1\r\nhost: b"}}), malformed},
    {"8.2.1 NUL in a value", get_with({{"x", "1\0"sv}}), malformed},
    {"8.2.1 space before a value", get_with({{"x", " 1"}}), malformed},
    {"8.2.1 tab behind a value", get_with({{"x", "1\t"}}), malformed},
    {"9110 5.5 control byte in a value", get_with({{"x", "1\x01"}}), malformed},
    {"8.2.1 LF in a cookie", get_with({{"cookie", "a=1"}, {"cookie", "b\n"}}), malformed},
    {"8.2.2 connection", get_with({{"connection", "close"}}), malformed},
    {"8.2.2 proxy-connection", get_with({{"proxy-connection", "close"}}), malformed},
    {"8.2.2 keep-alive", get_with({{"keep-alive", "timeout=5"}}), malformed},
    {"8.2.2 transfer-encoding", get_with({{"transfer-encoding", "chunked"}}), malformed, false},
    {"8.2.2 upgrade", get_with({{"upgrade", "h2c"}}), malformed},
    {"8.2.2 te", get_with({{"te", "gzip"}}), malformed},
    {"8.2.2 te, a list", get_with({{"te", "trailers, gzip"}}), malformed},
    {"8.3 behind a regular field",
     {{":method", "GET"}, {":scheme", "http"}, {"x", "1"}, {":authority", "a"}, {":path", "/"}},
     malformed},
    {"8.3 unknown",
     {{":method", "GET"}, {":scheme", "http"}, {":host", "a"}, {":path", "/"}},
     malformed},
    {"8.3 a bare colon", get_with({{":", "1"}}), malformed},
    {"8.3 of a response", get_with({{":status", "200"}}), malformed},
    {"8.3 upper case",
     {{":Method", "GET"}, {":scheme", "http"}, {":authority", "a"}, {":path", "/"}},
     malformed},
    {"8.3.1 method twice", get_with({{":method", "GET"}}), malformed},
    {"8.3.1 scheme twice", get_with({{":scheme", "http"}}), malformed},
    {"8.3.1 path twice", get_with({{":path", "/x"}}), malformed},
    {"8.3.1 authority twice", get_with({{":authority", "a.test"}}), malformed},
    {"8.3.1 no method", {{":scheme", "http"}, {":authority", "a"}, {":path", "/"}}, malformed},
    {"8.3.1 no scheme", {{":method", "GET"}, {":authority", "a"}, {":path", "/"}}, malformed},
    {"8.3.1 no path", {{":method", "GET"}, {":scheme", "http"}, {":authority", "a"}}, malformed},
    {"8.3.1 nothing", {}, malformed},
    {"8.3.1 empty path", target_line(""), malformed},
    {"8.3.1 line end in a path", target_line("/x HTTP/1.1\r\nhost: b\r\n\r\n"), malformed},
    {"8.3.1 path without slash", target_line("x"), Reason::bad_request_target},
    {"8.3.1 absolute path", target_line("http://b.test/x"), Reason::bad_request_target},
    {"8.3.1 asterisk for GET", target_line("*"), Reason::bad_request_target},
    {"8.3.1 asterisk and more", target_line("*x", "OPTIONS"), Reason::bad_request_target},
    {"8.3.1 space in a path", target_line("/a b"), Reason::bad_request_target},
    {"8.3.1 fragment", target_line("/a#b"), Reason::bad_request_target},
    {"9110 4.2 unknown scheme",
     {{":method", "GET"}, {":scheme", "ftp"}, {":authority", "a"}, {":path", "/"}},
     Reason::bad_request_target},
    {"9110 4.2 empty scheme",
     {{":method", "GET"}, {":scheme", ""}, {":authority", "a"}, {":path", "/"}},
     Reason::bad_request_target},
    {"9110 9.1 empty method", target_line("/", ""), Reason::bad_method},
    {"9110 9.1 method with a space", target_line("/", "GET /admin"), Reason::bad_method},
    {"9110 9.3.8 TRACE", target_line("/", "TRACE"), Reason::method_not_allowed},
    {"T12 above the root", target_line("/../x"), Reason::bad_path},
    {"T12 escaped slash", target_line("/a%2fb"), Reason::bad_path},
    {"8.3.1 neither authority nor host",
     {{":method", "GET"}, {":scheme", "http"}, {":path", "/"}},
     Reason::host_missing},
    {"8.3.1 user information", authority_line("user@a.test"), Reason::host_invalid},
    {"8.3.1 empty authority", authority_line(""), Reason::host_invalid},
    {"8.3.1 path in the authority", authority_line("a.test/x"), Reason::host_invalid},
    {"8.3.1 list in the authority", authority_line("a.test,b.test"), Reason::host_invalid},
    {"8.3.1 port out of range", authority_line("a.test:65536"), Reason::host_invalid},
    {"8.3.1 line end in the authority", authority_line("a\r\nx: y"), malformed},
    {"8.3.1 another host", get_with({{"host", "b.test"}}), Reason::host_invalid},
    {"8.3.1 another port", get_with({{"host", "a.test:8080"}}), Reason::host_invalid},
    {"8.3.1 the other scheme's port", get_with({{"host", "a.test:443"}}), Reason::host_invalid},
    {"8.3.1 empty host", get_with({{"host", ""}}), Reason::host_invalid},
    {"9110 7.2 host twice", get_with({{"host", "a.test"}, {"host", "a.test"}}),
     Reason::host_duplicate},
    {"8.1.1 length without content", get_with({{"content-length", "1"}}), malformed},
    {"9110 8.6 length twice", get_with({{"content-length", "1"}, {"content-length", "1"}}),
     Reason::content_length_conflict, false},
    {"9110 8.6 list of lengths", get_with({{"content-length", "1, 1"}}),
     Reason::content_length_invalid, false},
    {"9110 8.6 length with a sign", get_with({{"content-length", "+1"}}),
     Reason::content_length_invalid, false},
    {"9110 8.6 empty length", get_with({{"content-length", ""}}), Reason::content_length_invalid,
     false},
    {"9110 10.1.1 expectation", get_with({{"expect", "a miracle"}}), Reason::expectation_failed},
    {"8.5 CONNECT",
     {{":method", "CONNECT"}, {":authority", "a.test:443"}},
     Reason::connect_refused,
     false},
    {"8.5 CONNECT with a path",
     {{":method", "CONNECT"}, {":authority", "a.test:443"}, {":path", "/"}},
     malformed,
     false},
    {"8.5 CONNECT with a scheme",
     {{":method", "CONNECT"}, {":authority", "a.test:443"}, {":scheme", "http"}},
     malformed,
     false},
    {"8.5 CONNECT without authority", {{":method", "CONNECT"}}, malformed, false},
    {"8441 4 protocol without CONNECT", get_with({{":protocol", "websocket"}}), malformed, false},
    {"8441 4 no path",
     {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":authority", "a"}},
     malformed,
     false},
    {"8441 4 no scheme",
     {{":method", "CONNECT"}, {":protocol", "websocket"}, {":authority", "a"}, {":path", "/"}},
     malformed,
     false},
    {"8441 4 no authority",
     {{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", "http"}, {":path", "/"}},
     Reason::host_missing,
     false},
    {"9220 3 unknown protocol",
     {{":method", "CONNECT"},
      {":protocol", "connect-udp"},
      {":scheme", "http"},
      {":authority", "a"},
      {":path", "/"}},
     Reason::connect_protocol_unknown,
     false},
    {"9220 3 empty protocol",
     {{":method", "CONNECT"},
      {":protocol", ""},
      {":scheme", "http"},
      {":authority", "a"},
      {":path", "/"}},
     Reason::connect_protocol_unknown,
     false},
    {"T6 CONNECT with a length",
     {{":method", "CONNECT"},
      {":protocol", "websocket"},
      {":scheme", "http"},
      {":authority", "a"},
      {":path", "/"},
      {"content-length", "5"}},
     Reason::upgrade_body,
     false},
};

class RequestRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(RequestRefusal, is_refused_for_its_reason) {
  const ReadRequest read(GetParam().lines, GetParam().ends);
  EXPECT_EQ(observe::text(read.reason), observe::text(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(H2Head, RequestRefusal, testing::ValuesIn(request_refusals));

const Refusal response_refusals[] = {
    {"8.3.2 no status", {{"x", "1"}}, malformed},
    {"8.3.2 nothing", {}, malformed},
    {"8.3.2 status twice", {{":status", "200"}, {":status", "200"}}, malformed},
    {"8.3 status behind a field", {{"x", "1"}, {":status", "200"}}, malformed},
    {"8.3 pseudo-header field of a request", ok_with({{":path", "/"}}), malformed},
    {"8.3 unknown pseudo-header field", ok_with({{":reason", "OK"}}), malformed},
    {"8.3.2 two digits", {{":status", "20"}}, malformed},
    {"8.3.2 four digits", {{":status", "2000"}}, malformed},
    {"8.3.2 reason phrase", {{":status", "200 OK"}}, malformed},
    {"8.3.2 sign", {{":status", "+20"}}, malformed},
    {"8.3.2 empty", {{":status", ""}}, malformed},
    {"9110 15 below 100", {{":status", "099"}}, malformed},
    {"9110 15 above 599", {{":status", "600"}}, malformed},
    {"8.6 101", {{":status", "101"}}, malformed, false},
    {"8.1 an interim answer that ends", {{":status", "103"}}, malformed},
    {"8.2.1 upper case", ok_with({{"Server", "x"}}), malformed},
    {"8.2.1 line end", ok_with({{"x", "1\r\nset-cookie: a=b"}}), malformed},
    {"8.2.1 white space", ok_with({{"x", "1 "}}), malformed},
    {"8.2.2 connection", ok_with({{"connection", "close"}}), malformed},
    {"8.2.2 transfer-encoding", ok_with({{"transfer-encoding", "chunked"}}), malformed, false},
    {"8.1.1 length without content", ok_with({{"content-length", "1"}}), malformed},
    {"9110 8.6 length twice", ok_with({{"content-length", "1"}, {"content-length", "1"}}),
     Reason::content_length_conflict, false},
    {"9110 8.6 no length", ok_with({{"content-length", "x"}}), Reason::content_length_invalid,
     false},
};

class ResponseRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(ResponseRefusal, is_refused_for_its_reason) {
  const ReadResponse read(GetParam().lines, GetParam().ends);
  EXPECT_EQ(observe::text(read.reason), observe::text(GetParam().reason));
}

INSTANTIATE_TEST_SUITE_P(H2Head, ResponseRefusal, testing::ValuesIn(response_refusals));

// --- answers ------------------------------------------------------------------------------------

TEST(H2Head, an_ordinary_answer_is_understood) {
  const ReadResponse read(ok_with({{"content-length", "5"}, {"set-cookie", "a=1"}}), false);
  EXPECT_EQ(read.reason, Reason::none);
  EXPECT_TRUE(read.head.http2);
  EXPECT_EQ(test::describe(read.head),
            "HTTP/1.1 200 \n framing length 5, has content length, persistent\n"
            "  content-length: 5\n  set-cookie: a=1");
}

TEST(H2Head, the_framing_of_an_answer_follows_status_method_and_end) {
  struct Row {
    Lines lines;
    bool ends;
    Method method;
    Framing framing;
  };
  const Row rows[] = {
      {ok_with({}), true, Method::get, Framing::none},
      {ok_with({}), false, Method::get, Framing::chunked},
      {ok_with({{"content-length", "0"}}), true, Method::get, Framing::length},
      {ok_with({{"content-length", "9"}}), true, Method::head, Framing::none},
      {ok_with({}), false, Method::head, Framing::none},
      {{{":status", "204"}}, true, Method::get, Framing::none},
      {{{":status", "304"}, {"content-length", "9"}}, true, Method::get, Framing::none},
      {{{":status", "103"}, {"link", "</x>"}}, false, Method::get, Framing::none},
  };
  for (const Row& row : rows) {
    const ReadResponse read(row.lines, row.ends, row.method);
    EXPECT_EQ(observe::text(read.reason), "-") << text_of(row.lines);
    EXPECT_EQ(test::text(read.head.framing), test::text(row.framing)) << text_of(row.lines);
  }
}

// --- trailers -----------------------------------------------------------------------------------

TEST(H2Head, trailers_lose_what_belongs_into_the_head) {
  const H2Fields fields = fields_of({{"grpc-status", "0"},
                                     {"content-length", "5"},
                                     {"host", "b"},
                                     {"set-cookie", "a=1"},
                                     {"authorization", "x"},
                                     {"x-sum", "1"}});
  Fields trailers;
  trailers.add("old", "1");
  EXPECT_EQ(read_trailers(fields, trailers), Reason::none);
  EXPECT_EQ(test::describe(trailers), "\n  grpc-status: 0\n  x-sum: 1");
}

TEST(H2Head, malformed_trailers_are_refused) {
  const Lines rows[] = {
      {{":path", "/"}},     {{"x-sum", "1"}, {":status", "200"}}, {{"X-Sum", "1"}},
      {{"x-sum", "1\r\n"}}, {{"transfer-encoding", "chunked"}},   {{"connection", "close"}},
  };
  for (const Lines& lines : rows) {
    Fields trailers;
    EXPECT_EQ(read_trailers(fields_of(lines), trailers), malformed) << text_of(lines);
    EXPECT_EQ(trailers.size(), 0U) << text_of(lines);
  }
}

// --- the same request over HTTP/1 and HTTP/2 ----------------------------------------------------

struct Pair {
  std::string_view method;
  std::string_view target;
  std::string_view host;
  Lines fields;
};

void PrintTo(const Pair& pair, std::ostream* out) {
  *out << pair.method << " " << pair.target << " at " << pair.host << "\n" << text_of(pair.fields);
}

const Pair pairs[] = {
    {"GET", "/", "a.test", {}},
    {"GET", "/a//b/./c/../d%41?x=%2f", "A.test:80", {}},
    {"HEAD", "/%7euser;p=1/", "[::1]:8080", {}},
    {"POST", "/x", "a", {{"content-length", "5"}}},
    {"POST", "/x", "a", {{"content-length", "0"}}},
    {"POST", "/x", "a", {{"content-length", "5"}, {"expect", "100-continue"}}},
    {"POST", "/x", "a", {{"content-length", "0"}, {"expect", "100-continue"}}},
    {"POST", "/x", "a", {{"content-length", "9223372036854775807"}}},
    {"POST", "/x", "a", {{"content-length", "9223372036854775808"}}},
    {"POST", "/x", "a", {{"content-length", "5"}, {"content-length", "5"}}},
    {"POST", "/x", "a", {{"content-length", "5"}, {"content-length", "6"}}},
    {"POST", "/x", "a", {{"content-length", "5,5"}}},
    {"POST", "/x", "a", {{"content-length", "-5"}}},
    {"POST", "/x", "a", {{"content-length", "0x5"}}},
    {"POST", "/x", "a", {{"expect", "200-ok"}}},
    {"OPTIONS", "*", "a", {}},
    {"OPTIONS", "/", "a", {}},
    {"GET", "*", "a", {}},
    {"GET", "x", "a", {}},
    {"GET", "/../x", "a", {}},
    {"GET", "/a%2Fb", "a", {}},
    {"GET", "/a\\b", "a", {}},
    {"GET", "/a%", "a", {}},
    {"GET", "/a%00", "a", {}},
    {"GET", "/a#b", "a", {}},
    {"GET", "/a?b#c", "a", {}},
    {"GET", "/caf\xc3\xa9", "a", {}},
    {"GET", "/?", "a", {}},
    {"GET", "/%252e%252e", "a", {}},
    {"PROPFIND", "/x", "a", {}},
    {"get", "/x", "a", {}},
    {"TRACE", "/x", "a", {}},
    {"GET", "/", "", {}},
    {"GET", "/", "a..b", {}},
    {"GET", "/", "a:", {}},
    {"GET", "/", "a:b", {}},
    {"GET", "/", "a:99999", {}},
    {"GET", "/", "user@a", {}},
    {"GET", "/", "a b", {}},
    {"GET", "/", "[::1", {}},
    {"GET", "/", "a.", {}},
    {"GET", "/", "a_b-c", {}},
    {"GET", "/", "a", {{"host", "a"}, {"host", "b"}}},
    {"GET", "/", "a", {{"x", "caf\xc3\xa9"}, {"cookie", "a=1"}}},
    {"GET", "/../x", "a..b", {{"content-length", "x"}, {"expect", "no"}}},  // which comes first
    {"GET", "/x", "a..b", {{"content-length", "x"}, {"expect", "no"}}},
    {"GET", "/x", "a..b", {{"expect", "no"}}},
    {"TRACE", "/../x", "a..b", {}},
};

class SameOverBoth : public testing::TestWithParam<Pair> {};

TEST_P(SameOverBoth, is_read_alike_or_refused_for_the_same_reason) {
  const Pair& pair = GetParam();
  std::string text;
  text.append(pair.method).append(" ").append(pair.target).append(" HTTP/1.1\r\n");
  text.append("host: ").append(pair.host).append("\r\n");
  bool ends = true;
  for (const auto& [name, value] : pair.fields) {
    text.append(name).append(": ").append(value).append("\r\n");
    ends = ends && (name != "content-length" || value == "0");
  }
  text.append("\r\n");
  H1Parser parser(test::usual_limits);
  RequestHead first;
  const Progress progress = parser.parse(base::as_bytes(text), first);
  ASSERT_NE(progress, Progress::incomplete);

  Lines lines = {{":method", pair.method}, {":scheme", "http"}, {":path", pair.target}};
  const bool host_is_repeated = pair.fields.size() > 1 && pair.fields.front().first == "host";
  if (!host_is_repeated) lines.emplace_back(":authority", pair.host);
  lines.insert(lines.end(), pair.fields.begin(), pair.fields.end());
  const ReadRequest second(lines, ends);

  EXPECT_EQ(observe::text(second.reason), observe::text(parser.reason()));
  if (progress == Progress::failed) return;
  EXPECT_EQ(second.head.method, first.method);
  EXPECT_EQ(second.head.form, first.form);
  EXPECT_EQ(second.head.path, first.path);
  EXPECT_EQ(second.head.query, first.query);
  EXPECT_EQ(second.head.has_query, first.has_query);
  EXPECT_EQ(second.head.host, first.host);
  EXPECT_EQ(test::text(second.head.framing), test::text(first.framing));
  EXPECT_EQ(second.head.content_length, first.content_length);
  EXPECT_EQ(second.head.expects_continue, first.expects_continue);
  EXPECT_EQ(test::describe(second.head.fields), test::describe(first.fields));
}

INSTANTIATE_TEST_SUITE_P(H2Head, SameOverBoth, testing::ValuesIn(pairs));

}  // namespace
}  // namespace sluice::http
