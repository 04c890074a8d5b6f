// The fields that tell targets who a client is, letter by letter as ALB writes them.
#include "proxy/client_certificate.h"

#include <gtest/gtest.h>

#include <chrono>

namespace sluice::proxy {
namespace {

net::ClientCertificate certificate(bool is_verified) {
  net::ClientCertificate facts;
  facts.subject = "CN=alice,OU=clients,O=Example";
  facts.issuer = "CN=authority";
  facts.serial = "03A5B1";
  facts.not_before = std::chrono::system_clock::from_time_t(1'695'261'017);
  facts.not_after = std::chrono::system_clock::from_time_t(1'726'797'617);
  facts.leaf_pem = "-----BEGIN CERTIFICATE-----\nMII+/a=\n-----END CERTIFICATE-----\n";
  facts.chain_pem = facts.leaf_pem + facts.leaf_pem;
  facts.is_verified = is_verified;
  return facts;
}

constexpr std::string_view encoded =
    "-----BEGIN%20CERTIFICATE-----%0AMII+/a=%0A-----END%20CERTIFICATE-----%0A";

TEST(ClientCertificateFields, a_verified_client_is_described) {
  EXPECT_EQ(make_client_certificate_fields(certificate(true)),
            "X-Amzn-Mtls-Clientcert-Serial-Number: 03A5B1\r\n"
            "X-Amzn-Mtls-Clientcert-Issuer: CN=authority\r\n"
            "X-Amzn-Mtls-Clientcert-Subject: CN=alice,OU=clients,O=Example\r\n"
            "X-Amzn-Mtls-Clientcert-Validity: "
            "NotBefore=2023-09-21T01:50:17Z;NotAfter=2024-09-20T02:00:17Z\r\n"
            "X-Amzn-Mtls-Clientcert-Leaf: " +
                std::string(encoded) + "\r\n");
}

TEST(ClientCertificateFields, of_one_that_nobody_verified_only_the_chain_passes) {
  EXPECT_EQ(make_client_certificate_fields(certificate(false)),
            "X-Amzn-Mtls-Clientcert: " + std::string(encoded) + std::string(encoded) + "\r\n");
}

TEST(ClientCertificateFields, the_whole_family_is_ours) {
  EXPECT_TRUE(is_client_certificate_field("X-Amzn-Mtls-Clientcert"));
  EXPECT_TRUE(is_client_certificate_field("x-AMZN-mtls-anything"));
  EXPECT_TRUE(is_client_certificate_field("x-amzn-mtls-"));
  EXPECT_FALSE(is_client_certificate_field("x-amzn-mtls"));
  EXPECT_FALSE(is_client_certificate_field("x-amzn-trace-id"));
  EXPECT_FALSE(is_client_certificate_field(""));
}

}  // namespace
}  // namespace sluice::proxy
