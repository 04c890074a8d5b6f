// Certificates in both directions: `client_certificates` of listeners, `tls` of target groups.
#include <gtest/gtest.h>

#include "unit/config/support.h"

namespace sluice::config {
namespace {

using test::joined;
using test::load_group;
using test::load_yaml;
using test::Loaded;

// `more` stands alone on line 4.
Loaded load_tls(std::string_view more) {
  return load_yaml(
      "listeners:\n  - { name: a, bind: \"127.0.0.1:80\", tls: {\n"
      "    certificates: [{ cert: a.crt, key: a.key }],\n    " +
      std::string(more) + "\n    } }\n");
}

const ServerTls& tls_of(const Loaded& loaded) { return *loaded.model->listeners.at(0).tls; }

TEST(ClientCertificates, are_off_by_default) {
  const Loaded loaded = load_tls("");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(tls_of(loaded).client_certificates.mode, ClientCertificateMode::off);
  EXPECT_EQ(tls_of(loaded).client_certificates.depth, 4U);
  EXPECT_EQ(tls_of(loaded).check_authority, CheckAuthority::sni);
}

TEST(ClientCertificates, every_key_is_read) {
  const Loaded loaded = load_tls(
      "check_authority: certificate, client_certificates: { mode: verify, trust_store: ca.pem, "
      "crls: [a.crl, b.crl], depth: 0, ignore_expired: true, advertise_trust_store: true, "
      "chain: 2KiB }");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  EXPECT_EQ(joined(loaded), "");
  const ClientCertificates& settings = tls_of(loaded).client_certificates;
  EXPECT_EQ(settings.mode, ClientCertificateMode::verify);
  EXPECT_EQ(settings.trust_store, "ca.pem");
  EXPECT_EQ(settings.crls, (std::vector<std::string>{"a.crl", "b.crl"}));
  EXPECT_EQ(settings.depth, 0U);
  EXPECT_TRUE(settings.ignore_expired);
  EXPECT_TRUE(settings.advertise_trust_store);
  EXPECT_EQ(settings.chain_bytes, 2048U);
  EXPECT_EQ(tls_of(loaded).check_authority, CheckAuthority::certificate);
}

TEST(ClientCertificates, verify_needs_a_trust_store) {
  EXPECT_EQ(joined(load_tls("client_certificates: { mode: verify }")),
            "f:4:26: listeners[0].tls.client_certificates: mode: verify needs trust_store, a PEM "
            "file with the authorities of the clients\n");
}

TEST(ClientCertificates, a_check_that_nobody_makes_is_not_promised) {
  EXPECT_EQ(joined(load_tls("client_certificates: { mode: passthrough, trust_store: ca.pem }")),
            "f:4:60: listeners[0].tls.client_certificates.trust_store: only with mode: verify\n");
  for (const char* const key :
       {"crls: [a.crl]", "depth: 1", "ignore_expired: true", "advertise_trust_store: true"}) {
    const Loaded loaded = load_tls("client_certificates: { " + std::string(key) + " }");
    EXPECT_FALSE(loaded.model);
    EXPECT_NE(joined(loaded).find("only with mode: verify"), std::string::npos) << key;
  }
}

TEST(ClientCertificates, wrong_values_are_refused_with_what_is_allowed) {
  const std::string wrong = joined(
      load_tls("check_authority: on, client_certificates: { mode: optional, chain: 65KiB }"));
  EXPECT_NE(wrong.find("check_authority"), std::string::npos) << wrong;
  EXPECT_NE(wrong.find("must be sni, certificate or off, not 'on'"), std::string::npos) << wrong;
  EXPECT_NE(wrong.find("must be off, passthrough or verify"), std::string::npos) << wrong;
  EXPECT_NE(wrong.find("tls.client_certificates.chain"), std::string::npos) << wrong;
  EXPECT_FALSE(load_tls("client_certificates: { mode: verify, trust_store: a, depth: 17 }").model);
}

TEST(TargetTls, every_key_is_read) {
  const Loaded loaded = load_group(
      "    protocol: https\n    targets: [\"a.test:443\"]\n"
      "    tls: { client_cert: c.pem, client_key: k.pem, session_reuse: false, "
      "min_version: \"1.3\", ciphers: X, watch_interval: 2s }\n");
  ASSERT_TRUE(loaded.model) << joined(loaded);
  const ClientTls& tls = loaded.model->target_groups.at(0).tls;
  ASSERT_TRUE(tls.certificate);
  EXPECT_EQ(tls.certificate->certificate, "c.pem");
  EXPECT_EQ(tls.certificate->key, "k.pem");
  EXPECT_FALSE(tls.session_reuse);
  EXPECT_EQ(tls.min_version, TlsVersion::tls1_3);
  EXPECT_EQ(tls.ciphers, "X");
  EXPECT_EQ(tls.watch_interval, Milliseconds(2000));
}

TEST(TargetTls, each_version_is_the_one_that_it_says) {
  const auto version_of = [](const std::string& version) {
    const Loaded loaded = load_group(
        "    protocol: https\n    targets: [\"a.test:443\"]\n"
        "    tls: { min_version: \"" +
        version + "\" }\n");
    EXPECT_TRUE(loaded.model) << joined(loaded);
    return loaded.model ? loaded.model->target_groups.at(0).tls.min_version : TlsVersion::tls1_0;
  };
  EXPECT_EQ(version_of("1.2"), TlsVersion::tls1_2);
  EXPECT_EQ(version_of("1.3"), TlsVersion::tls1_3);
  EXPECT_NE(joined(load_group("    protocol: https\n    tls: { min_version: \"1.1\" }\n"))
                .find("target_groups[0].tls.min_version: must be 1.2 or 1.3"),
            std::string::npos);
}

TEST(TargetTls, a_certificate_needs_its_key_and_a_key_its_certificate) {
  EXPECT_NE(joined(load_group("    protocol: https\n    tls: { client_cert: c.pem }\n"))
                .find("target_groups[0].tls.client_cert: needs client_key"),
            std::string::npos);
  EXPECT_NE(joined(load_group("    protocol: https\n    tls: { client_key: k.pem }\n"))
                .find("target_groups[0].tls.client_key: needs client_cert"),
            std::string::npos);
}

TEST(Forwarding, what_sluice_says_about_clients_is_no_trailer) {
  const Loaded loaded =
      test::load_after_listener("forwarding: { trailers: [X-Amzn-Mtls-Clientcert] }\n");
  EXPECT_FALSE(loaded.model);
}

}  // namespace
}  // namespace sluice::config
