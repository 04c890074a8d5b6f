// Listeners that ask for certificates, and clients that have good ones, bad ones or none.
#include "net/tls_client_verification.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "net/client_certificate.h"
#include "support/certificates.h"
#include "support/tls_link.h"

namespace sluice::net {
namespace {

using config::ClientCertificateMode;
using config::ClientCertificates;
using config::Problem;
using config::Problems;
using std::chrono::hours;
using support::CertificateAuthority;
using support::CertificateDirectory;
using support::CertificateText;
using support::CertificateWish;
using support::TlsLink;

using SessionPointer = std::unique_ptr<SSL_SESSION, OpensslDeleter<SSL_SESSION_free>>;

const CertificateAuthority& authority() {
  static const CertificateAuthority instance("root");
  return instance;
}

const CertificateAuthority& intermediate() {
  static const CertificateAuthority instance("intermediate", authority());
  return instance;
}

std::string all_text(const Problems& problems) {
  std::string text;
  for (const Problem& problem : problems.sorted()) text += problem.text() + "\n";
  return text;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

CertificateText client_of(const CertificateAuthority& issuer, CertificateWish wish = {}) {
  if (wish.common_name.empty()) wish.common_name = "alice";
  return issuer.issue(wish);
}

class ClientVerification : public ::testing::TestWithParam<int> {
 protected:
  ClientVerification() {
    settings_.mode = ClientCertificateMode::verify;
    settings_.trust_store = directory_.write("trust.crt", authority().certificate());
  }

  config::ServerTls server_settings() {
    if (server_.certificates.empty()) {
      CertificateWish wish;
      wish.names = {"a.example"};
      const CertificateText text = authority().issue(wish);
      server_.certificates.push_back({directory_.write("server.crt", text.certificate),
                                      directory_.write("server.key", text.key),
                                      {}});
    }
    server_.client_certificates = settings_;
    return server_;
  }

  std::shared_ptr<const ServerTlsContext> load() {
    problems_ = {};
    auto context = ServerTlsContext::load(server_settings(), keys_, problems_);
    EXPECT_NE(context, nullptr) << all_text(problems_);
    return context;
  }

  std::string refusal() {
    problems_ = {};
    EXPECT_EQ(ServerTlsContext::load(server_settings(), keys_, problems_), nullptr);
    return all_text(problems_);
  }

  // With `certificate`, and `chain` behind it; with neither when there is none.
  static SslPointer client(const CertificateText& certificate, const std::string& chain = {},
                           SSL_SESSION* ticket = nullptr) {
    const SslContextPointer context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_max_proto_version(context.get(), GetParam());
    if (!certificate.certificate.empty()) {
      const std::string all = certificate.certificate + chain;
      const BioPointer pem(BIO_new_mem_buf(all.data(), static_cast<int>(all.size())));
      const BioPointer key(
          BIO_new_mem_buf(certificate.key.data(), static_cast<int>(certificate.key.size())));
      const X509Pointer leaf(PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr));
      const PrivateKeyPointer secret(PEM_read_bio_PrivateKey(key.get(), nullptr, nullptr, nullptr));
      EXPECT_EQ(SSL_CTX_use_certificate(context.get(), leaf.get()), 1);
      EXPECT_EQ(SSL_CTX_use_PrivateKey(context.get(), secret.get()), 1);
      while (X509* more = PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr)) {
        EXPECT_EQ(SSL_CTX_add_extra_chain_cert(context.get(), more), 1);
      }
      ERR_clear_error();
    }
    SslPointer session(SSL_new(context.get()));
    SSL_set_connect_state(session.get());
    if (ticket != nullptr) {
      EXPECT_EQ(SSL_set_session(session.get(), ticket), 1);
    }
    return session;
  }

  static bool is_let_in(const ServerTlsContext& server, const CertificateText& certificate,
                        const std::string& chain = {}) {
    TlsLink link(server.new_session(), client(certificate, chain));
    return link.handshake();
  }

  // What the server says about a client that it must not let in.
  static std::string refused(const ServerTlsContext& server, const CertificateText& certificate,
                             const std::string& chain = {}) {
    SslPointer session = server.new_session();
    TlsLink link(std::move(session), client(certificate, chain));
    EXPECT_FALSE(link.handshake());
    return link.server_error();
  }

  static SessionPointer ticket_of(const ServerTlsContext& server,
                                  const CertificateText& certificate) {
    TlsLink link(server.new_session(), client(certificate));
    EXPECT_TRUE(link.handshake()) << link.server_error();
    EXPECT_TRUE(link.pass_a_byte_to_the_client());
    SessionPointer ticket(SSL_get1_session(link.client()));
    link.end();
    return ticket;
  }

  static bool resumes(const ServerTlsContext& server, const CertificateText& certificate,
                      SSL_SESSION& ticket) {
    TlsLink link(server.new_session(), client(certificate, {}, &ticket));
    EXPECT_TRUE(link.handshake()) << link.server_error();
    link.end();
    return SSL_session_reused(link.server()) == 1;
  }

  CertificateDirectory directory_;
  TicketKeys keys_;
  config::ServerTls server_;
  ClientCertificates settings_;
  Problems problems_;
};

INSTANTIATE_TEST_SUITE_P(Each, ClientVerification,
                         ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "tls1_2" : "tls1_3";
                         });

// --- who is let in

TEST_P(ClientVerification, a_client_of_the_trust_store_is_let_in_and_known) {
  const auto server = load();
  TlsLink link(server->new_session(), client(client_of(authority())));
  ASSERT_TRUE(link.handshake()) << link.server_error();
  const auto facts = read_client_certificate(*link.server());
  ASSERT_NE(facts, nullptr);
  EXPECT_EQ(facts->subject, "CN=alice");
  EXPECT_EQ(facts->issuer, "CN=root");
  EXPECT_TRUE(facts->is_verified);
  EXPECT_EQ(facts->serial.size() % 2, 0U);
  EXPECT_LT(facts->not_before, std::chrono::system_clock::now());
  EXPECT_GT(facts->not_after, std::chrono::system_clock::now());
  EXPECT_TRUE(facts->leaf_pem.starts_with("-----BEGIN CERTIFICATE-----\n"));
  EXPECT_EQ(facts->chain_pem, facts->leaf_pem);
}

TEST_P(ClientVerification, a_client_without_a_certificate_is_refused) {
  EXPECT_TRUE(contains(refused(*load(), {}), "peer did not return a certificate"));
}

TEST_P(ClientVerification, a_client_of_another_authority_is_refused) {
  const CertificateAuthority stranger("root");  // the same name, another key
  EXPECT_TRUE(contains(refused(*load(), client_of(stranger)), "certificate verify failed"));
}

TEST_P(ClientVerification, a_certificate_that_is_not_for_clients_is_refused) {
  CertificateWish wish;
  wish.usage = "serverAuth";
  EXPECT_TRUE(
      contains(refused(*load(), client_of(authority(), wish)), "unsuitable certificate purpose"));
  wish.usage = "clientAuth";
  EXPECT_TRUE(is_let_in(*load(), client_of(authority(), wish)));
  wish.usage = "";  // for everything (RFC 5280 4.2.1.12)
  EXPECT_TRUE(is_let_in(*load(), client_of(authority(), wish)));
}

TEST_P(ClientVerification, a_certificate_outside_its_time_is_refused) {
  CertificateWish expired;
  expired.valid_from = hours(-48);
  expired.valid_for = hours(-24);
  CertificateWish future;
  future.valid_from = hours(24);
  future.valid_for = hours(48);
  EXPECT_TRUE(
      contains(refused(*load(), client_of(authority(), expired)), "certificate has expired"));
  EXPECT_TRUE(
      contains(refused(*load(), client_of(authority(), future)), "certificate is not yet valid"));
  settings_.ignore_expired = true;
  EXPECT_TRUE(is_let_in(*load(), client_of(authority(), expired)));
  EXPECT_FALSE(is_let_in(*load(), client_of(authority(), future)));
}

TEST_P(ClientVerification, the_end_of_an_authority_is_never_ignored) {
  const CertificateAuthority over("over", authority(), hours(-1));
  settings_.ignore_expired = true;
  EXPECT_TRUE(
      contains(refused(*load(), client_of(over), over.certificate()), "certificate has expired"));
}

TEST_P(ClientVerification, the_client_sends_the_intermediates_and_depth_bounds_them) {
  const CertificateText alice = client_of(intermediate());
  EXPECT_FALSE(is_let_in(*load(), alice));
  EXPECT_TRUE(is_let_in(*load(), alice, intermediate().certificate()));
  settings_.depth = 1;
  EXPECT_TRUE(is_let_in(*load(), alice, intermediate().certificate()));
  settings_.depth = 0;
  EXPECT_TRUE(contains(refused(*load(), alice, intermediate().certificate()),
                       "certificate chain too long"));
  EXPECT_TRUE(is_let_in(*load(), client_of(authority())));
}

TEST_P(ClientVerification, an_intermediate_may_be_the_trust) {
  settings_.trust_store = directory_.write("trust.crt", intermediate().certificate());
  EXPECT_TRUE(is_let_in(*load(), client_of(intermediate())));
  EXPECT_FALSE(is_let_in(*load(), client_of(authority())));
}

TEST_P(ClientVerification, a_chain_longer_than_the_limit_is_refused) {
  settings_.chain_bytes = 1024;
  std::string padding;
  for (int i = 0; i < 4; ++i) padding += intermediate().certificate();
  EXPECT_TRUE(
      contains(refused(*load(), client_of(authority()), padding), "excessive message size"));
  EXPECT_TRUE(is_let_in(*load(), client_of(authority())));
}

TEST_P(ClientVerification, authorities_are_named_only_when_configured) {
  for (const bool advertise : {false, true}) {
    settings_.advertise_trust_store = advertise;
    const auto server = load();
    TlsLink link(server->new_session(), client(client_of(authority())));
    ASSERT_TRUE(link.handshake());
    const STACK_OF(X509_NAME)* const names = SSL_get0_peer_CA_list(link.client());
    EXPECT_EQ(std::max(sk_X509_NAME_num(names), 0), advertise ? 1 : 0);
  }
}

// --- revocation

TEST_P(ClientVerification, revoked_certificates_are_refused_by_lists_in_pem_and_der) {
  const CertificateText alice = client_of(authority());
  const CertificateText bob = client_of(authority());
  const std::string list = authority().revocation_list({alice.certificate});
  for (const std::string& bytes : {list, support::der_of(list)}) {
    settings_.crls = {directory_.write("list.crl", bytes)};
    const auto server = load();
    EXPECT_EQ(all_text(problems_), "");
    EXPECT_TRUE(contains(refused(*server, alice), "certificate revoked"));
    EXPECT_TRUE(is_let_in(*server, bob));
  }
}

TEST_P(ClientVerification, with_lists_every_authority_below_the_trust_needs_one) {
  const CertificateText alice = client_of(intermediate());
  const std::string chain = intermediate().certificate();
  const std::string of_root = authority().revocation_list({});
  const std::string of_intermediate = intermediate().revocation_list({});
  settings_.crls = {directory_.write("root.crl", of_root)};
  EXPECT_TRUE(contains(refused(*load(), alice, chain), "unable to get certificate CRL"));
  settings_.crls = {directory_.write("both.crl", of_root + of_intermediate)};
  EXPECT_TRUE(is_let_in(*load(), alice, chain));
  // Nobody can revoke the trust itself, so it needs no list.
  settings_.trust_store = directory_.write("trust.crt", intermediate().certificate());
  settings_.crls = {directory_.write("one.crl", of_intermediate)};
  EXPECT_TRUE(is_let_in(*load(), alice));
}

TEST_P(ClientVerification, a_revoked_intermediate_refuses_all_its_clients) {
  settings_.crls = {
      directory_.write("root.crl", authority().revocation_list({intermediate().certificate()})),
      directory_.write("intermediate.crl", intermediate().revocation_list({}))};
  EXPECT_TRUE(contains(refused(*load(), client_of(intermediate()), intermediate().certificate()),
                       "certificate revoked"));
}

TEST_P(ClientVerification, a_list_that_is_out_of_date_refuses_and_loading_warns) {
  settings_.crls = {
      directory_.write("old.crl", authority().revocation_list({}, std::chrono::minutes(-1)))};
  const auto server = load();
  EXPECT_TRUE(contains(all_text(problems_), "is out of date"));
  EXPECT_TRUE(contains(refused(*server, client_of(authority())), "CRL has expired"));
}

TEST_P(ClientVerification, a_list_that_another_key_signed_is_not_believed) {
  const CertificateAuthority forger("root");
  settings_.crls = {directory_.write("forged.crl", forger.revocation_list({}))};
  EXPECT_FALSE(is_let_in(*load(), client_of(authority())));
}

// --- passthrough

TEST_P(ClientVerification, passthrough_lets_everybody_in_and_shows_what_they_sent) {
  settings_ = {};
  settings_.mode = ClientCertificateMode::passthrough;
  const auto server = load();
  EXPECT_TRUE(is_let_in(*server, {}));
  const CertificateAuthority stranger("stranger");
  CertificateWish wish;
  wish.valid_from = hours(-48);
  wish.valid_for = hours(-24);
  TlsLink link(server->new_session(),
               client(client_of(stranger, wish), intermediate().certificate()));
  ASSERT_TRUE(link.handshake()) << link.server_error();
  const auto facts = read_client_certificate(*link.server());
  ASSERT_NE(facts, nullptr);
  EXPECT_FALSE(facts->is_verified);
  EXPECT_EQ(facts->issuer, "CN=stranger");
  EXPECT_EQ(facts->chain_pem, facts->leaf_pem + intermediate().certificate());
}

TEST_P(ClientVerification, without_a_mode_nothing_is_asked_for) {
  settings_ = {};
  const auto server = load();
  TlsLink link(server->new_session(), client(client_of(authority())));
  ASSERT_TRUE(link.handshake());
  EXPECT_EQ(read_client_certificate(*link.server()), nullptr);
}

// --- tickets (T20)

TEST_P(ClientVerification, a_resumed_session_keeps_the_identity) {
  const auto server = load();
  const CertificateText alice = client_of(authority());
  const SessionPointer ticket = ticket_of(*server, alice);
  TlsLink link(server->new_session(), client({}, {}, ticket.get()));
  ASSERT_TRUE(link.handshake()) << link.server_error();
  EXPECT_EQ(SSL_session_reused(link.server()), 1);
  const auto facts = read_client_certificate(*link.server());
  ASSERT_NE(facts, nullptr);
  EXPECT_EQ(facts->subject, "CN=alice");
  EXPECT_EQ(facts->leaf_pem, alice.certificate);
  EXPECT_TRUE(facts->is_verified);
  link.end();
}

TEST_P(ClientVerification, a_ticket_without_verification_does_not_resume_into_it) {
  const ClientCertificates verifying = settings_;
  const CertificateText alice = client_of(authority());
  settings_ = {};
  const SessionPointer ticket = ticket_of(*load(), alice);
  EXPECT_TRUE(resumes(*load(), alice, *ticket));
  settings_ = verifying;
  EXPECT_FALSE(resumes(*load(), alice, *ticket));
  // And somebody who has nothing but the ticket stays out.
  TlsLink link(load()->new_session(), client({}, {}, ticket.get()));
  EXPECT_FALSE(link.handshake());
}

TEST_P(ClientVerification, a_ticket_of_one_trust_store_or_list_does_not_resume_under_another) {
  const CertificateText alice = client_of(authority());
  const SessionPointer ticket = ticket_of(*load(), alice);
  EXPECT_TRUE(resumes(*load(), alice, *ticket));
  settings_.crls = {directory_.write("list.crl", authority().revocation_list({}))};
  EXPECT_FALSE(resumes(*load(), alice, *ticket));
  const SessionPointer with_list = ticket_of(*load(), alice);
  EXPECT_TRUE(resumes(*load(), alice, *with_list));
  // Revoked since: the same file name, other bytes.
  settings_.crls = {directory_.write("list.crl", authority().revocation_list({alice.certificate}))};
  TlsLink link(load()->new_session(), client(alice, {}, with_list.get()));
  EXPECT_FALSE(link.handshake());
  settings_.crls.clear();
  settings_.trust_store =
      directory_.write("trust.crt", authority().certificate() + intermediate().certificate());
  EXPECT_FALSE(resumes(*load(), alice, *ticket));
}

TEST_P(ClientVerification, a_ticket_resumes_under_equal_files_of_other_names) {
  const CertificateText alice = client_of(authority());
  const std::string list = authority().revocation_list({});
  settings_.crls = {directory_.write("list.crl", list)};
  const SessionPointer ticket = ticket_of(*load(), alice);
  settings_.trust_store = directory_.write("elsewhere.crt", authority().certificate());
  settings_.crls = {directory_.write("elsewhere.crl", list)};
  EXPECT_TRUE(resumes(*load(), alice, *ticket));
}

// With TLS 1.3 each resumption makes another ticket.
TEST_P(ClientVerification, a_ticket_of_a_resumption_ends_with_the_chain_too) {
  CertificateWish wish;
  wish.valid_for = hours(2);
  const CertificateText alice = client_of(authority(), wish);
  const auto server = load();
  const SslPointer session = server->new_session();
  SessionPointer ticket = ticket_of(*server, alice);
  for (int i = 0; i < 2; ++i) {
    TlsLink link(server->new_session(), client(alice, {}, ticket.get()));
    ASSERT_TRUE(link.handshake()) << link.server_error();
    ASSERT_EQ(SSL_session_reused(link.server()), 1) << i;
    EXPECT_TRUE(link.pass_a_byte_to_the_client());
    const auto may = [&](std::chrono::seconds later) {
      return may_resume(*SSL_get_SSL_CTX(session.get()), *SSL_get_session(link.server()),
                        std::chrono::system_clock::now() + later);
    };
    EXPECT_TRUE(may(hours(1)));
    EXPECT_FALSE(may(hours(3)));
    ticket.reset(SSL_get1_session(link.client()));
    link.end();
  }
}

TEST_P(ClientVerification, a_ticket_ends_with_the_first_certificate_of_the_chain_or_list) {
  const auto now = std::chrono::system_clock::now();
  const auto may = [&](const CertificateWish& wish, std::chrono::seconds later) {
    const auto server = load();
    const SslPointer session = server->new_session();
    TlsLink link(server->new_session(), client(client_of(authority(), wish)));
    EXPECT_TRUE(link.handshake()) << link.server_error();
    EXPECT_TRUE(link.pass_a_byte_to_the_client());
    return may_resume(*SSL_get_SSL_CTX(session.get()), *SSL_get_session(link.server()),
                      now + later);
  };
  CertificateWish wish;
  wish.valid_for = hours(2);
  EXPECT_TRUE(may(wish, hours(1)));
  EXPECT_FALSE(may(wish, hours(3)));
  settings_.crls = {directory_.write("list.crl", authority().revocation_list({}, hours(1)))};
  EXPECT_TRUE(may(wish, std::chrono::minutes(30)));
  EXPECT_FALSE(may(wish, std::chrono::minutes(90)));
  settings_.crls.clear();
  settings_.ignore_expired = true;
  EXPECT_TRUE(may(wish, hours(3)));
}

TEST_P(ClientVerification, passthrough_gives_no_tickets) {
  settings_ = {};
  settings_.mode = ClientCertificateMode::passthrough;
  const auto server = load();
  const CertificateText alice = client_of(authority());
  TlsLink link(server->new_session(), client(alice));
  ASSERT_TRUE(link.handshake());
  ASSERT_TRUE(link.pass_a_byte_to_the_client());
  EXPECT_EQ(SSL_SESSION_has_ticket(SSL_get_session(link.client())), 0);
}

// --- loading

TEST_P(ClientVerification, files_that_cannot_serve_are_reported_together) {
  settings_.trust_store = directory_.path("missing.crt");
  settings_.crls = {directory_.write("text.crl", "no list"),
                    directory_.write("certificate.crl", authority().certificate()),
                    directory_.path("missing.crl")};
  const std::string text = refusal();
  EXPECT_TRUE(contains(text, "tls.client_certificates.trust_store")) << text;
  EXPECT_TRUE(contains(text, "missing.crt")) << text;
  EXPECT_TRUE(contains(text, "text.crl' holds no revocation list")) << text;
  EXPECT_TRUE(contains(text, "certificate.crl' holds no revocation list")) << text;
  EXPECT_TRUE(contains(text, "missing.crl': No such file")) << text;
}

TEST_P(ClientVerification, damaged_files_are_refused) {
  std::string damaged = authority().revocation_list({});
  damaged[damaged.size() / 2] = '!';
  settings_.crls = {directory_.write("damaged.crl", damaged)};
  EXPECT_TRUE(contains(refusal(), "is damaged"));
  settings_.crls.clear();
  settings_.trust_store = directory_.write("empty.crt", "");
  EXPECT_TRUE(contains(refusal(), "holds no certificate"));
}

TEST_P(ClientVerification, a_list_of_a_stranger_is_a_warning) {
  const CertificateAuthority stranger("stranger");
  settings_.crls = {directory_.write("stranger.crl", stranger.revocation_list({}))};
  (void)load();
  EXPECT_TRUE(contains(all_text(problems_), "not in the trust store"));
}

TEST_P(ClientVerification, the_fingerprint_follows_every_setting) {
  std::vector<std::string> seen{load()->fingerprint()};
  const auto is_new = [&] {
    const std::string now = load()->fingerprint();
    const bool is_known = std::find(seen.begin(), seen.end(), now) != seen.end();
    seen.push_back(now);
    return !is_known;
  };
  EXPECT_FALSE(is_new());
  settings_.depth = 2;
  EXPECT_TRUE(is_new());
  settings_.ignore_expired = true;
  EXPECT_TRUE(is_new());
  settings_.advertise_trust_store = true;
  EXPECT_TRUE(is_new());
  settings_.chain_bytes = 4096;
  EXPECT_TRUE(is_new());
  settings_.crls = {directory_.write("list.crl", authority().revocation_list({}))};
  EXPECT_TRUE(is_new());
  server_.check_authority = config::CheckAuthority::off;
  EXPECT_TRUE(is_new());
  settings_ = {};
  settings_.mode = ClientCertificateMode::passthrough;
  EXPECT_TRUE(is_new());
}

}  // namespace
}  // namespace sluice::net
