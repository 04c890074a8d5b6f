#include "control/discovery/ec2/answers.h"

#include <gtest/gtest.h>

#include <string>

#include "control/discovery/ec2/times.h"

namespace sluice::control::discovery::ec2 {
namespace {

const std::string head =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
    "<DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">"
    "<requestId>1</requestId><reservationSet>";
const std::string tail = "</reservationSet></DescribeInstancesResponse>";
const std::string one =
    "<item><reservationId>r-1</reservationId><instancesSet><item><instanceId>i-1</instanceId>"
    "<instanceState><code>272</code><name>running</name></instanceState>"
    "<privateIpAddress>10.0.1.5</privateIpAddress><ipAddress>203.0.113.9</ipAddress>"
    "<placement><availabilityZone>eu-west-1a</availabilityZone></placement>"
    "<tagSet><item><key>Role</key><value>a &amp; b</value></item>"
    "<item><key>sluice:drain</key><value/></item></tagSet>"
    "<networkInterfaceSet><item><ipv6AddressesSet><item><ipv6Address>2001:db8::5</ipv6Address>"
    "</item></ipv6AddressesSet></item></networkInterfaceSet>"
    "</item></instancesSet></item>";

std::optional<Page> parse(const std::string& text, std::string& error) {
  return parse_instances(text, error);
}
std::string error_of(const std::string& text) {
  std::string error;
  EXPECT_FALSE(parse_instances(text, error).has_value());
  return error;
}

TEST(Ec2Answers, an_instance_is_read) {
  std::string error;
  const auto page = parse(head + one + tail, error);
  ASSERT_TRUE(page.has_value()) << error;
  ASSERT_EQ(page->instances.size(), 1U);
  const Instance& instance = page->instances[0];
  EXPECT_EQ(instance.id, "i-1");
  EXPECT_EQ(instance.state, InstanceState::running);  // 272 is 16 and a high byte
  EXPECT_EQ(instance.private_address, "10.0.1.5");
  EXPECT_EQ(instance.public_address, "203.0.113.9");
  EXPECT_EQ(instance.ipv6_address, "2001:db8::5");
  EXPECT_EQ(instance.zone, "eu-west-1a");
  EXPECT_EQ(instance.tag("Role"), "a & b");
  EXPECT_EQ(instance.tag("sluice:drain"), "");
  EXPECT_EQ(instance.tag("role"), std::nullopt);
  EXPECT_EQ(page->next_token, "");
}

TEST(Ec2Answers, a_page_may_be_empty_and_have_a_token) {
  std::string error;
  const auto page = parse(
      "<DescribeInstancesResponse><reservationSet/><nextToken>abc==</nextToken>"
      "</DescribeInstancesResponse>",
      error);
  ASSERT_TRUE(page.has_value()) << error;
  EXPECT_TRUE(page->instances.empty());
  EXPECT_EQ(page->next_token, "abc==");
}

TEST(Ec2Answers, what_is_not_whole_is_refused) {
  const std::string whole = head + one + tail;
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    EXPECT_NE(error_of(whole.substr(0, size)), "") << size;
  }
}

TEST(Ec2Answers, what_is_something_else_is_refused) {
  EXPECT_EQ(error_of("<html><body>no</body></html>"), "the answer is not one of DescribeInstances");
  EXPECT_EQ(error_of("{}"), "the answer is no whole XML");
}

TEST(Ec2Answers, what_is_too_large_or_too_deep_is_refused) {
  EXPECT_EQ(error_of(std::string(answer_bytes_max + 1, ' ')), "the answer is too large");
  std::string many;
  for (std::size_t i = 0; i < answer_marks_max; ++i) many += "<a/>";
  EXPECT_EQ(error_of(head + many + tail), "the answer has too many elements");
  std::string deep;
  for (std::size_t i = 0; i < answer_depth_max; ++i) deep += "<a>";
  std::string end;
  for (std::size_t i = 0; i < answer_depth_max; ++i) end += "</a>";
  EXPECT_EQ(error_of(head + deep + end + tail), "the answer is nested too deep");
}

TEST(Ec2Answers, entities_of_a_doctype_are_not_expanded) {
  const std::string doctype =
      "<!DOCTYPE a [<!ENTITY x \"10.9.9.9\"><!ENTITY f SYSTEM \"file:///etc/passwd\">]>";
  std::string error;
  const auto page =
      parse(doctype +
                "<DescribeInstancesResponse><reservationSet><item><instancesSet><item>"
                "<instanceId>&f;</instanceId><privateIpAddress>&x;</privateIpAddress>"
                "</item></instancesSet></item></reservationSet>"
                "</DescribeInstancesResponse>",
            error);
  ASSERT_TRUE(page.has_value()) << error;
  EXPECT_EQ(page->instances.at(0).private_address, "&x;");
  EXPECT_EQ(page->instances.at(0).id, "&f;");
}

TEST(Ec2Answers, texts_and_tags_are_bounded) {
  std::string tags;
  for (std::size_t i = 0; i < tags_max + 5; ++i)
    tags += "<item><key>k</key><value>v</value></item>";
  std::string error;
  const auto page =
      parse(head + "<item><instancesSet><item><instanceId>" + std::string(2000, 'i') +
                "</instanceId><tagSet>" + tags + "</tagSet></item></instancesSet></item>" + tail,
            error);
  ASSERT_TRUE(page.has_value()) << error;
  EXPECT_EQ(page->instances.at(0).id, "");
  EXPECT_EQ(page->instances.at(0).tags.size(), tags_max);
}

TEST(Ec2Answers, an_error_is_its_code_alone) {
  EXPECT_EQ(parse_error_code("<Response><Errors><Error><Code>RequestLimitExceeded</Code>"
                             "<Message>Request limit exceeded.</Message></Error></Errors>"
                             "<RequestID>1</RequestID></Response>"),
            "RequestLimitExceeded");
  EXPECT_EQ(parse_error_code("<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException"
                             "</Code></Error></ErrorResponse>"),
            "ExpiredTokenException");
  EXPECT_EQ(
      parse_error_code("<Response><Errors><Error><Code>a b</Code></Error></Errors></Response>"),
      "");
  EXPECT_EQ(parse_error_code("<html/>"), "");
  EXPECT_EQ(parse_error_code("no"), "");
}

TEST(Ec2Answers, credentials_of_an_assumed_role) {
  const auto with = [](const std::string& inside) {
    return parse_assumed_role(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>" +
        inside +
        "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>");
  };
  const auto credentials = with(
      "<SessionToken>st</SessionToken><SecretAccessKey>sk</SecretAccessKey>"
      "<Expiration>2026-11-21T01:00:00Z</Expiration><AccessKeyId>ak</AccessKeyId>");
  ASSERT_NE(credentials, nullptr);
  EXPECT_EQ(credentials->access_key_id.reveal(), "ak");
  EXPECT_EQ(credentials->secret_access_key.reveal(), "sk");
  EXPECT_EQ(credentials->session_token.reveal(), "st");
  EXPECT_EQ(credentials->expires, parse_timestamp("2026-11-21T01:00:00Z"));
  EXPECT_EQ(with("<SessionToken>st</SessionToken><SecretAccessKey>sk</SecretAccessKey>"), nullptr);
  EXPECT_EQ(parse_assumed_role("<a/>"), nullptr);
}

}  // namespace
}  // namespace sluice::control::discovery::ec2
