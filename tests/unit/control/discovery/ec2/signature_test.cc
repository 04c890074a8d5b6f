#include "control/discovery/ec2/signature.h"

#include <gtest/gtest.h>

#include <string>

#include "control/discovery/ec2/times.h"

namespace sluice::control::discovery::ec2 {
namespace {

Credentials example(std::string_view token) {
  Credentials credentials;
  credentials.access_key_id = net::Secret("AKIDEXAMPLE");
  credentials.secret_access_key = net::Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  credentials.session_token = net::Secret(token);
  return credentials;
}

ToSign describe_instances() {
  return {.authority = "ec2.eu-west-1.amazonaws.com",
          .path = "/",
          .content =
              "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3ARole&"
              "Filter.1.Value.1=backend&Filter.2.Name=instance-state-name&"
              "Filter.2.Value.1=running&MaxResults=1000",
          .region = "eu-west-1",
          .service = "ec2",
          .time = parse_timestamp("2026-11-21T01:00:00Z").value()};
}

// Computed with botocore.
TEST(Ec2Signature, of_a_call_with_a_session_token) {
  const auto signature = sign(describe_instances(), example("SESSIONTOKENEXAMPLE"));
  ASSERT_TRUE(signature.has_value());
  EXPECT_EQ(signature->timestamp, "20261121T010000Z");
  EXPECT_EQ(signature->authorization,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/ec2/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, "
            "Signature=479468308d0ebb3f617bf7b3ce14af765c1f3d8c86079df8950851124e63616a");
}

TEST(Ec2Signature, without_a_session_token_signs_no_such_field) {
  const auto signature = sign(describe_instances(), example(""));
  ASSERT_TRUE(signature.has_value());
  EXPECT_NE(signature->authorization.find("SignedHeaders=content-type;host;x-amz-date, "),
            std::string::npos);
}

TEST(Ec2Signature, depends_on_everything_that_is_signed) {
  const auto credentials = example("");
  const ToSign call = describe_instances();
  const std::string signature = sign(call, credentials)->authorization;
  ToSign other = call;
  other.content = "Action=TerminateInstances";
  EXPECT_NE(sign(other, credentials)->authorization, signature);
  other = call;
  other.authority = "elsewhere.test";
  EXPECT_NE(sign(other, credentials)->authorization, signature);
  other = call;
  other.time += std::chrono::seconds(1);
  EXPECT_NE(sign(other, credentials)->authorization, signature);
}

TEST(Ec2Signature, a_form_is_escaped_but_for_unreserved_characters) {
  std::string out;
  append_form_encoded(out, "tag:Role a+b/c~d-e_f.g\xc3\xa9");
  EXPECT_EQ(out, "tag%3ARole%20a%2Bb%2Fc~d-e_f.g%C3%A9");
}

}  // namespace
}  // namespace sluice::control::discovery::ec2
