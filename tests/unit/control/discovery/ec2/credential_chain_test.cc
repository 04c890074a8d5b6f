// What the chain makes of the environment; services are for integration tests.
#include "control/discovery/ec2/credential_chain.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "control/discovery/ec2/region.h"
#include "control/discovery/ec2/times.h"
#include "support/peer.h"

namespace sluice::control::discovery::ec2 {
namespace {

net::Task<> keep(net::Task<Fetched> task, std::optional<Fetched>& kept) {
  kept = co_await std::move(task);
}

Fetched fetch(const std::map<std::string, std::string>& variables) {
  net::Loop loop;
  const Environment environment = [variables](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  };
  InstanceMetadata metadata(loop, environment);
  const ChainParts parts{.loop = loop, .environment = environment, .metadata = metadata};
  std::optional<Fetched> kept;
  net::spawn(keep(fetch_credentials(parts, "eu-west-1"), kept));
  EXPECT_TRUE(support::run_until(loop, [&] { return kept.has_value(); }));
  return kept.value_or(Fetched{});
}

TEST(Ec2CredentialChain, the_environment_comes_first) {
  const Fetched fetched = fetch({{"AWS_ACCESS_KEY_ID", "id"},
                                 {"AWS_SECRET_ACCESS_KEY", "secret"},
                                 {"AWS_SESSION_TOKEN", "token"},
                                 {"AWS_CREDENTIAL_EXPIRATION", "2026-11-21T01:00:00Z"},
                                 {"AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"}});
  ASSERT_NE(fetched.credentials, nullptr) << fetched.error;
  EXPECT_EQ(fetched.source, "environment");
  EXPECT_EQ(fetched.credentials->access_key_id.reveal(), "id");
  EXPECT_EQ(fetched.credentials->secret_access_key.reveal(), "secret");
  EXPECT_EQ(fetched.credentials->session_token.reveal(), "token");
  EXPECT_EQ(fetched.credentials->expires, parse_timestamp("2026-11-21T01:00:00Z"));
}

TEST(Ec2CredentialChain, half_of_a_source_is_an_error_and_not_the_next_source) {
  EXPECT_EQ(
      fetch({{"AWS_ACCESS_KEY_ID", "id"}}).error,
      "credentials of the environment: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is "
      "not");
  EXPECT_EQ(fetch({{"AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"}}).error,
            "credentials of the web identity: AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN "
            "is not");
  const std::string error =
      fetch({{"AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"}, {"AWS_ROLE_ARN", "arn"}}).error;
  EXPECT_TRUE(error.starts_with("credentials of the web identity: ")) << error;
  EXPECT_EQ(fetch({{"AWS_EC2_METADATA_DISABLED", "TRUE"}}).error,
            "credentials of the instance: instance metadata: switched off by "
            "AWS_EC2_METADATA_DISABLED");
}

TEST(Ec2CredentialChain, secrets_go_in_clear_text_to_nobody_else) {
  for (const char* url : {"http://10.0.0.1/x", "http://agent.test/x", "http://169.254.169.254/x",
                          "ftp://127.0.0.1/x", "http://127.0.0.1.evil.test/x"}) {
    const std::string error = fetch({{"AWS_CONTAINER_CREDENTIALS_FULL_URI", url}}).error;
    EXPECT_NE(error.find("its address "), std::string::npos) << url << ": " << error;
  }
  // `.evil.test/x` would make another host of the agent's address.
  EXPECT_EQ(fetch({{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ".evil.test/x"}}).error,
            "credentials of the container: its address is no URL");
  for (const char* url : {"http://10.0.0.1", "http://metadata.test", "https://127.0.0.1"}) {
    const std::string error = fetch({{"AWS_EC2_METADATA_SERVICE_ENDPOINT", url}}).error;
    EXPECT_NE(error.find("AWS_EC2_METADATA_SERVICE_ENDPOINT must be"), std::string::npos) << error;
  }
}

TEST(Ec2CredentialChain, a_document_of_credentials_is_read_and_wiped) {
  std::string text =
      R"({"Code":"Success","AccessKeyId":"id","SecretAccessKey":"secret","Token":"token",)"
      R"("Expiration":"2026-11-21T01:00:00Z"})";
  const SharedCredentials credentials = parse_credentials(text);
  ASSERT_NE(credentials, nullptr);
  EXPECT_EQ(credentials->secret_access_key.reveal(), "secret");
  EXPECT_EQ(credentials->session_token.reveal(), "token");
  EXPECT_TRUE(text.empty());
}

TEST(Ec2CredentialChain, what_is_no_document_of_credentials_is_refused) {
  for (const char* text :
       {"", "{}", "[]", "no", R"({"Code":"AssumeRoleUnauthorizedAccess"})",
        R"({"AccessKeyId":"id","SecretAccessKey":"secret"})",
        R"({"AccessKeyId":"id","SecretAccessKey":"secret","Expiration":"soon"})",
        R"({"AccessKeyId":7,"SecretAccessKey":"secret","Expiration":"2026-11-21T01:00:00Z"})"}) {
    std::string copy = text;
    EXPECT_EQ(parse_credentials(copy), nullptr) << text;
  }
}

TEST(Ec2Region, services_are_where_the_partition_has_them) {
  EXPECT_EQ(endpoint_of("ec2", "eu-west-1"), "https://ec2.eu-west-1.amazonaws.com");
  EXPECT_EQ(endpoint_of("sts", "us-gov-west-1"), "https://sts.us-gov-west-1.amazonaws.com");
  EXPECT_EQ(endpoint_of("ec2", "cn-north-1"), "https://ec2.cn-north-1.amazonaws.com.cn");
  EXPECT_EQ(endpoint_of("ec2", "eusc-de-east-1"), "https://ec2.eusc-de-east-1.amazonaws.eu");
}

TEST(Ec2Region, is_what_can_be_part_of_a_name) {
  EXPECT_TRUE(is_region("eu-west-1"));
  for (const char* text : {"", "EU", "eu.evil", "eu/x", "-eu", "eu-", "eu west"}) {
    EXPECT_FALSE(is_region(text)) << text;
  }
  EXPECT_FALSE(is_region(std::string(33, 'a')));
}

}  // namespace
}  // namespace sluice::control::discovery::ec2
