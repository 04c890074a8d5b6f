#include "unit/route/conditions_support.h"

namespace sluice::route::testing {
namespace {

net::ClientCertificate alice() {
  net::ClientCertificate certificate;
  certificate.subject = "CN=alice,OU=ops,O=Example";
  certificate.issuer = "CN=Example Clients,O=Example";
  certificate.serial = "03A5B1";
  certificate.dns_names = {"alice.internal", "ops.example.com"};
  certificate.is_verified = true;
  return certificate;
}

bool holds_for_certificate(const std::string& keys, const net::ClientCertificate& certificate) {
  return holds("client_certificate: { " + keys + " }",
               [&](Request& request) { request.input.client_certificate = &certificate; });
}

TEST(ClientCertificateCondition, each_part_of_it_can_be_compared) {
  EXPECT_TRUE(holds_for_certificate("subject: \"CN=alice,*\"", alice()));
  EXPECT_FALSE(holds_for_certificate("subject: \"CN=Alice,*\"", alice()));
  EXPECT_TRUE(holds_for_certificate("issuer: \"CN=Example Clients,O=Example\"", alice()));
  EXPECT_TRUE(holds_for_certificate("serial: [\"01\", 03a5b1]", alice()));
  EXPECT_TRUE(holds_for_certificate("dns: \"*.EXAMPLE.com\"", alice()));
  EXPECT_FALSE(holds_for_certificate("dns: \"*.example.org\"", alice()));
}

TEST(ClientCertificateCondition, all_of_its_keys_must_match) {
  EXPECT_TRUE(holds_for_certificate("subject: \"*OU=ops*\", dns: alice.internal", alice()));
  EXPECT_FALSE(holds_for_certificate("subject: \"*OU=ops*\", dns: bob.internal", alice()));
}

TEST(ClientCertificateCondition, one_that_nobody_verified_matches_nothing) {
  net::ClientCertificate unverified = alice();
  unverified.is_verified = false;
  EXPECT_FALSE(holds_for_certificate("subject: \"*\"", unverified));
  EXPECT_FALSE(holds("client_certificate: { subject: \"*\" }", [](Request&) {}));
}

TEST(ClientCertificateCondition, what_makes_no_sense_is_refused) {
  EXPECT_TRUE(has(error_of("client_certificate: { }"), "must be a mapping with any of"));
  EXPECT_TRUE(has(error_of("client_certificate: { subjct: a }"), "did you mean 'subject'"));
  EXPECT_TRUE(has(error_of("client_certificate: { dns: [] }"), "at least one value"));
}

}  // namespace
}  // namespace sluice::route::testing
