// Which hosts a connection serves: by the name of its handshake, its certificate, and the setting.
#include "net/tls_authority.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/certificates.h"
#include "support/tls_link.h"

namespace sluice::net {
namespace {

using config::CheckAuthority;
using support::CertificateAuthority;
using support::CertificateDirectory;
using support::CertificateWish;
using support::TlsLink;

const CertificateAuthority& authority() {
  static const CertificateAuthority instance;
  return instance;
}

class Authority : public ::testing::Test {
 protected:
  // One certificate for each list of names; the first is the default.
  void serve(CheckAuthority check, const std::vector<std::vector<std::string>>& certificates) {
    config::ServerTls settings;
    settings.check_authority = check;
    for (const std::vector<std::string>& names : certificates) {
      CertificateWish wish;
      wish.names = names;
      const support::CertificateText text = authority().issue(wish);
      const std::string file = std::to_string(settings.certificates.size());
      settings.certificates.push_back({directory_.write(file + ".crt", text.certificate),
                                       directory_.write(file + ".key", text.key),
                                       {}});
    }
    config::Problems problems;
    server_ = ServerTlsContext::load(settings, keys_, problems);
    ASSERT_NE(server_, nullptr);
  }

  // On a connection whose client asked for `server_name`, or for none.
  [[nodiscard]] bool serves(const std::string& server_name, const std::string& host) const {
    const SslPointer session = server_->new_session();
    return serves_authority(*session, server_name, host);
  }

  CertificateDirectory directory_;
  TicketKeys keys_;
  std::shared_ptr<const ServerTlsContext> server_;
};

TEST_F(Authority, the_name_of_the_handshake_is_always_served) {
  for (const CheckAuthority check :
       {CheckAuthority::sni, CheckAuthority::certificate, CheckAuthority::off}) {
    serve(check, {{"a.example"}, {"b.example"}});
    EXPECT_TRUE(serves("b.example", "b.example"));
    EXPECT_TRUE(serves("b.example", "B.Example"));
    EXPECT_TRUE(serves("unknown.example", "unknown.example"));
  }
}

TEST_F(Authority, a_host_of_another_certificate_is_not_served) {
  for (const CheckAuthority check : {CheckAuthority::sni, CheckAuthority::certificate}) {
    serve(check, {{"a.example"}, {"b.example"}});
    EXPECT_FALSE(serves("a.example", "b.example"));
    EXPECT_FALSE(serves("b.example", "a.example"));
    EXPECT_FALSE(serves("b.example", "unknown.example"));
  }
}

TEST_F(Authority, a_host_that_the_certificate_covers_is_served) {
  for (const CheckAuthority check : {CheckAuthority::sni, CheckAuthority::certificate}) {
    serve(check, {{"default.example"}, {"a.example", "b.example", "*.wild.example"}});
    EXPECT_TRUE(serves("a.example", "b.example"));
    EXPECT_TRUE(serves("a.example", "x.wild.example"));
    EXPECT_FALSE(serves("a.example", "x.y.wild.example"));
    EXPECT_FALSE(serves("a.example", "wild.example"));
    EXPECT_FALSE(serves("a.example", "default.example"));
  }
}

TEST_F(Authority, with_one_certificate_another_connection_would_change_nothing) {
  serve(CheckAuthority::sni, {{"a.example"}});
  EXPECT_TRUE(serves("a.example", "b.example"));
  EXPECT_TRUE(serves("a.example", "192.0.2.1"));
  serve(CheckAuthority::certificate, {{"a.example"}});
  EXPECT_FALSE(serves("a.example", "b.example"));
}

TEST_F(Authority, hosts_without_a_certificate_belong_to_the_default_one) {
  serve(CheckAuthority::sni, {{"a.example"}, {"b.example"}});
  EXPECT_TRUE(serves("a.example", "unknown.example"));
  EXPECT_TRUE(serves("unknown.example", "a.example"));
}

TEST_F(Authority, a_client_without_a_server_name_is_checked_only_by_certificate) {
  serve(CheckAuthority::sni, {{"a.example"}, {"b.example"}});
  EXPECT_TRUE(serves("", "b.example"));
  EXPECT_TRUE(serves("", "192.0.2.1"));
  serve(CheckAuthority::certificate, {{"a.example", "192.0.2.1", "2001:db8::1"}, {"b.example"}});
  EXPECT_TRUE(serves("", "a.example"));
  EXPECT_TRUE(serves("", "192.0.2.1"));
  EXPECT_TRUE(serves("", "[2001:db8::1]"));
  EXPECT_FALSE(serves("", "b.example"));
  EXPECT_FALSE(serves("", "192.0.2.2"));
}

TEST_F(Authority, switched_off_everything_is_served) {
  serve(CheckAuthority::off, {{"a.example"}, {"b.example"}});
  EXPECT_TRUE(serves("a.example", "b.example"));
  EXPECT_TRUE(serves("", "b.example"));
}

}  // namespace
}  // namespace sluice::net
