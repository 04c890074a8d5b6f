#include "sluice/net/dns_message.h"

#include <gtest/gtest.h>

#include "support/dns.h"

namespace sluice::net {
namespace {

using std::chrono::seconds;
using support::dns_address;
using support::dns_name;
using support::dns_number;
using support::dns_service;
using support::DnsMessage;

const std::string name = "api.test";

DnsAnswer parse(const DnsMessage& message, DnsType type = DnsType::a) {
  return parse_dns_answer(base::as_bytes(message.bytes()), name, type);
}

std::string texts(const DnsAnswer& answer) {
  std::string out = answer.error;
  for (const base::IpAddress& address : answer.addresses) out += address.text() + ' ';
  for (const DnsService& one : answer.services) {
    out += std::to_string(one.priority) + '/' + std::to_string(one.weight) + ' ' + one.target +
           ':' + std::to_string(one.port) + ' ';
  }
  return out;
}

TEST(DnsMessage, addresses_come_with_the_least_ttl) {
  DnsMessage message(name, DnsType::a);
  message.answer(name, DnsMessage::a, 60, dns_address("10.0.0.1"))
      .answer("API.Test", DnsMessage::a, 30, dns_address("10.0.0.2"));
  const DnsAnswer answer = parse(message);
  EXPECT_EQ(texts(answer), "10.0.0.1 10.0.0.2 ");
  EXPECT_EQ(answer.ttl, seconds(30));
  EXPECT_TRUE(answer.is_known_name);

  DnsMessage v6(name, DnsType::aaaa);
  v6.answer(name, DnsMessage::aaaa, 5, dns_address("2001:db8::1"));
  EXPECT_EQ(texts(parse(v6, DnsType::aaaa)), "2001:db8::1 ");
}

TEST(DnsMessage, aliases_lead_to_the_addresses_in_any_order_and_their_ttl_counts) {
  DnsMessage message(name, DnsType::a);
  message.answer("c.test", DnsMessage::a, 60, dns_address("10.0.0.1"))
      .answer("b.test", DnsMessage::cname, 7, dns_name("c.test"))
      .answer(name, DnsMessage::cname, 50, dns_name("b.test"));
  const DnsAnswer answer = parse(message);
  EXPECT_EQ(texts(answer), "10.0.0.1 ");
  EXPECT_EQ(answer.ttl, seconds(7));
}

TEST(DnsMessage, aliases_in_a_circle_and_endless_ones_are_refused) {
  DnsMessage circle(name, DnsType::a);
  circle.answer(name, DnsMessage::cname, 1, dns_name("b.test"))
      .answer("b.test", DnsMessage::cname, 1, dns_name(name));
  EXPECT_EQ(parse(circle).error, "the aliases do not end");

  const auto chain = [](std::size_t links) {
    DnsMessage message(name, DnsType::a);
    std::string from = name;
    for (std::size_t i = 0; i < links; ++i) {
      const std::string to = "n" + std::to_string(i) + ".test";
      message.answer(from, DnsMessage::cname, 1, dns_name(to));
      from = to;
    }
    message.answer(from, DnsMessage::a, 1, dns_address("10.0.0.1"));
    return texts(parse(message));
  };
  EXPECT_EQ(chain(dns_aliases_max), "10.0.0.1 ");
  EXPECT_EQ(chain(dns_aliases_max + 1), "the aliases do not end");
}

TEST(DnsMessage, records_of_other_names_types_and_classes_do_not_count) {
  DnsMessage message(name, DnsType::a);
  message.answer("evil.test", DnsMessage::a, 1, dns_address("10.6.6.6"))
      .answer(name, DnsMessage::aaaa, 1, dns_address("2001:db8::6"))
      .answer(name, DnsMessage::a, 60, dns_address("10.0.0.1"))
      .additional(name, DnsMessage::a, 1, dns_address("10.6.6.7"));
  const DnsAnswer answer = parse(message);
  EXPECT_EQ(texts(answer), "10.0.0.1 ");
  EXPECT_EQ(answer.ttl, seconds(60));
  EXPECT_TRUE(answer.additional.empty());
}

TEST(DnsMessage, services_come_with_addresses_of_their_targets) {
  DnsMessage message(name, DnsType::srv);
  message.answer(name, DnsMessage::srv, 60, dns_service(1, 10, 8080, "A.test"))
      .answer(name, DnsMessage::srv, 60, dns_service(2, 0, 0, ""))
      .authority("test", DnsMessage::soa, 1, "whatever")
      .additional("a.test", DnsMessage::a, 9, dns_address("10.0.0.1"))
      .additional("a.test", DnsMessage::aaaa, 9, dns_address("::1"));
  const DnsAnswer answer = parse(message, DnsType::srv);
  EXPECT_EQ(texts(answer), "1/10 a.test:8080 2/0 :0 ");
  ASSERT_EQ(answer.additional.size(), 2U);
  EXPECT_EQ(answer.additional[0].name, "a.test");
  EXPECT_EQ(answer.additional[1].address.text(), "::1");
  EXPECT_EQ(answer.additional[1].ttl, seconds(9));
}

TEST(DnsMessage, a_service_whose_target_is_no_name_is_refused) {
  DnsMessage message(name, DnsType::srv);
  message.answer(name, DnsMessage::srv, 60, dns_service(1, 10, 8080, "a b.test"));
  message.answer(name, DnsMessage::srv, 60, dns_service(1, 10, 8081, "c.test"));
  const DnsAnswer answer = parse(message, DnsType::srv);
  EXPECT_EQ(answer.error, "");
  EXPECT_EQ(answer.ill_formed, 1U);
  ASSERT_EQ(answer.services.size(), 1U);
  EXPECT_EQ(answer.services[0].target, "c.test");
}

TEST(DnsMessage, no_such_name_and_no_such_record_are_answers) {
  const DnsAnswer unknown = parse(DnsMessage(name, DnsType::a).code(3));
  EXPECT_EQ(unknown.error, "");
  EXPECT_FALSE(unknown.is_known_name);
  EXPECT_EQ(unknown.ttl, std::nullopt);
  const DnsAnswer nothing = parse(DnsMessage(name, DnsType::a));
  EXPECT_EQ(nothing.error, "");
  EXPECT_TRUE(nothing.is_known_name);
  EXPECT_TRUE(nothing.addresses.empty());
}

TEST(DnsMessage, codes_that_tell_failure_are_errors) {
  EXPECT_EQ(parse(DnsMessage(name, DnsType::a).code(1)).error, "answered FORMERR");
  EXPECT_EQ(parse(DnsMessage(name, DnsType::a).code(2)).error, "answered SERVFAIL");
  EXPECT_EQ(parse(DnsMessage(name, DnsType::a).code(5)).error, "answered REFUSED");
  EXPECT_EQ(parse(DnsMessage(name, DnsType::a).code(9)).error, "answered the code 9");
  EXPECT_EQ(parse(DnsMessage(name, DnsType::a).truncated()).error, "the answer is truncated");
}

TEST(DnsMessage, only_an_answer_to_the_question_counts) {
  EXPECT_EQ(parse(DnsMessage("other.test", DnsType::a)).error, "answers another question");
  EXPECT_EQ(parse(DnsMessage(name, DnsType::aaaa)).error, "answers another question");
  std::string query = DnsMessage(name, DnsType::a).bytes();
  query[2] = 1;
  EXPECT_EQ(parse_dns_answer(base::as_bytes(query), name, DnsType::a).error,
            "what came is not an answer");
}

TEST(DnsMessage, a_ttl_with_the_highest_bit_is_zero) {
  DnsMessage message(name, DnsType::a);
  message.answer(name, DnsMessage::a, 0x80000001U, dns_address("10.0.0.1"));
  EXPECT_EQ(parse(message).ttl, seconds(0));
}

TEST(DnsMessage, a_part_of_an_answer_is_none) {
  DnsMessage message(name, DnsType::srv);
  message.answer(name, DnsMessage::srv, 60, dns_service(1, 10, 8080, "a.test"))
      .additional("a.test", DnsMessage::a, 9, dns_address("10.0.0.1"));
  ASSERT_EQ(parse(message, DnsType::srv).error, "");
  for (std::size_t size = 0; size < message.bytes().size(); ++size) {
    const std::string part = message.bytes().substr(0, size);
    EXPECT_NE(parse_dns_answer(base::as_bytes(part), name, DnsType::srv).error, "") << size;
  }
}

TEST(DnsMessage, data_of_a_wrong_size_is_refused) {
  for (const std::string& data : {std::string("\x0a\0\0", 3), std::string("\x0a\0\0\1\1", 5)}) {
    DnsMessage message(name, DnsType::a);
    message.answer(name, DnsMessage::a, 60, data);
    EXPECT_EQ(parse(message).error, "the answer is malformed") << data.size();
  }
}

TEST(DnsMessage, compressed_names_are_read_and_those_that_point_forwards_or_to_themselves_refused) {
  const auto with_owner = [](const std::string& owner) {
    std::string bytes = DnsMessage(name, DnsType::a).bytes();
    bytes[7] = 1;  // one answer
    bytes += owner + dns_number(1) + dns_number(1) + dns_number(0) + dns_number(60) +
             dns_number(4) + dns_address("10.0.0.1");
    return texts(parse_dns_answer(base::as_bytes(bytes), name, DnsType::a));
  };
  const std::size_t end = DnsMessage(name, DnsType::a).bytes().size();
  const auto pointer = [](std::size_t to) {
    return dns_number(static_cast<std::uint16_t>(0xc000U | to));
  };
  EXPECT_EQ(with_owner(pointer(12)), "10.0.0.1 ");
  EXPECT_EQ(with_owner("\3api" + pointer(16)), "10.0.0.1 ");
  EXPECT_EQ(with_owner(pointer(end)), "the answer is malformed");
  EXPECT_EQ(with_owner("\3api" + pointer(end)), "the answer is malformed");
  EXPECT_EQ(with_owner(pointer(end + 2)), "the answer is malformed");
  EXPECT_EQ(with_owner(pointer(0x3fff)), "the answer is malformed");
  EXPECT_EQ(with_owner("\x81 x"), "the answer is malformed");
}

TEST(DnsMessage, names_have_an_end) {
  std::string longest;
  for (int i = 0; i < 4; ++i) longest += std::string(i < 3 ? 63 : 61, 'a') + '.';
  longest.pop_back();
  ASSERT_EQ(longest.size(), 253U);
  DnsMessage fits(name, DnsType::a);
  fits.answer(longest, DnsMessage::a, 60, dns_address("10.0.0.1"));
  EXPECT_EQ(parse(fits).error, "");
  DnsMessage larger(name, DnsType::a);
  larger.answer(longest + "a", DnsMessage::a, 60, dns_address("10.0.0.1"));
  EXPECT_EQ(parse(larger).error, "the answer is malformed");
}

TEST(DnsMessage, more_records_than_the_limit_are_refused) {
  DnsMessage message(name, DnsType::a);
  for (std::size_t i = 0; i < dns_records_max; ++i) {
    message.answer(name, DnsMessage::a, 60, dns_address("10.0.0.1"));
  }
  EXPECT_EQ(parse(message).addresses.size(), dns_records_max);
  message.answer(name, DnsMessage::a, 60, dns_address("10.0.0.1"));
  EXPECT_EQ(parse(message).error, "answered more than 1000 records");
}

TEST(DnsMessage, names_of_the_dns_are_known) {
  for (const char* good : {"a", "api.internal", "_api._tcp.internal", "a-b.c9"}) {
    EXPECT_TRUE(is_dns_name(good)) << good;
  }
  for (const std::string& bad :
       {std::string(), std::string("."), std::string("a."), std::string(".a"), std::string("a..b"),
        std::string("A"), std::string("a b"), std::string(64, 'a')}) {
    EXPECT_FALSE(is_dns_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace sluice::net
