#include "observe/access_log_format.h"

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace sluice::observe {
namespace {

using namespace std::chrono_literals;

std::vector<std::string_view AccessRecord::*> all_texts() {
  return {&AccessRecord::client_address,
          &AccessRecord::listener,
          &AccessRecord::scheme,
          &AccessRecord::method,
          &AccessRecord::host,
          &AccessRecord::target,
          &AccessRecord::protocol,
          &AccessRecord::rule,
          &AccessRecord::target_group,
          &AccessRecord::target_address,
          &AccessRecord::request_id,
          &AccessRecord::user_agent,
          &AccessRecord::referer,
          &AccessRecord::tls_protocol,
          &AccessRecord::tls_cipher,
          &AccessRecord::sni,
          &AccessRecord::user};
}

AccessRecord typical() {
  AccessRecord record;
  record.time = std::chrono::sys_days(std::chrono::year(2026) / 11 / 21) + 4h + 30min + 123456789ns;
  record.client_address = "192.0.2.7";
  record.client_port = 51234;
  record.listener = "web";
  record.scheme = "https";
  record.method = "GET";
  record.host = "example.org";
  record.target = "/api/items?page=2";
  record.protocol = "HTTP/1.1";
  record.status = 200;
  record.request_bytes = 345;
  record.response_bytes = 18'446'744'073'709'551'615ULL;
  record.rule = "api";
  record.target_group = "api";
  record.target_address = "10.0.1.11:8080";
  record.target_status = 200;
  record.tries = 1;
  record.target_connection_reused = true;
  record.request_id = "0123";
  record.user_agent = "curl/7.88.1";
  record.referer = "https://example.org/";
  record.tls_protocol = "TLSv1.3";
  record.tls_cipher = "TLS_AES_128_GCM_SHA256";
  record.sni = "example.org";
  record.header_time = 21us;
  record.connect_time = 0ns;
  record.response_time = 12'345'678'999ns;
  record.total_time = 3600s;
  return record;
}

class Format : public testing::Test {
 protected:
  std::string json(const AccessRecord& record) {
    return {buffer_.get(), formatter_.json(record, buffer_.get())};
  }
  std::string combined(const AccessRecord& record) {
    return {buffer_.get(), formatter_.combined(record, buffer_.get())};
  }

  LineFormatter formatter_;
  // Exactly so large that the address sanitizer sees a line that is longer than promised.
  std::unique_ptr<char[]> buffer_ = std::make_unique<char[]>(longest_line);
};

using AccessLogJson = Format;
using AccessLogCombined = Format;

// --- JSON

TEST_F(AccessLogJson, a_line_has_all_fields_in_their_order) {
  EXPECT_EQ(json(typical()),
            R"({"time":"2026-11-21T04:30:00.123456Z","listener":"web","client":"192.0.2.7:51234",)"
            R"("scheme":"https","method":"GET","host":"example.org","target":"/api/items?page=2",)"
            R"("protocol":"HTTP/1.1","status":200,"request_bytes":345,)"
            R"("response_bytes":18446744073709551615,"rule":"api","target_group":"api",)"
            R"("target_address":"10.0.1.11:8080","target_status":200,"tries":1,"reused":true,)"
            R"("reason":null,"ended_by":null,"classification":null,)"
            R"("classification_reason":null,"request_id":"0123","user_agent":"curl/7.88.1",)"
            R"("referer":"https://example.org/","tls_protocol":"TLSv1.3",)"
            R"("tls_cipher":"TLS_AES_128_GCM_SHA256","sni":"example.org","header_time":0.000021,)"
            R"("connect_time":0.000000,"response_time":12.345678,"total_time":3600.000000})"
            "\n");
}

TEST_F(AccessLogJson, a_user_is_there_only_where_there_is_one) {
  AccessRecord record = typical();
  EXPECT_EQ(json(record).find("user\":"), std::string::npos);
  record.user = "al\"ice";
  EXPECT_TRUE(json(record).ends_with(",\"user\":\"al\\\"ice\"}\n")) << json(record);
}

TEST_F(AccessLogJson, what_a_proxy_header_said_follows_where_it_said_anything) {
  ProxyFacts facts;
  AccessRecord record = typical();
  record.proxy = &facts;
  EXPECT_EQ(json(record), json(typical()));
  facts.tls_verified = false;
  EXPECT_TRUE(json(record).ends_with(",\"proxy_tls_verified\":false}\n")) << json(record);
  facts = {.authority = "site.test",
           .unique_id = "\n\"x\xff",
           .alpn = "h2",
           .tls_verified = true,
           .tls_common_name = "alice",
           .vpc_endpoint = "vpce-08d2bf15fac5001c9"};
  EXPECT_TRUE(json(record).ends_with(
      R"(,"proxy_authority":"site.test","proxy_unique_id":"\u000a\"x\u00ff","proxy_alpn":"h2",)"
      R"("proxy_tls_verified":true,"proxy_tls_common_name":"alice",)"
      R"("proxy_vpc_endpoint":"vpce-08d2bf15fac5001c9"})"
      "\n"))
      << json(record);
}

TEST_F(AccessLogJson, what_is_empty_or_did_not_happen_is_null) {
  const boost::json::object object = boost::json::parse(json({})).as_object();
  for (const auto& [key, value] : object) {
    if (key == "time" || key == "request_bytes" || key == "response_bytes" || key == "tries")
      continue;
    if (key == "reused") {
      EXPECT_EQ(value, false);
      continue;
    }
    EXPECT_TRUE(value.is_null()) << key;
  }
  EXPECT_EQ(object.at("time"), "1970-01-01T00:00:00.000000Z");
}

TEST_F(AccessLogJson, a_reason_is_named_with_the_side_that_ended_the_exchange) {
  AccessRecord record = typical();
  record.reason = Reason::target_response_timeout;
  const boost::json::object object = boost::json::parse(json(record)).as_object();
  EXPECT_EQ(object.at("reason"), "target_response_timeout");
  EXPECT_EQ(object.at("ended_by"), "target");
}

TEST_F(AccessLogJson, a_class_of_the_request_is_named_with_its_reason) {
  AccessRecord record = typical();
  record.classification = "Severe";
  record.classification_reason = "BadUri";
  const boost::json::object object = boost::json::parse(json(record)).as_object();
  EXPECT_EQ(object.at("classification"), "Severe");
  EXPECT_EQ(object.at("classification_reason"), "BadUri");
}

TEST_F(AccessLogJson, an_ipv6_address_with_a_port_is_in_brackets) {
  AccessRecord record;
  record.client_address = "2001:db8::1";
  record.client_port = 443;
  EXPECT_NE(json(record).find(R"("client":"[2001:db8::1]:443",)"), std::string::npos);
  record.client_address = "unix:";
  record.client_port = 0;
  EXPECT_NE(json(record).find(R"("client":"unix:",)"), std::string::npos);
}

TEST_F(AccessLogJson, every_byte_comes_through_a_parser_as_the_code_point_of_its_number) {
  for (const std::size_t before : {0, 1, 3, 4, 7, 8, 15}) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string value =
          std::string(before, 'a') + static_cast<char>(byte) + std::string(before, 'z');
      AccessRecord record;
      record.target = value;
      const std::string line = json(record);
      EXPECT_TRUE(
          std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
      const auto parsed = boost::json::parse(line).as_object().at("target").as_string();
      std::string expected(before, 'a');
      if (byte < 0x80) {
        expected += static_cast<char>(byte);
      } else {
        expected += static_cast<char>(0xc0 | byte >> 6);
        expected += static_cast<char>(0x80 | (byte & 0x3f));
      }
      expected += std::string(before, 'z');
      EXPECT_EQ(std::string_view(parsed), expected) << byte;
    }
  }
}

TEST_F(AccessLogJson, quotes_backslashes_and_controls_are_escaped) {
  AccessRecord record;
  record.user_agent = "a\"b\\c\nd\x7f\xc3\xa9";
  EXPECT_NE(json(record).find(R"("user_agent":"a\"b\\c\u000ad\u007f\u00c3\u00a9",)"),
            std::string::npos);
}

TEST_F(AccessLogJson, random_bytes_in_all_fields_give_exactly_one_line_of_json_T25) {
  std::mt19937_64 random(25);  // NOLINT(cert-msc51-cpp): the same bytes every time
  std::vector<std::string> values(all_texts().size());
  for (int round = 0; round < 3000; ++round) {
    AccessRecord record = typical();
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i].resize(random() % 40);
      // Half of the rounds: only bytes that mean something to a parser.
      constexpr std::string_view meaningful = "\"\\\n\r{}[]:,u0/\x7f";
      for (char& c : values[i]) {
        c = round % 2 == 0 ? static_cast<char>(random()) : meaningful[random() % meaningful.size()];
      }
      record.*all_texts()[i] = values[i];
    }
    record.reason = static_cast<Reason>(random() % reason_count);
    record.status = static_cast<std::uint16_t>(random());
    record.total_time = std::chrono::nanoseconds(static_cast<std::int64_t>(random()));
    const std::string line = json(record);
    ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    ASSERT_EQ(line.back(), '\n');
    boost::json::error_code error;
    const auto parsed = boost::json::parse(line, error);
    ASSERT_FALSE(error) << line;
    ASSERT_EQ(parsed.as_object().size(), record.user.empty() ? 31U : 32U) << line;
  }
}

TEST_F(AccessLogJson, a_value_that_is_too_long_is_cut_and_marked) {
  const std::string longest(target_most, 'x');
  AccessRecord record;
  record.target = longest;
  EXPECT_NE(json(record).find("\"target\":\"" + longest + "\""), std::string::npos);
  const std::string longer = longest + "y";
  record.target = longer;
  EXPECT_NE(json(record).find("\"target\":\"" + longest + "...\""), std::string::npos);
}

TEST_F(AccessLogJson, the_longest_line_keeps_its_promise) {
  const std::string worst(100'000, '\xff');
  AccessRecord record = typical();
  for (const auto field : all_texts()) record.*field = worst;
  record.client_address = worst;
  const ProxyFacts facts{.authority = worst,
                         .unique_id = worst,
                         .alpn = worst,
                         .tls_verified = true,
                         .tls_common_name = worst,
                         .vpc_endpoint = worst};
  record.proxy = &facts;
  record.request_bytes = record.response_bytes;
  record.classification = "Acceptable";
  record.classification_reason = "UndefinedTransferEncodingSemantics";
  record.reason = Reason::content_length_with_transfer_encoding;
  record.header_time = record.connect_time = record.response_time = record.total_time =
      std::chrono::nanoseconds::max();
  const std::string line = json(record);
  EXPECT_LE(line.size(), longest_line);
  EXPECT_EQ(boost::json::parse(line).as_object().size(), 38U);
  EXPECT_LE(combined(record).size(), longest_line);
}

TEST_F(AccessLogJson, the_cached_second_never_shows_in_another_one) {
  AccessRecord record;
  const auto start = std::chrono::sys_days(std::chrono::year(2027) / 12 / 31) + 23h + 59min + 58s;
  record.time = start + 999'999'999ns;
  EXPECT_TRUE(json(record).starts_with(R"({"time":"2027-12-31T23:59:58.999999Z")"));
  record.time = start + 1s;
  EXPECT_TRUE(json(record).starts_with(R"({"time":"2027-12-31T23:59:59.000000Z")"));
  record.time = start + 2s;
  EXPECT_TRUE(json(record).starts_with(R"({"time":"2028-01-01T00:00:00.000000Z")"));
  record.time = start;  // the wall clock may be set back
  EXPECT_TRUE(json(record).starts_with(R"({"time":"2027-12-31T23:59:58.000000Z")"));
  record.time = base::WallTime(-1ns);
  EXPECT_TRUE(json(record).starts_with(R"({"time":"1969-12-31T23:59:59.999999Z")"));
  record.time = std::chrono::sys_days(std::chrono::year(2028) / 2 / 29) + 1ms;
  EXPECT_TRUE(json(record).starts_with(R"({"time":"2028-02-29T00:00:00.001000Z")"));
}

// --- combined

TEST_F(AccessLogCombined, a_line_is_that_of_nginx_and_apache) {
  EXPECT_EQ(combined(typical()),
            "192.0.2.7 - - [21/Nov/2026:04:30:00 +0000] \"GET /api/items?page=2 HTTP/1.1\" 200 "
            "18446744073709551615 \"https://example.org/\" \"curl/7.88.1\"\n");
}

TEST_F(AccessLogCombined, what_is_empty_is_a_dash_and_a_status_has_three_digits) {
  EXPECT_EQ(combined({}), "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 000 0 \"-\" \"-\"\n");
}

TEST_F(AccessLogCombined, a_user_is_one_word_and_nobody_a_dash) {
  const auto start_for = [this](std::string_view user) {
    AccessRecord record = typical();
    record.user = user;
    const std::string line = combined(record);
    return line.substr(0, line.find(" ["));
  };
  EXPECT_EQ(start_for("alice"), "192.0.2.7 - alice");
  EXPECT_EQ(start_for("-"), "192.0.2.7 - \\x2D");
  EXPECT_EQ(start_for("a \"b\"  c"), "192.0.2.7 - a\\x20\\x22b\\x22\\x20\\x20c");
  EXPECT_EQ(start_for(std::string(1000, ' ')).size(), 12 + value_most * 4);
}

TEST_F(AccessLogCombined, escapes_are_hexadecimal) {
  AccessRecord record;
  record.user_agent = "a\"b\\c\nd\x7f\xc3";
  EXPECT_TRUE(combined(record).ends_with("\"a\\x22b\\x5Cc\\x0Ad\\x7F\\xC3\"\n"));
}

TEST_F(AccessLogCombined, random_bytes_in_all_fields_give_one_line_with_six_quotes_T25) {
  std::mt19937_64 random(26);  // NOLINT(cert-msc51-cpp): the same bytes every time
  std::vector<std::string> values(all_texts().size());
  for (int round = 0; round < 3000; ++round) {
    AccessRecord record;
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i].resize(random() % 40);
      for (char& c : values[i]) c = static_cast<char>(random());
      record.*all_texts()[i] = values[i];
    }
    const std::string line = combined(record);
    ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    ASSERT_EQ(std::count(line.begin(), line.end(), '"'), 6) << line;
    ASSERT_TRUE(
        std::all_of(line.begin(), line.end() - 1, [](char c) { return c >= 0x20 && c < 0x7f; }));
  }
}

}  // namespace
}  // namespace sluice::observe
