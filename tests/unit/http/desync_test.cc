#include "sluice/http/desync.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "describe.h"
#include "sluice/http/h1_parser.h"

namespace sluice::http {
namespace {

// As the proxy does: the parser's own word on what it accepts, the classifier's on what it refuses.
// Fed byte by byte and whole: the same has to come out.
struct Classified {
  bool accepted = false;
  std::string_view reason;
};

Classified classify(const std::string& text, std::size_t step) {
  H1Parser parser(test::usual_limits);
  RequestHead head;
  Progress progress = Progress::incomplete;
  std::size_t given = 0;
  while (progress == Progress::incomplete && given < text.size()) {
    given = std::min(given + step, text.size());
    progress = parser.parse({text.data(), given}, head);
  }
  if (progress == Progress::complete) return {true, http::text(head.desync)};
  const bool ended = progress == Progress::incomplete;
  const std::size_t examined = ended ? given : parser.examined_bytes();
  return {false, http::text(classify_desync({text.data(), examined}, ended))};
}

Classified classify(const std::string& text) {
  const Classified whole = classify(text, text.size());
  const Classified dripped = classify(text, 1);
  EXPECT_EQ(whole.accepted, dripped.accepted) << text;
  EXPECT_EQ(whole.reason, dripped.reason) << text;
  return whole;
}

std::string get(std::string_view lines, std::string_view version = "HTTP/1.1") {
  return "GET / " + std::string(version) + "\r\nHost: a\r\n" + std::string(lines) + "\r\n\r\n";
}

std::string post(std::string_view lines, std::string_view version = "HTTP/1.1") {
  return "POST / " + std::string(version) + "\r\nHost: a\r\n" + std::string(lines) + "\r\n\r\n";
}

std::string target(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

struct Case {
  std::string_view reason;  // empty: compliant
  bool accepted;
  std::string request;
};

const Case cases[] = {
    {"", true, get("Accept: */*")},
    {"", true, get("X-Content-Lengths: 5")},
    {"", true, get("Content-Encoding: gzip")},
    {"", true, get("Encoding: x")},
    {"", true, post("Content-Length: 0")},
    {"", true, post("Transfer-Encoding: chunked")},
    {"", false, post("Transfer-Encoding: gzip, chunked")},  // ALB, too, answers 501
    {"", false, "GET / HTTP/1.1\r\n\r\n"},                  // no Host: no matter of framing
    {"NonCompliantHeader", false, get("Na(me: x")},
    {"NonCompliantHeader", false, get("Name : x")},
    {"NonCompliantHeader", false, get("Name: a\x01z")},
    {"SpaceInUri", false, target("/a b")},
    {"SpaceInUri", false, target(" /a")},
    {"NonCompliantVersion", false, "GET /\r\n\r\n"},
    {"NonCompliantVersion", false, "GET / HTTP/1.2\r\nHost: a\r\n\r\n"},
    {"NonCompliantVersion", false, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"NonCompliantVersion", false, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"},
    {"GetHeadZeroContentLength", true, get("Content-Length: 0")},
    {"GetHeadZeroContentLength", true, "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n"},
    {"NonCrLfLineTermination", false, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
    {"NonCrLfLineTermination", false, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"NonCrLfLineTermination", false, get("A: b\nC: d")},
    {"EmptyHeader", false, get(": x")},
    {"AmbiguousUri", false, target("/\x01")},
    {"AmbiguousUri", false, target("/\xc3\xa4")},
    {"AmbiguousUri", false, target("/\t")},
    {"UndefinedContentLengthSemantics", true, get("Content-Length: 5")},
    {"UndefinedContentLengthSemantics", false, "POST /\r\nContent-Length: 5\r\n\r\n"},
    {"UndefinedTransferEncodingSemantics", true, get("Transfer-Encoding: chunked")},
    {"UndefinedTransferEncodingSemantics", false, post("Transfer-Encoding: chunked", "HTTP/1.0")},
    {"DuplicateContentLength", false, post("Content-Length: 5\r\ncontent-length: 05")},
    {"BothTeClPresent", false, post("Content-Length: 5\r\nTransfer-Encoding: chunked")},
    {"SuspiciousHeader", true, get("Transfer_Encoding: chunked")},
    {"SuspiciousHeader", true, get("TransferEncoding: chunked")},
    {"SuspiciousHeader", true, post("Content--Length: 5")},
    {"SuspiciousHeader", true, post("content.length: 5\r\nContent-Length: 0")},
    {"SuspiciousHeader", true, post("Content-Length-: 5")},
    {"SuspiciousHeader", true, post("'content-length': 5")},
    {"SuspiciousHeader", false, post("Transfer-Encoding : chunked")},
    {"SuspiciousHeader", false, post("Transfer-Encoding\t: chunked")},
    {"SuspiciousHeader", false, post("Content\x01-Length: 5")},
    {"SuspiciousHeader", false,
     post("Tran\xc5\xbf"
          "fer-Encoding: chunked")},
    {"SuspiciousHeader", false, post("Transfer-Encod\xc4\xb1ng: chunked")},
    {"SuspiciousHeader", false, post("Content-Length\xc2\xa0: 5")},
    {"MultilineHeader", false, get("A: b\r\n c")},
    {"", false, get("Content-Type: text/plain;\r\n charset=x")},
    {"PartialHeaderLine", false, "GET / HTTP/1.1\r\nHost: a"},
    {"PartialHeaderLine", false, "GET / HT"},
    {"MissingLastEmptyLine", false, "GET / HTTP/1.1\r\nHost: a\r\n"},
    {"MissingHeaderColon", false, get("no colon")},
    {"MissingUri", false, "GET\r\n\r\n"},
    {"MissingUri", false, "GET  HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"MissingUri", false, "GET HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"BadHeader", false, get(std::string_view("Na\0me: x", 8))},
    {"BadHeader", false, get(std::string_view("Name: a\0z", 9))},
    {"BadHeader", false, get("Name: a\rz")},
    {"BadUri", false, target(std::string_view("/\0", 2))},
    {"BadUri", false, target("/\rx")},
    {"BadMethod", false, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"BadMethod", false, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
    {"BadMethod", false, "\x16\x03\x01\x02"},
    {"BadVersion", false, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"},
    {"BadVersion", false, "GET / HTTP/11\r\nHost: a\r\n\r\n"},
    {"BadVersion", false, "GET / http/1.1\r\nHost: a\r\n\r\n"},
    {"MultipleContentLength", false, post("Content-Length: 5\r\nContent-Length: 6")},
    {"BadContentLength", false, post("Content-Length: 10,10")},
    {"BadContentLength", false, post("Content-Length: +5")},
    {"BadContentLength", false, post("Content-Length:")},
    {"BadContentLength", false, post("Content-Length: 18446744073709551616")},
    {"BadTransferEncoding", false, post("Transfer-Encoding: xchunked")},
    {"BadTransferEncoding", false, post("Transfer-Encoding:")},
    {"BadTransferEncoding", false, get("Transfer-Encoding: chunked, x")},
    {"MultipleTransferEncodingChunked", false, post("Transfer-Encoding: chunked, Chunked;a=b")},
    {"MultipleTransferEncodingChunked", false,
     post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
};

TEST(Desync, each_reason_is_found_by_its_name) {
  std::set<std::string_view> seen;
  for (const Case& each : cases) {
    const Classified classified = classify(each.request);
    EXPECT_EQ(classified.reason, each.reason) << each.request;
    EXPECT_EQ(classified.accepted, each.accepted) << each.request;
    seen.insert(each.reason);
  }
  EXPECT_EQ(seen.size(), desync_reason_count);
}

TEST(Desync, parser_and_classifier_agree_on_what_the_parser_accepts) {
  for (const Case& each : cases) {
    if (!each.accepted) continue;
    EXPECT_EQ(text(classify_desync({each.request.data(), each.request.size()}, false)), each.reason)
        << each.request;
  }
}

TEST(Desync, each_reason_is_documented_with_its_class) {
  std::ifstream file(std::string(SLUICE_SOURCE_ROOT) + "/docs/security.md");
  std::vector<std::string> table;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("| `")) table.push_back(line);
  }
  for (std::size_t i = 1; i < desync_reason_count; ++i) {
    const auto reason = static_cast<DesyncReason>(i);
    const std::string name = "`" + std::string(text(reason)) + "`";
    const std::string tier = "` | " + std::string(text(tier_of(reason))) + " | ";
    EXPECT_TRUE(std::ranges::any_of(table,
                                    [&](const std::string& line) {
                                      return line.find(name) != std::string::npos &&
                                             line.find(tier) != std::string::npos;
                                    }))
        << name << tier;
  }
}

TEST(Desync, the_heaviest_finding_counts_and_the_first_of_a_tier) {
  EXPECT_EQ(classify(target("/a b\x01")).reason, "AmbiguousUri");
  EXPECT_EQ(classify("G@T / HTTP/9\r\nHost: a\r\n\r\n").reason, "BadMethod");
  EXPECT_EQ(classify(get("Content_Length: 5\r\nTransfer-Encoding: chunked")).reason,
            "SuspiciousHeader");
  EXPECT_EQ(classify(get("Content_Length: 5\r\nContent-Length: 0")).reason, "SuspiciousHeader");
}

TEST(Desync, nothing_is_said_of_what_was_not_looked_at) {
  EXPECT_EQ(text(classify_desync({}, false)), "");
  const std::string partial = "GET / HTTP/1.1\r\nHost: a";
  EXPECT_EQ(text(classify_desync({partial.data(), partial.size()}, false)), "");
}

TEST(Desync, a_head_remembers_nothing_of_the_request_before) {
  H1Parser parser(test::usual_limits);
  RequestHead head;
  const std::string odd = get("Content-Length: 0");
  ASSERT_EQ(parser.parse({odd.data(), odd.size()}, head), Progress::complete);
  EXPECT_EQ(head.desync, DesyncReason::get_head_zero_content_length);
  parser.reset();
  const std::string plain = get("Accept: a");
  ASSERT_EQ(parser.parse({plain.data(), plain.size()}, head), Progress::complete);
  EXPECT_EQ(head.desync, DesyncReason::none);
}

}  // namespace
}  // namespace sluice::http
