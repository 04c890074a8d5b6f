#include "config/tls_policies.h"

#include <gtest/gtest.h>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using test::joined;
using test::load_yaml;

std::string listener(const std::string& tls) {
  return "listeners: [{ name: a, bind: 127.0.0.1:1, tls: { certificates: [{ cert: a, key: b }], " +
         tls + " } }]\n";
}

TEST(TlsPolicies, a_policy_has_a_name_with_and_without_its_prefix) {
  for (const std::string_view name : tls_policy_names()) {
    std::string error;
    const TlsPolicy* const found = find_tls_policy(name, error);
    ASSERT_NE(found, nullptr) << name;
    EXPECT_EQ(find_tls_policy("ELBSecurityPolicy-" + std::string(name), error), found);
    EXPECT_LE(found->min_version, found->max_version);
    EXPECT_EQ(found->ciphers.empty(), found->min_version == TlsVersion::tls1_3) << name;
  }
}

TEST(TlsPolicies, an_unknown_one_is_answered_with_the_nearest) {
  std::string error;
  EXPECT_EQ(find_tls_policy("ELBSecurityPolicy-TLS13-1-2-2021-60", error), nullptr);
  EXPECT_NE(error.find("did you mean TLS13-1-2-2021-06?"), std::string::npos) << error;
  EXPECT_NE(error.find("FS-1-2-2019-08"), std::string::npos) << error;
}

TEST(TlsPolicies, those_that_cannot_be_kept_are_refused_with_the_reason) {
  std::string error;
  EXPECT_EQ(find_tls_policy("ELBSecurityPolicy-TLS13-1-2-FIPS-2023-04", error), nullptr);
  EXPECT_NE(error.find("validated library"), std::string::npos) << error;
  EXPECT_EQ(find_tls_policy("TLS13-1-2-Res-PQ-2025-09", error), nullptr);
  EXPECT_NE(error.find("post-quantum"), std::string::npos) << error;
}

// The tables of ALB's guide ("Security policies"), line by line.
TEST(TlsPolicies, ciphers_are_those_of_alb_in_its_order) {
  struct Row {
    std::string_view cipher;
    bool is_sha1;
    bool is_rsa;
  };
  constexpr Row table[] = {{"ECDHE-ECDSA-AES128-GCM-SHA256", false, false},
                           {"ECDHE-RSA-AES128-GCM-SHA256", false, false},
                           {"ECDHE-ECDSA-AES128-SHA256", false, false},
                           {"ECDHE-RSA-AES128-SHA256", false, false},
                           {"ECDHE-ECDSA-AES128-SHA", true, false},
                           {"ECDHE-RSA-AES128-SHA", true, false},
                           {"ECDHE-ECDSA-AES256-GCM-SHA384", false, false},
                           {"ECDHE-RSA-AES256-GCM-SHA384", false, false},
                           {"ECDHE-ECDSA-AES256-SHA384", false, false},
                           {"ECDHE-RSA-AES256-SHA384", false, false},
                           {"ECDHE-RSA-AES256-SHA", true, false},
                           {"ECDHE-ECDSA-AES256-SHA", true, false},
                           {"AES128-GCM-SHA256", false, true},
                           {"AES128-SHA256", false, true},
                           {"AES128-SHA", true, true},
                           {"AES256-GCM-SHA384", false, true},
                           {"AES256-SHA256", false, true},
                           {"AES256-SHA", true, true}};
  struct Policy {
    std::string_view name;
    TlsVersion least;
    bool has_sha1;
    bool has_rsa;
  };
  for (const Policy& policy : {Policy{"2016-08", TlsVersion::tls1_0, true, true},
                               {"2015-05", TlsVersion::tls1_0, true, true},
                               {"TLS-1-1-2017-01", TlsVersion::tls1_1, true, true},
                               {"TLS-1-2-2017-01", TlsVersion::tls1_2, false, true},
                               {"TLS-1-2-Ext-2018-06", TlsVersion::tls1_2, true, true},
                               {"FS-2018-06", TlsVersion::tls1_0, true, false},
                               {"FS-1-1-2019-08", TlsVersion::tls1_1, true, false},
                               {"FS-1-2-2019-08", TlsVersion::tls1_2, true, false},
                               {"FS-1-2-Res-2019-08", TlsVersion::tls1_2, false, false}}) {
    std::string error;
    const TlsPolicy* const found = find_tls_policy(policy.name, error);
    ASSERT_NE(found, nullptr) << policy.name;
    EXPECT_EQ(found->min_version, policy.least) << policy.name;
    EXPECT_EQ(found->max_version, TlsVersion::tls1_2) << policy.name;
    std::string expected;
    for (const Row& row : table) {
      if ((row.is_sha1 && !policy.has_sha1) || (row.is_rsa && !policy.has_rsa)) continue;
      if (!expected.empty()) expected += ':';
      expected += row.cipher;
    }
    EXPECT_EQ(found->ciphers, expected) << policy.name;
  }
  std::string error;
  EXPECT_EQ(find_tls_policy("ELBSecurityPolicy-TLS-1-0-2015-04", error), nullptr);
  EXPECT_NE(error.find("DES-CBC3-SHA"), std::string::npos) << error;
}

TEST(ServerTlsSettings, a_policy_gives_versions_and_ciphers_and_keys_beside_it_override_them) {
  const auto plain = load_yaml(listener("policy: ELBSecurityPolicy-TLS13-1-0-2021-06"));
  ASSERT_TRUE(plain.model) << joined(plain);
  const ServerTls& tls = *plain.model->listeners[0].tls;
  EXPECT_EQ(tls.min_version, TlsVersion::tls1_0);
  EXPECT_EQ(tls.max_version, TlsVersion::tls1_3);
  EXPECT_NE(tls.ciphers.find("AES128-SHA"), std::string::npos);
  const auto both = load_yaml(
      listener("min_version: '1.2', ciphers: X, policy: TLS13-1-0-2021-06, max_version: '1.2'"));
  ASSERT_TRUE(both.model) << joined(both);
  EXPECT_EQ(both.model->listeners[0].tls->min_version, TlsVersion::tls1_2);
  EXPECT_EQ(both.model->listeners[0].tls->max_version, TlsVersion::tls1_2);
  EXPECT_EQ(both.model->listeners[0].tls->ciphers, "X");
}

TEST(ServerTlsSettings, what_is_wrong_is_reported_with_its_place) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"policy: TLS13-1-2", "tls.policy: "},
      {"min_version: '1.3', max_version: '1.2'",
       "tls.min_version: 1.3 is above max_version, which is 1.2; allowed here: 1.0, 1.1, 1.2"},
      {"policy: TLS13-1-3-2021-06, max_version: '1.2'",
       "tls.max_version: 1.2 is below min_version, which is 1.3 by policy: TLS13-1-3-2021-06; "
       "allowed here: 1.3, or set min_version, too"},
      {"policy: '2016-08', min_version: '1.3'",
       "tls.min_version: 1.3 is above max_version, which is 1.2 by policy: 2016-08; allowed here: "
       "1.0, 1.1, 1.2, or set max_version, too"},
      {"max_version: '1.1'",
       "tls.max_version: 1.1 is below min_version, which is 1.2 by default; allowed here: 1.2, "
       "1.3, or set min_version, too"},
      {"min_version: '1.4'", "tls.min_version: "},
      {"ticket_keys: {}", "tls.ticket_keys"},
      {"session_tickets: maybe", "tls.session_tickets: "},
      {"watch_interval: 1ms", "tls.watch_interval: must be "},
      {"expiry_warning: 1h", "tls.expiry_warning: must be "}};
  for (const auto& [setting, words] : cases) {
    const auto loaded = load_yaml(listener(setting));
    EXPECT_FALSE(loaded.model) << setting;
    ASSERT_EQ(loaded.messages.size(), 1U) << setting << joined(loaded);
    EXPECT_NE(loaded.messages[0].find(words), std::string::npos) << joined(loaded);
  }
}

TEST(ServerTlsSettings, everything_can_be_set) {
  const auto loaded =
      load_yaml(listener("ticket_keys: { file: keys }, expiry_warning: 0, watch_interval: 1s"));
  ASSERT_TRUE(loaded.model) << joined(loaded);
  const ServerTls& tls = *loaded.model->listeners[0].tls;
  EXPECT_TRUE(tls.session_tickets);
  EXPECT_EQ(tls.ticket_keys_file, "keys");
  EXPECT_EQ(tls.expiry_warning, Milliseconds(0));
  EXPECT_EQ(tls.watch_interval, Milliseconds(1000));
}

TEST(ServerTlsSettings, keys_of_tickets_that_nobody_gets_are_an_error) {
  EXPECT_TRUE(load_yaml(listener("session_tickets: false")).model);
  const auto loaded = load_yaml(listener("session_tickets: false, ticket_keys: { file: keys }"));
  EXPECT_FALSE(loaded.model);
  EXPECT_NE(joined(loaded).find("ticket_keys: has no meaning with session_tickets: false"),
            std::string::npos)
      << joined(loaded);
}

}  // namespace
}  // namespace sluice::config
