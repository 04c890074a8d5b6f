// Two targets made of OpenSSL and the sessions a pool would open to them, over memory.
#include "sluice/net/tls_session_cache.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <optional>
#include <string>

#include "support/certificates.h"
#include "support/tls_link.h"

namespace sluice::net {
namespace {

using support::CertificateAuthority;
using support::CertificateDirectory;
using support::CertificateWish;
using support::TlsLink;

const CertificateAuthority& authority() {
  static const CertificateAuthority instance;
  return instance;
}

class TlsSessionCacheOf : public ::testing::TestWithParam<config::TlsVersion> {
 protected:
  std::shared_ptr<const ServerTlsContext> serve(std::chrono::seconds valid_for) {
    CertificateWish wish;
    wish.names = {"a.example"};
    wish.valid_for = valid_for;
    const support::CertificateText text = authority().issue(wish);
    config::ServerTls settings;
    settings.certificates.push_back({directory_.write("target.crt", text.certificate),
                                     directory_.write("target.key", text.key),
                                     {}});
    config::Problems problems;
    auto context = ServerTlsContext::load(settings, keys_, problems);
    EXPECT_NE(context, nullptr);
    return context;
  }

  std::shared_ptr<const ClientTlsContext> trust(bool session_reuse = true) {
    config::ClientTls settings;
    settings.ca = directory_.write("ca.crt", authority().certificate());
    settings.session_reuse = session_reuse;
    settings.min_version = GetParam();
    config::Problems problems;
    auto context = ClientTlsContext::load(settings, problems);
    EXPECT_NE(context, nullptr);
    return context;
  }

  // Opens a connection, lets the target say a byte, with which the tickets of TLS 1.3 come, and
  // closes it. Whether it resumed a session.
  bool resumes(const ServerTlsContext& target, const ClientTlsContext& client,
               TlsSessionCache& cache, bool is_cut = false) {
    SslPointer session = client.new_session("a.example");
    if (GetParam() == config::TlsVersion::tls1_2) {
      SSL_set_max_proto_version(session.get(), TLS1_2_VERSION);
    }
    cache.use(*session);
    TlsLink link(target.new_session(), std::move(session));
    EXPECT_TRUE(link.handshake()) << link.client_error() << link.server_error();
    link.pass_a_byte_to_the_client();
    if (!is_cut) link.end();
    return SSL_session_reused(link.client()) == 1;
  }

  CertificateDirectory directory_;
  TicketKeys keys_;
};

INSTANTIATE_TEST_SUITE_P(Each, TlsSessionCacheOf,
                         ::testing::Values(config::TlsVersion::tls1_2, config::TlsVersion::tls1_3),
                         [](const auto& version) {
                           return version.param == config::TlsVersion::tls1_2 ? "tls1_2" : "tls1_3";
                         });

TEST_P(TlsSessionCacheOf, the_second_connection_resumes_and_those_after_it) {
  const auto target = serve(std::chrono::hours(1));
  const auto client = trust();
  TlsSessionCache cache;
  EXPECT_FALSE(cache.has_ticket());
  EXPECT_FALSE(resumes(*target, *client, cache));
  EXPECT_TRUE(cache.has_ticket());
  EXPECT_TRUE(resumes(*target, *client, cache));
  EXPECT_TRUE(resumes(*target, *client, cache));
}

TEST_P(TlsSessionCacheOf, a_cleared_cache_begins_anew) {
  const auto target = serve(std::chrono::hours(1));
  const auto client = trust();
  TlsSessionCache cache;
  EXPECT_FALSE(resumes(*target, *client, cache));
  cache.clear();
  EXPECT_FALSE(cache.has_ticket());
  EXPECT_FALSE(resumes(*target, *client, cache));
  EXPECT_TRUE(resumes(*target, *client, cache));
}

TEST_P(TlsSessionCacheOf, caches_share_nothing) {
  const auto target = serve(std::chrono::hours(1));
  const auto client = trust();
  TlsSessionCache one;
  TlsSessionCache other;
  EXPECT_FALSE(resumes(*target, *client, one));
  EXPECT_FALSE(other.has_ticket());
  EXPECT_FALSE(resumes(*target, *client, other));
}

TEST_P(TlsSessionCacheOf, switched_off_nothing_is_kept) {
  const auto target = serve(std::chrono::hours(1));
  const auto client = trust(false);
  TlsSessionCache cache;
  EXPECT_FALSE(resumes(*target, *client, cache));
  EXPECT_FALSE(cache.has_ticket());
  EXPECT_FALSE(resumes(*target, *client, cache));
}

TEST_P(TlsSessionCacheOf, a_connection_may_outlive_the_cache) {
  const auto target = serve(std::chrono::hours(1));
  const auto client = trust();
  SslPointer session = client->new_session("a.example");
  auto cache = std::make_optional<TlsSessionCache>();
  cache->use(*session);
  TlsLink link(target->new_session(), std::move(session));
  ASSERT_TRUE(link.handshake());
  cache.reset();
  link.pass_a_byte_to_the_client();  // its ticket comes to nobody
  link.end();
}

TEST_P(TlsSessionCacheOf, the_session_of_a_connection_that_broke_is_not_resumed) {
  const auto target = serve(std::chrono::hours(1));
  const auto client = trust();
  TlsSessionCache cache;
  EXPECT_FALSE(resumes(*target, *client, cache, true));
  EXPECT_FALSE(resumes(*target, *client, cache));
  EXPECT_TRUE(resumes(*target, *client, cache));
}

// The target keeps its ticket keys, so it would resume; we must not.
TEST_P(TlsSessionCacheOf, a_session_ends_with_the_certificate_that_was_verified_for_it) {
  const auto target = serve(std::chrono::minutes(10));
  const auto client = trust();
  TlsSessionCache cache;
  ASSERT_FALSE(resumes(*target, *client, cache));
  const auto is_offered = [&](std::chrono::seconds later) {
    const SslPointer session = client->new_session("a.example");
    cache.use(*session, std::chrono::system_clock::now() + later);
    return SSL_get_session(session.get()) != nullptr;
  };
  EXPECT_TRUE(is_offered(std::chrono::seconds(0)));
  EXPECT_FALSE(is_offered(std::chrono::minutes(11)));
  EXPECT_FALSE(cache.has_ticket());
}

}  // namespace
}  // namespace sluice::net
