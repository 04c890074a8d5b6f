#include "sluice/net/tls_context.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "support/certificates.h"
#include "support/tls_link.h"

namespace sluice::net {
namespace {

using config::ClientTls;
using config::Problem;
using config::Problems;
using config::ServerTls;
using config::Severity;
using config::TlsVersion;
using support::CertificateAuthority;
using support::CertificateDirectory;
using support::CertificateText;
using support::CertificateWish;
using support::KeyKind;

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
struct FreeTicket {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using ContextPointer = std::unique_ptr<SSL_CTX, FreeContext>;
using Ticket = std::unique_ptr<SSL_SESSION, FreeTicket>;

// What a client of a test asks for.
struct ClientWish {
  std::string server_name;
  int version = TLS1_3_VERSION;
  std::vector<std::string> protocols;
  const char* signature_algorithms = nullptr;
  const char* ciphers = nullptr;
  const char* groups = nullptr;
  SSL_SESSION* ticket = nullptr;
};

// What the tests of this file ask of a link.
class Connection : public support::TlsLink {
 public:
  using TlsLink::TlsLink;
  ~Connection() { end(); }

  // One message to the client: with TLS 1.3 its ticket comes on the way.
  Ticket ticket() {
    EXPECT_TRUE(pass_a_byte_to_the_client());
    return Ticket(SSL_get1_session(client()));
  }

  [[nodiscard]] bool is_resumed() const { return SSL_session_reused(server()) == 1; }

  // The common name of the certificate the client was shown.
  [[nodiscard]] std::string shown() const {
    X509* certificate = SSL_get0_peer_certificate(client());
    if (certificate == nullptr) return "none";
    char name[256] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof name);
    return name;
  }

  [[nodiscard]] std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned int length = 0;
    SSL_get0_alpn_selected(client(), &name, &length);
    return name == nullptr ? std::string() : std::string(name, name + length);
  }
};

std::string wire_form(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) {
    wire += static_cast<char>(protocol.size());
    wire += protocol;
  }
  return wire;
}

std::string bytes_of(const Ticket& ticket) {
  const unsigned char* bytes = nullptr;
  std::size_t size = 0;
  SSL_SESSION_get0_ticket(ticket.get(), &bytes, &size);
  return {bytes, bytes + size};
}

SslPointer make_client(const ClientWish& wish) {
  const ContextPointer context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), wish.version);
  if (wish.signature_algorithms != nullptr) {
    EXPECT_EQ(SSL_CTX_set1_sigalgs_list(context.get(), wish.signature_algorithms), 1);
  }
  if (wish.ciphers != nullptr) {
    EXPECT_EQ(SSL_CTX_set_cipher_list(context.get(), wish.ciphers), 1);
  }
  if (wish.groups != nullptr) {
    EXPECT_EQ(SSL_CTX_set1_groups_list(context.get(), wish.groups), 1);
  }
  SslPointer client(SSL_new(context.get()));
  SSL_set_connect_state(client.get());
  if (!wish.server_name.empty()) SSL_set_tlsext_host_name(client.get(), wish.server_name.c_str());
  if (!wish.protocols.empty()) {
    const std::string wire = wire_form(wish.protocols);
    SSL_set_alpn_protos(client.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                        static_cast<unsigned>(wire.size()));
  }
  if (wish.ticket != nullptr) {
    EXPECT_EQ(SSL_set_session(client.get(), wish.ticket), 1);
  }
  return client;
}

std::string all_text(const Problems& problems) {
  std::string text;
  for (const Problem& problem : problems.sorted()) text += problem.text() + "\n";
  return text;
}

std::size_t count(const Problems& problems, Severity severity) {
  const std::vector<Problem> all = problems.sorted();
  return static_cast<std::size_t>(
      std::count_if(all.begin(), all.end(),
                    [&](const Problem& problem) { return problem.severity == severity; }));
}

bool mentions(const Problems& problems, std::string_view text) {
  return all_text(problems).find(text) != std::string::npos;
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// One authority for all tests of this file: making keys is the slow part.
const CertificateAuthority& authority() {
  static const CertificateAuthority instance;
  return instance;
}

class TlsContext : public ::testing::Test {
 protected:
  config::CertificateFiles issue(const std::string& file, const CertificateWish& wish) {
    return write(file, authority().issue(wish));
  }

  config::CertificateFiles write(const std::string& file, const CertificateText& text) {
    const config::Position position{"sluice.yaml", ++line_, 5};
    return {directory_.write(file + ".crt", text.certificate),
            directory_.write(file + ".key", text.key), position};
  }

  // A server for the host names given, each with a certificate of its own.
  std::shared_ptr<const ServerTlsContext> serve(const std::vector<std::string>& names) {
    ServerTls settings;
    for (const std::string& name : names) {
      CertificateWish wish;
      wish.names = {name};
      settings.certificates.push_back(issue("certificate" + std::to_string(line_), wish));
    }
    return load(settings);
  }

  std::shared_ptr<const ServerTlsContext> load(const ServerTls& settings) {
    Problems problems;
    auto context = ServerTlsContext::load(settings, keys_, problems);
    EXPECT_NE(context, nullptr) << all_text(problems);
    EXPECT_EQ(all_text(problems), "");
    return context;
  }

  // The problems of settings that must not load.
  Problems refuse(const ServerTls& settings) {
    Problems problems;
    EXPECT_EQ(ServerTlsContext::load(settings, keys_, problems), nullptr);
    EXPECT_TRUE(problems.has_errors());
    return problems;
  }

  std::shared_ptr<const ClientTlsContext> trust(const ClientTls& settings) {
    Problems problems;
    auto context = ClientTlsContext::load(settings, problems);
    EXPECT_NE(context, nullptr) << all_text(problems);
    return context;
  }

  ClientTls trusting_the_authority() {
    ClientTls settings;
    settings.ca = directory_.write("ca.crt", authority().certificate());
    return settings;
  }

  static Connection connect(const ServerTlsContext& server, const ClientWish& wish) {
    return {server.new_session(), make_client(wish)};
  }

  // The certificate shown to a client that asks for `server_name`.
  static std::string shown_for(const ServerTlsContext& server, const std::string& server_name) {
    ClientWish wish;
    wish.server_name = server_name;
    Connection connection = connect(server, wish);
    EXPECT_TRUE(connection.handshake()) << connection.server_error();
    return connection.shown();
  }

  // A ticket that `server` gave to a client for `server_name`.
  static Ticket ticket_of(const ServerTlsContext& server, int version,
                          const std::string& server_name = "a.example") {
    ClientWish wish;
    wish.version = version;
    wish.server_name = server_name;
    Connection connection = connect(server, wish);
    EXPECT_TRUE(connection.handshake()) << connection.server_error();
    EXPECT_FALSE(connection.is_resumed());
    return connection.ticket();
  }

  static bool resumes(const ServerTlsContext& server, const Ticket& ticket,
                      const std::string& server_name = "a.example") {
    EXPECT_EQ(SSL_SESSION_is_resumable(ticket.get()), 1);  // else the client would not even ask
    ClientWish wish;
    wish.version = SSL_SESSION_get_protocol_version(ticket.get());
    wish.server_name = server_name;
    wish.ticket = ticket.get();
    Connection connection = connect(server, wish);
    EXPECT_TRUE(connection.handshake()) << connection.server_error() << connection.client_error();
    return connection.is_resumed();
  }

  CertificateDirectory directory_;
  TicketKeys keys_;
  std::uint32_t line_ = 0;
};

class TlsVersions : public TlsContext, public ::testing::WithParamInterface<int> {};

INSTANTIATE_TEST_SUITE_P(Each, TlsVersions, ::testing::Values(TLS1_2_VERSION, TLS1_3_VERSION),
                         [](const auto& version) {
                           return version.param == TLS1_2_VERSION ? "tls1_2" : "tls1_3";
                         });

// --- handshakes ---------------------------------------------------------------------------------

TEST_P(TlsVersions, a_client_and_a_server_exchange_bytes) {
  const auto server = serve({"a.example"});
  ClientWish wish;
  wish.version = GetParam();
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake()) << connection.server_error();
  EXPECT_EQ(SSL_version(connection.server()), GetParam());
  EXPECT_NE(connection.ticket(), nullptr);
}

TEST_P(TlsVersions, only_ciphers_with_forward_secrecy_and_authentication_are_used) {
  const auto server = serve({"a.example"});
  ClientWish wish;
  wish.version = GetParam();
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake());
  const SSL_CIPHER* cipher = SSL_get_current_cipher(connection.server());
  EXPECT_EQ(SSL_CIPHER_is_aead(cipher), 1);
  EXPECT_TRUE(SSL_CIPHER_get_kx_nid(cipher) == NID_kx_ecdhe ||
              SSL_CIPHER_get_kx_nid(cipher) == NID_kx_any);
}

TEST_F(TlsContext, a_cipher_without_authentication_of_bytes_is_refused) {
  const auto server = serve({"a.example"});
  ClientWish wish;
  wish.version = TLS1_2_VERSION;
  wish.ciphers = "ECDHE-ECDSA-AES128-SHA256";
  Connection connection = connect(*server, wish);
  EXPECT_FALSE(connection.handshake());
  EXPECT_TRUE(contains(connection.server_error(), "no shared cipher")) << connection.server_error();
}

TEST_F(TlsContext, a_client_that_prefers_chacha_gets_it) {
  const auto server = serve({"a.example"});
  ClientWish wish;
  wish.version = TLS1_2_VERSION;
  wish.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256";
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake());
  EXPECT_STREQ(SSL_CIPHER_get_name(SSL_get_current_cipher(connection.server())),
               "ECDHE-ECDSA-CHACHA20-POLY1305");
}

TEST_F(TlsContext, the_minimum_version_is_kept) {
  ServerTls settings;
  CertificateWish certificate;
  certificate.names = {"a.example"};
  settings.certificates = {issue("a", certificate)};
  settings.min_version = TlsVersion::tls1_3;
  const auto server = load(settings);
  ClientWish wish;
  wish.version = TLS1_2_VERSION;
  Connection connection = connect(*server, wish);
  EXPECT_FALSE(connection.handshake());
  EXPECT_TRUE(contains(connection.server_error(), "unsupported protocol"))
      << connection.server_error();
}

TEST_F(TlsContext, the_greatest_version_is_kept) {
  ServerTls settings;
  settings.certificates.push_back(issue("a", {.names = {"a.example"}}));
  settings.max_version = config::TlsVersion::tls1_2;
  const auto server = load(settings);
  Connection connection = connect(*server, {});
  ASSERT_TRUE(connection.handshake()) << connection.server_error();
  EXPECT_EQ(SSL_version(connection.server()), TLS1_2_VERSION);
}

TEST_F(TlsContext, old_versions_do_not_let_weak_certificates_in) {
  ServerTls settings;
  settings.certificates.push_back(
      issue("weak", {.names = {"a.example"}, .common_name = {}, .key = KeyKind::rsa_1024}));
  settings.min_version = config::TlsVersion::tls1_0;
  EXPECT_TRUE(mentions(refuse(settings), "weak.crt' cannot be used: ee key too small"));
}

TEST_F(TlsContext, plain_http_on_a_tls_port_is_an_error_with_a_name) {
  const auto server = serve({"a.example"});
  Connection connection = connect(*server, {});
  const std::string_view request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
  BIO_write(SSL_get_wbio(connection.client()), request.data(), static_cast<int>(request.size()));
  EXPECT_EQ(SSL_do_handshake(connection.server()), -1);
  EXPECT_TRUE(contains(tls_error_text(*connection.server()), "http request"));
}

TEST_F(TlsContext, renegotiation_is_refused) {
  const auto server = serve({"a.example"});
  ClientWish wish;
  wish.version = TLS1_2_VERSION;
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake());
  ASSERT_EQ(SSL_renegotiate(connection.client()), 1);
  EXPECT_EQ(SSL_do_handshake(connection.client()), -1);  // sent, waits
  char received = 0;
  EXPECT_LE(SSL_read(connection.server(), &received, 1), 0);
  EXPECT_EQ(SSL_do_handshake(connection.client()), -1);
  EXPECT_TRUE(contains(tls_error_text(*connection.client()), "no renegotiation"));
}

TEST_F(TlsContext, early_data_is_never_offered) {
  const auto server = serve({"a.example"});
  const Ticket ticket = ticket_of(*server, TLS1_3_VERSION);
  EXPECT_EQ(SSL_SESSION_get_max_early_data(ticket.get()), 0U);
}

TEST_F(TlsContext, a_session_outlives_its_context) {
  auto server = serve({"a.example", "b.example"});
  ClientWish wish;
  wish.server_name = "b.example";
  Connection connection = connect(*server, wish);
  server.reset();
  ASSERT_TRUE(connection.handshake()) << connection.server_error();
  EXPECT_EQ(connection.shown(), "b.example");
}

TEST_P(TlsVersions, a_truncated_connection_is_told_from_one_that_ended) {
  const auto server = serve({"a.example"});
  ClientWish wish;
  wish.version = GetParam();
  for (const bool says_goodbye : {true, false}) {
    Connection connection = connect(*server, wish);
    ASSERT_TRUE(connection.handshake());
    if (says_goodbye) SSL_shutdown(connection.client());
    BIO_shutdown_wr(SSL_get_wbio(connection.client()));
    char received = 0;
    const int result = SSL_read(connection.server(), &received, 1);
    EXPECT_EQ(SSL_get_error(connection.server(), result),
              says_goodbye ? SSL_ERROR_ZERO_RETURN : SSL_ERROR_SSL);
    ERR_clear_error();
  }
}

// --- certificates by name -----------------------------------------------------------------------

TEST_F(TlsContext, the_certificate_is_chosen_by_the_exact_name) {
  const auto server = serve({"a.example", "b.example", "c.example"});
  EXPECT_EQ(shown_for(*server, "b.example"), "b.example");
  EXPECT_EQ(shown_for(*server, "c.example"), "c.example");
}

// The first guess of the client at a group is wrong, so it says hello twice (RFC 8446 4.1.4).
TEST_F(TlsContext, the_certificate_stays_the_same_when_the_client_must_try_again) {
  const auto server = serve({"a.example", "b.example"});
  ClientWish wish;
  wish.server_name = "b.example";
  wish.groups = "P-521:P-256";
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake()) << connection.server_error();
  EXPECT_EQ(connection.shown(), "b.example");
  EXPECT_EQ(SSL_get_negotiated_group(connection.server()), NID_X9_62_prime256v1);
}

TEST_F(TlsContext, names_are_compared_without_regard_to_case) {
  const auto server = serve({"a.example", "B.Example"});
  EXPECT_EQ(shown_for(*server, "b.EXAMPLE"), "B.Example");
}

TEST_F(TlsContext, a_wildcard_covers_one_label_and_no_more) {
  const auto server = serve({"a.example", "*.b.example"});
  EXPECT_EQ(shown_for(*server, "x.b.example"), "*.b.example");
  EXPECT_EQ(shown_for(*server, "x.y.b.example"), "a.example");
  EXPECT_EQ(shown_for(*server, "b.example"), "a.example");
}

TEST_F(TlsContext, an_exact_name_wins_over_a_wildcard) {
  const auto server = serve({"a.example", "*.b.example", "x.b.example"});
  EXPECT_EQ(shown_for(*server, "x.b.example"), "x.b.example");
}

TEST_F(TlsContext, without_a_name_or_a_match_the_first_certificate_is_shown) {
  const auto server = serve({"a.example", "b.example"});
  EXPECT_EQ(shown_for(*server, ""), "a.example");
  EXPECT_EQ(shown_for(*server, "unknown.example"), "a.example");
}

TEST_F(TlsContext, the_common_name_counts_only_without_alternative_names) {
  CertificateWish first;
  first.names = {"a.example"};
  CertificateWish named;
  named.common_name = "b.example";
  CertificateWish both;
  both.names = {"c.example"};
  both.common_name = "d.example";
  ServerTls settings;
  settings.certificates = {issue("a", first), issue("b", named), issue("c", both)};
  const auto server = load(settings);
  EXPECT_EQ(shown_for(*server, "b.example"), "b.example");
  EXPECT_EQ(shown_for(*server, "c.example"), "d.example");
  EXPECT_EQ(shown_for(*server, "d.example"), "a.example");
}

// T20
TEST_F(TlsContext, a_name_with_a_nul_inside_serves_nobody) {
  CertificateWish first;
  first.names = {"a.example"};
  CertificateWish hostile;
  hostile.names = {std::string("b.example\0.evil.example", 23), "c.example"};
  hostile.common_name = "hostile";
  ServerTls settings;
  settings.certificates = {issue("a", first), issue("b", hostile)};
  Problems problems;
  const auto server = ServerTlsContext::load(settings, keys_, problems);
  ASSERT_NE(server, nullptr);
  EXPECT_TRUE(mentions(problems, "b.crt' has a name that is not a host name"))
      << all_text(problems);
  EXPECT_EQ(shown_for(*server, "b.example"), "a.example");
  EXPECT_EQ(shown_for(*server, "c.example"), "hostile");
}

TEST_P(TlsVersions, rsa_and_ecdsa_of_one_name_serve_each_client_what_it_understands) {
  CertificateWish first;
  first.names = {"a.example"};
  CertificateWish rsa;
  rsa.names = {"b.example"};
  rsa.common_name = "rsa";
  rsa.key = KeyKind::rsa_2048;
  CertificateWish ecdsa = rsa;
  ecdsa.common_name = "ecdsa";
  ecdsa.key = KeyKind::ecdsa_p256;
  ServerTls settings;
  settings.certificates = {issue("a", first), issue("rsa", rsa), issue("ecdsa", ecdsa)};
  const auto server = load(settings);

  ClientWish wish;
  wish.version = GetParam();
  wish.server_name = "b.example";
  wish.signature_algorithms = "rsa_pss_rsae_sha256:RSA+SHA256";
  Connection old_client = connect(*server, wish);
  ASSERT_TRUE(old_client.handshake()) << old_client.server_error();
  EXPECT_EQ(old_client.shown(), "rsa");

  wish.signature_algorithms = "rsa_pss_rsae_sha256:ECDSA+SHA256";
  Connection new_client = connect(*server, wish);
  ASSERT_TRUE(new_client.handshake()) << new_client.server_error();
  EXPECT_EQ(new_client.shown(), "ecdsa");
}

TEST_F(TlsContext, the_default_certificate_too_may_have_two_kinds_of_keys) {
  CertificateWish ecdsa;
  ecdsa.names = {"a.example"};
  ecdsa.common_name = "ecdsa";
  CertificateWish rsa = ecdsa;
  rsa.common_name = "rsa";
  rsa.key = KeyKind::rsa_2048;
  ServerTls settings;
  settings.certificates = {issue("ecdsa", ecdsa), issue("rsa", rsa)};
  const auto server = load(settings);
  ClientWish wish;
  wish.signature_algorithms = "rsa_pss_rsae_sha256";
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake()) << connection.server_error();
  EXPECT_EQ(connection.shown(), "rsa");
}

TEST_F(TlsContext, an_eddsa_certificate_serves) {
  CertificateWish wish;
  wish.names = {"a.example"};
  wish.key = KeyKind::ed25519;
  ServerTls settings;
  settings.certificates = {issue("a", wish)};
  EXPECT_EQ(shown_for(*load(settings), "a.example"), "a.example");
}

TEST_F(TlsContext, of_two_certificates_with_one_name_and_kind_the_first_serves) {
  CertificateWish first;
  first.names = {"a.example"};
  CertificateWish second;
  second.names = {"b.example"};
  second.common_name = "second";
  CertificateWish third = second;
  third.common_name = "third";
  ServerTls settings;
  settings.certificates = {issue("a", first), issue("b", second), issue("c", third)};
  Problems problems;
  const auto server = ServerTlsContext::load(settings, keys_, problems);
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(shown_for(*server, "b.example"), "second");
  EXPECT_EQ(count(problems, Severity::warning), 1U);
  EXPECT_TRUE(mentions(problems, "c.crt' is never used")) << all_text(problems);
}

TEST_F(TlsContext, the_server_name_is_known_after_a_resumption_too) {
  const auto server = serve({"a.example"});
  const Ticket ticket = ticket_of(*server, TLS1_2_VERSION, "unknown.example");
  ClientWish wish;
  wish.version = TLS1_2_VERSION;
  wish.server_name = "unknown.example";
  wish.ticket = ticket.get();
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake());
  ASSERT_TRUE(connection.is_resumed());
  EXPECT_STREQ(SSL_get_servername(connection.server(), TLSEXT_NAMETYPE_host_name),
               "unknown.example");
}

// --- protocols (RFC 7301) -----------------------------------------------------------------------

TEST_F(TlsContext, http_1_1_is_selected_when_offered) {
  const auto server = serve({"a.example", "b.example"});
  for (const char* name : {"a.example", "b.example"}) {  // with and without a change of certificate
    ClientWish wish;
    wish.server_name = name;
    wish.protocols = {"h2", "http/1.0", "http/1.1"};
    Connection connection = connect(*server, wish);
    ASSERT_TRUE(connection.handshake());
    EXPECT_EQ(connection.protocol(), "http/1.1");
  }
}

TEST_F(TlsContext, a_client_of_http_1_0_is_served) {
  const auto server = serve({"a.example"});
  ClientWish wish;
  wish.protocols = {"http/1.0"};
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake());
  EXPECT_EQ(connection.protocol(), "http/1.0");
}

TEST_F(TlsContext, a_client_that_offers_no_protocol_is_served) {
  const auto server = serve({"a.example"});
  Connection connection = connect(*server, {});
  ASSERT_TRUE(connection.handshake());
  EXPECT_EQ(connection.protocol(), "");
}

TEST_P(TlsVersions, a_client_of_other_protocols_is_refused_with_the_alert_for_it) {
  const auto server = serve({"a.example"});
  ClientWish wish;
  wish.version = GetParam();
  wish.protocols = {"h2", "smtp"};
  Connection connection = connect(*server, wish);
  EXPECT_FALSE(connection.handshake());
  EXPECT_TRUE(contains(connection.client_error(), "no application protocol"))
      << connection.client_error();
}

TEST_P(TlsVersions, http_2_comes_first_where_it_is_offered) {
  ServerTls settings;
  settings.certificates.push_back(issue("a", {.names = {"a.example"}}));
  settings.offer_http2 = true;
  const auto server = load(settings);
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"http/1.1", "h2"}, "h2"},
      {{"h2"}, "h2"},
      {{"http/1.1"}, "http/1.1"},
      {{"smtp", "http/1.0"}, "http/1.0"},
      {{}, ""}};
  for (const auto& [offered, chosen] : cases) {
    ClientWish wish;
    wish.version = GetParam();
    wish.protocols = offered;
    Connection connection = connect(*server, wish);
    ASSERT_TRUE(connection.handshake()) << connection.server_error();
    EXPECT_EQ(connection.protocol(), chosen);
  }
  ClientWish wish;
  wish.version = GetParam();
  wish.protocols = {"smtp"};
  Connection connection = connect(*server, wish);
  EXPECT_FALSE(connection.handshake());
  EXPECT_TRUE(contains(connection.client_error(), "no application protocol"))
      << connection.client_error();
}

TEST_F(TlsContext, http_2_is_not_chosen_with_a_cipher_that_it_forbids) {  // RFC 9113 9.2.2
  ServerTls settings;
  settings.certificates.push_back(issue("a", {.names = {"a.example"}}));
  settings.offer_http2 = true;
  settings.ciphers = "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256";
  const auto server = load(settings);
  for (const auto& [cipher, chosen] : {std::pair{"ECDHE-ECDSA-AES128-SHA256", "http/1.1"},
                                       {"ECDHE-ECDSA-AES128-GCM-SHA256", "h2"}}) {
    ClientWish wish;
    wish.version = TLS1_2_VERSION;
    wish.ciphers = cipher;
    wish.protocols = {"h2", "http/1.1"};
    Connection connection = connect(*server, wish);
    ASSERT_TRUE(connection.handshake()) << connection.server_error();
    EXPECT_EQ(connection.protocol(), chosen);
  }
}

TEST_F(TlsContext, a_context_that_offers_http_2_is_not_equal_to_one_that_does_not) {
  ServerTls settings;
  settings.certificates.push_back(issue("a", {.names = {"a.example"}}));
  const std::string without = load(settings)->fingerprint();
  settings.offer_http2 = true;
  EXPECT_NE(load(settings)->fingerprint(), without);
}

// --- tickets ------------------------------------------------------------------------------------

TEST_P(TlsVersions, a_ticket_resumes_on_the_same_context) {
  const auto server = serve({"a.example"});
  EXPECT_TRUE(resumes(*server, ticket_of(*server, GetParam())));
}

TEST_P(TlsVersions, a_ticket_resumes_on_another_context_of_the_same_files) {
  ServerTls settings;
  CertificateWish wish;
  wish.names = {"a.example"};
  settings.certificates = {issue("a", wish)};
  const Ticket ticket = ticket_of(*load(settings), GetParam());
  EXPECT_TRUE(resumes(*load(settings), ticket));
}

TEST_P(TlsVersions, a_ticket_resumes_where_the_name_changes_the_certificate) {
  const auto server = serve({"a.example", "b.example"});
  EXPECT_TRUE(resumes(*server, ticket_of(*server, GetParam(), "b.example"), "b.example"));
}

TEST_P(TlsVersions, a_ticket_lives_through_rotations_until_its_key_is_dropped) {
  const auto server = serve({"a.example"});
  const Ticket ticket = ticket_of(*server, GetParam());
  for (std::size_t rotation = 1; rotation < TicketKeys::kept; ++rotation) {
    keys_.rotate();
    ASSERT_TRUE(resumes(*server, ticket)) << "after " << rotation << " rotations";
  }
  keys_.rotate();
  EXPECT_FALSE(resumes(*server, ticket));
}

TEST_P(TlsVersions, a_ticket_of_an_older_key_is_renewed_with_the_newest) {
  const auto server = serve({"a.example"});
  const Ticket old_ticket = ticket_of(*server, GetParam());
  keys_.rotate();
  ClientWish wish;
  wish.version = GetParam();
  wish.server_name = "a.example";
  wish.ticket = old_ticket.get();
  Connection connection = connect(*server, wish);
  ASSERT_TRUE(connection.handshake());
  ASSERT_TRUE(connection.is_resumed());
  const Ticket renewed = connection.ticket();

  for (std::size_t rotation = 1; rotation < TicketKeys::kept; ++rotation) keys_.rotate();
  EXPECT_FALSE(resumes(*server, old_ticket));
  EXPECT_TRUE(resumes(*server, renewed));
}

// RFC 8446 C.4: OpenSSL's clients use a ticket of TLS 1.3 once; without another one their next
// connection is a full handshake again.
TEST_P(TlsVersions, each_resumption_leads_to_the_next) {
  const auto server = serve({"a.example"});
  Ticket ticket = ticket_of(*server, GetParam());
  for (int i = 0; i < 3; ++i) {
    ClientWish wish;
    wish.version = GetParam();
    wish.server_name = "a.example";
    wish.ticket = ticket.get();
    Connection connection = connect(*server, wish);
    ASSERT_TRUE(connection.handshake());
    ASSERT_TRUE(connection.is_resumed()) << "resumption " << i;
    Ticket next = connection.ticket();
    EXPECT_EQ(bytes_of(next) != bytes_of(ticket), GetParam() == TLS1_3_VERSION);
    ticket = std::move(next);
  }
}

TEST_P(TlsVersions, a_ticket_of_another_process_does_not_resume) {
  const auto server = serve({"a.example"});
  const Ticket ticket = ticket_of(*server, GetParam());
  TicketKeys other_keys;
  ServerTls settings;
  settings.certificates = {
      {server->certificates().front().file, directory_.path("certificate0.key"), {}}};
  Problems problems;
  const auto other = ServerTlsContext::load(settings, other_keys, problems);
  ASSERT_NE(other, nullptr) << all_text(problems);
  EXPECT_FALSE(resumes(*other, ticket));
}

// T20
TEST_P(TlsVersions, a_ticket_of_one_certificate_set_does_not_resume_under_another) {
  CertificateWish a;
  a.names = {"a.example"};
  CertificateWish b;
  b.names = {"b.example"};
  ServerTls small;
  small.certificates = {issue("a", a)};
  ServerTls large = small;
  large.certificates.push_back(issue("b", b));
  const auto first = load(small);
  const auto second = load(large);
  EXPECT_FALSE(resumes(*second, ticket_of(*first, GetParam())));
  EXPECT_FALSE(resumes(*first, ticket_of(*second, GetParam())));
}

// T20
TEST_P(TlsVersions, a_ticket_of_one_server_name_does_not_resume_for_another) {
  const auto server = serve({"a.example", "b.example"});
  EXPECT_FALSE(resumes(*server, ticket_of(*server, GetParam(), "a.example"), "b.example"));
  EXPECT_FALSE(resumes(*server, ticket_of(*server, GetParam(), "x.example"), "y.example"));
  EXPECT_FALSE(resumes(*server, ticket_of(*server, GetParam(), "a.example"), ""));
}

TEST_F(TlsContext, a_full_handshake_of_tls_1_3_gives_one_ticket) {
  const auto server = serve({"a.example"});
  EXPECT_EQ(SSL_get_num_tickets(server->new_session().get()), 1U);
}

TEST_F(TlsContext, the_life_of_a_ticket_is_what_the_keys_allow) {
  const auto server = serve({"a.example"});
  const Ticket ticket = ticket_of(*server, TLS1_3_VERSION);
  EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(ticket.get()), 12U * 3600U);
}

// --- OCSP answers -------------------------------------------------------------------------------

class TlsOcsp : public TlsContext {
 protected:
  // An answer about the certificate in `files`, good from and to these seconds from now; signed by
  // just anybody: without the issuer in the chain that is not looked at.
  std::string answer(const config::CertificateFiles& files, long from, long until) {
    const auto leaf = read_certificate(files.certificate);
    const auto issuer = read_certificate(directory_.write("ca.crt", authority().certificate()));
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> key_file(
        BIO_new_file(files.key.c_str(), "r"), BIO_free_all);
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        PEM_read_bio_PrivateKey(key_file.get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
    const std::unique_ptr<OCSP_BASICRESP, decltype(&OCSP_BASICRESP_free)> basic(
        OCSP_BASICRESP_new(), OCSP_BASICRESP_free);
    const std::unique_ptr<OCSP_CERTID, decltype(&OCSP_CERTID_free)> id(
        OCSP_cert_to_id(EVP_sha1(), leaf.get(), issuer.get()), OCSP_CERTID_free);
    const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> begin(
        X509_gmtime_adj(nullptr, from), ASN1_TIME_free);
    const std::unique_ptr<ASN1_TIME, decltype(&ASN1_TIME_free)> end(X509_gmtime_adj(nullptr, until),
                                                                    ASN1_TIME_free);
    EXPECT_NE(OCSP_basic_add1_status(basic.get(), id.get(), V_OCSP_CERTSTATUS_GOOD, 0, nullptr,
                                     begin.get(), end.get()),
              nullptr);
    EXPECT_EQ(OCSP_basic_sign(basic.get(), leaf.get(), key.get(), EVP_sha256(), nullptr, 0), 1);
    const std::unique_ptr<OCSP_RESPONSE, decltype(&OCSP_RESPONSE_free)> response(
        OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()), OCSP_RESPONSE_free);
    unsigned char* bytes = nullptr;
    const int size = i2d_OCSP_RESPONSE(response.get(), &bytes);
    const std::string text(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return text;
  }

  // What a client is shown that asks for an answer; empty: nothing.
  static std::string stapled(const ServerTlsContext& server) {
    SslPointer client = make_client({});
    SSL_set_tlsext_status_type(client.get(), TLSEXT_STATUSTYPE_ocsp);
    Connection connection(server.new_session(), std::move(client));
    EXPECT_TRUE(connection.handshake()) << connection.server_error();
    const unsigned char* bytes = nullptr;
    const long size = SSL_get_tlsext_status_ocsp_resp(connection.client(), &bytes);
    return bytes == nullptr ? std::string() : std::string(bytes, bytes + size);
  }

 private:
  static std::unique_ptr<X509, decltype(&X509_free)> read_certificate(const std::string& path) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> file(BIO_new_file(path.c_str(), "r"),
                                                             BIO_free_all);
    return {PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr), X509_free};
  }
};

TEST_F(TlsOcsp, a_good_answer_is_stapled_and_one_past_its_time_is_left_out_with_a_warning) {
  ServerTls settings;
  settings.certificates.push_back(issue("a", {.names = {"a.example"}}));
  config::CertificateFiles& files = settings.certificates.front();
  const std::string good = answer(files, -3600, 3600);
  files.ocsp = directory_.write("a.der", good);
  EXPECT_EQ(stapled(*load(settings)), good);
  for (const auto& [from, until, words] :
       {std::tuple{-7200L, -3600L, "has expired"}, {3600L, 7200L, "is not valid yet"}}) {
    directory_.write("a.der", answer(files, from, until));
    Problems problems;
    const auto server = ServerTlsContext::load(settings, keys_, problems);
    ASSERT_NE(server, nullptr) << all_text(problems);
    EXPECT_EQ(count(problems, Severity::warning), 1U);
    EXPECT_TRUE(mentions(problems, words)) << all_text(problems);
    EXPECT_EQ(stapled(*server), "");
  }
}

TEST_F(TlsOcsp, an_answer_that_is_broken_cut_or_about_another_certificate_is_refused) {
  ServerTls settings;
  settings.certificates.push_back(issue("a", {.names = {"a.example"}}));
  config::CertificateFiles& files = settings.certificates.front();
  const std::string good = answer(files, -3600, 3600);
  const std::string other = answer(issue("b", {.names = {"a.example"}}), -3600, 3600);
  for (const auto& [text, words] : {std::pair{std::string(), "is not an OCSP response"},
                                    {good.substr(0, good.size() - 1), "is not an OCSP response"},
                                    {good + "x", "is not an OCSP response"},
                                    {other, "is not about the certificate"}}) {
    files.ocsp = directory_.write("a.der", text);
    EXPECT_TRUE(mentions(refuse(settings), words));
  }
}

TEST_F(TlsOcsp, a_new_answer_changes_the_fingerprint_and_tickets_still_resume) {
  ServerTls settings;
  settings.certificates.push_back(issue("a", {.names = {"a.example"}}));
  config::CertificateFiles& files = settings.certificates.front();
  const auto without = load(settings);
  files.ocsp = directory_.write("a.der", answer(files, -3600, 3600));
  const auto with = load(settings);
  EXPECT_NE(with->fingerprint(), without->fingerprint());
  EXPECT_TRUE(resumes(*with, ticket_of(*without, TLS1_3_VERSION)));
}

class TlsTicketFile : public TlsContext {
 protected:
  // A key whose bytes are all `fill`, as a line of the file.
  static std::string line(unsigned char fill) {
    const std::vector<unsigned char> bytes(80, fill);
    std::string text(108, '\0');
    EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(), 80);
    return text + "\n";
  }

  ServerTls settings_with(const std::string& text) {
    ServerTls settings;
    settings.certificates.push_back(files_);
    settings.ticket_keys_file = directory_.write("tickets", text);
    settings.ticket_keys_position = {"sluice.yaml", 7, 3};
    return settings;
  }

  config::CertificateFiles files_ = issue("a", {.names = {"a.example"}});
};

TEST_F(TlsTicketFile, a_ticket_of_another_process_resumes_while_one_of_its_keys_is_there) {
  const auto one = load(settings_with(line(1)));
  const auto two = load(settings_with("# newest first\n\n" + line(2) + line(1)));
  const auto three = load(settings_with(line(3) + line(2)));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const Ticket ticket = ticket_of(*one, version);
    EXPECT_TRUE(resumes(*two, ticket));
    EXPECT_FALSE(resumes(*three, ticket));
  }
  EXPECT_NE(one->fingerprint(), two->fingerprint());
}

TEST_F(TlsTicketFile, what_is_no_key_is_refused_with_its_line_and_never_shown) {
  const std::string secret = line(9);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "holds no key"},
      {"# nothing\n", "holds no key"},
      {line(1) + secret.substr(1), "line 2 is not the Base64 of 80 bytes"},
      {line(1) + "\n" + line(1), "line 3 has a key with the same first 16 bytes"},
      {std::string(107, '!') + "=\n", "line 1 is not the Base64"}};
  for (const auto& [text, words] : cases) {
    const Problems problems = refuse(settings_with(text));
    EXPECT_TRUE(mentions(problems, words)) << all_text(problems);
    EXPECT_TRUE(mentions(problems, "sluice.yaml:7:3: tls.ticket_keys.file")) << all_text(problems);
    EXPECT_FALSE(mentions(problems, secret.substr(1, 40)));
  }
  std::string many;
  for (unsigned char key = 1; key <= 17; ++key) many += line(key);
  EXPECT_TRUE(mentions(refuse(settings_with(many)), "more than 16 keys"));
}

TEST_F(TlsTicketFile, without_tickets_none_is_given) {
  ServerTls settings;
  settings.certificates.push_back(files_);
  settings.session_tickets = false;
  const auto server = load(settings);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    ClientWish wish;
    wish.version = version;
    Connection connection = connect(*server, wish);
    ASSERT_TRUE(connection.handshake()) << connection.server_error();
    EXPECT_EQ(SSL_SESSION_has_ticket(connection.ticket().get()), 0);
  }
}

TEST(TicketKeys, the_newest_key_is_told_from_the_older_ones) {
  TicketKeys keys;
  const TicketKeys::Key old_key = keys.newest();
  keys.rotate();
  const TicketKeys::Key new_key = keys.newest();
  EXPECT_NE(old_key.name, new_key.name);
  EXPECT_NE(old_key.aes, new_key.aes);
  EXPECT_NE(old_key.hmac, new_key.hmac);

  TicketKeys::Key found;
  bool is_newest = false;
  ASSERT_TRUE(keys.find(new_key.name.data(), found, is_newest));
  EXPECT_TRUE(is_newest);
  ASSERT_TRUE(keys.find(old_key.name.data(), found, is_newest));
  EXPECT_FALSE(is_newest);
  EXPECT_EQ(found.aes, old_key.aes);
  const std::array<unsigned char, 16> unknown{};
  EXPECT_FALSE(keys.find(unknown.data(), found, is_newest));
}

// --- what is wrong with the files
// -----------------------------------------------------------------

class TlsFiles : public TlsContext {
 protected:
  TlsFiles() {
    CertificateWish wish;
    wish.names = {"a.example"};
    text_ = authority().issue(wish);
    settings_.certificates = {write("a", text_)};
  }

  config::CertificateFiles& files() { return settings_.certificates.front(); }

  // The one error of these settings.
  std::string error() {
    const Problems problems = refuse(settings_);
    EXPECT_EQ(count(problems, Severity::error), 1U) << all_text(problems);
    return all_text(problems);
  }

  // The warnings of these settings, which load.
  std::string warnings() {
    Problems problems;
    EXPECT_NE(ServerTlsContext::load(settings_, keys_, problems), nullptr);
    EXPECT_FALSE(problems.has_errors());
    return all_text(problems);
  }

  CertificateText text_;
  ServerTls settings_;
};

TEST_F(TlsFiles, missing_files_are_both_reported_with_their_place) {
  files().certificate = directory_.path("gone.crt");
  files().key = directory_.path("gone.key");
  const Problems problems = refuse(settings_);
  EXPECT_EQ(count(problems, Severity::error), 2U);
  EXPECT_TRUE(mentions(problems,
                       "sluice.yaml:1:5: tls.certificates.cert: cannot read the certificate file"));
  EXPECT_TRUE(mentions(problems, "gone.crt': No such file or directory")) << all_text(problems);
  EXPECT_TRUE(mentions(problems, "gone.key': No such file or directory")) << all_text(problems);
}

TEST_F(TlsFiles, a_directory_is_no_file) {
  files().certificate = directory_.path("");
  EXPECT_TRUE(contains(error(), "not a regular file"));
}

TEST_F(TlsFiles, a_pipe_that_nobody_writes_to_does_not_hold_up_loading) {
  files().key = directory_.path("pipe");
  ASSERT_EQ(::mkfifo(files().key.c_str(), 0600), 0);
  EXPECT_TRUE(contains(error(), "not a regular file"));
}

TEST_F(TlsFiles, a_certificate_file_that_is_not_pem_is_refused) {
  directory_.write("a.crt", "\x30\x82\x01\x02 binary");
  EXPECT_TRUE(contains(error(), "a.crt' is not PEM or holds no certificate"));
  directory_.write("a.crt", "");
  EXPECT_TRUE(contains(error(), "a.crt' is not PEM or holds no certificate"));
  directory_.write("a.crt", text_.key);  // the two files swapped
  EXPECT_TRUE(contains(error(), "a.crt' is not PEM or holds no certificate"));
}

TEST_F(TlsFiles, a_key_file_that_is_not_pem_is_refused) {
  directory_.write("a.key", "not a key");
  EXPECT_TRUE(contains(error(), "a.key' is not PEM or holds no private key"));
  directory_.write("a.key", text_.certificate);
  EXPECT_TRUE(contains(error(), "a.key' is not PEM or holds no private key"));
}

TEST_F(TlsFiles, damaged_files_are_refused) {
  directory_.write("a.crt", text_.certificate.substr(0, text_.certificate.size() / 2));
  EXPECT_TRUE(contains(error(), "a certificate in '"));
  directory_.write("a.crt", text_.certificate);
  std::string key = text_.key;
  key.replace(key.find('\n') + 1, 8, "AAAAAAAA");
  directory_.write("a.key", key);
  EXPECT_TRUE(contains(error(), "is damaged"));
}

TEST_F(TlsFiles, a_damaged_certificate_after_good_ones_is_refused) {
  directory_.write("a.crt", text_.certificate +
                                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_TRUE(contains(error(), "is damaged"));
}

TEST_F(TlsFiles, an_encrypted_key_is_refused_without_asking_for_its_passphrase) {
  directory_.write("a.key", support::encrypted_key(text_));
  EXPECT_TRUE(contains(error(), "is encrypted"));
}

TEST_F(TlsFiles, a_key_of_another_certificate_is_refused) {
  CertificateWish wish;
  wish.names = {"b.example"};
  directory_.write("a.key", authority().issue(wish).key);
  EXPECT_TRUE(contains(error(), "does not match the certificate"));
}

TEST_F(TlsFiles, a_key_too_short_to_be_safe_is_refused_when_loaded_and_not_in_the_handshake) {
  CertificateWish wish;
  wish.names = {"b.example"};
  wish.key = KeyKind::rsa_1024;
  settings_.certificates.push_back(issue("weak", wish));
  EXPECT_TRUE(contains(error(), "weak.crt' cannot be used: ee key too small"));
}

TEST_F(TlsFiles, an_expired_certificate_is_a_warning) {
  CertificateWish wish;
  wish.names = {"a.example"};
  wish.valid_from = std::chrono::hours(-48);
  wish.valid_for = std::chrono::hours(-24);
  write("a", authority().issue(wish));
  EXPECT_TRUE(contains(warnings(), "a.crt' has expired on 2"));
}

TEST_F(TlsFiles, a_certificate_of_the_future_is_a_warning) {
  CertificateWish wish;
  wish.names = {"a.example"};
  wish.valid_from = std::chrono::hours(24);
  wish.valid_for = std::chrono::hours(48);
  write("a", authority().issue(wish));
  EXPECT_TRUE(contains(warnings(), "a.crt' is not valid before 2"));
}

TEST_F(TlsFiles, a_chain_out_of_order_is_a_warning) {
  CertificateWish wish;
  wish.names = {"b.example"};
  directory_.write("a.crt", text_.certificate + authority().issue(wish).certificate);
  EXPECT_TRUE(contains(warnings(), "certificate 2 in '"));
  directory_.write("a.crt", text_.certificate + authority().certificate());
  EXPECT_EQ(warnings(), "");
}

TEST_F(TlsFiles, a_key_that_everybody_may_read_is_a_warning) {
  directory_.write("a.key", text_.key, 0644);
  EXPECT_TRUE(contains(warnings(), "every user of this machine may read the private key"));
}

TEST_F(TlsFiles, unknown_words_of_a_list_are_reported_one_by_one) {
  settings_.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:AES999:!RC4:NOPE";
  settings_.ciphersuites = "TLS_AES_128_GCM_SHA256:TLS_NOPE";
  settings_.groups = "X25519:P-999";
  const Problems problems = refuse(settings_);
  EXPECT_EQ(count(problems, Severity::error), 4U) << all_text(problems);
  EXPECT_TRUE(mentions(problems, "tls.ciphers: unknown cipher 'AES999'")) << all_text(problems);
  EXPECT_TRUE(mentions(problems, "tls.ciphers: unknown cipher 'NOPE'"));
  EXPECT_TRUE(mentions(problems, "tls.ciphersuites: unknown TLS 1.3 ciphersuite 'TLS_NOPE'"));
  EXPECT_TRUE(mentions(problems, "tls.groups: unknown group 'P-999'"));
}

TEST_F(TlsFiles, the_lists_of_the_operator_are_used) {
  settings_.ciphers = "ECDHE+AESGCM:!RC4:@STRENGTH";
  settings_.ciphersuites = "TLS_CHACHA20_POLY1305_SHA256";
  settings_.groups = "P-384";
  const auto server = load(settings_);
  Connection newer = connect(*server, {});
  ASSERT_TRUE(newer.handshake()) << newer.server_error();
  EXPECT_STREQ(SSL_get_cipher_name(newer.server()), "TLS_CHACHA20_POLY1305_SHA256");
  EXPECT_EQ(SSL_get_negotiated_group(newer.server()), NID_secp384r1);
  ClientWish wish;
  wish.version = TLS1_2_VERSION;
  Connection older = connect(*server, wish);
  ASSERT_TRUE(older.handshake()) << older.server_error();
  EXPECT_STREQ(SSL_get_cipher_name(older.server()), "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST_F(TlsFiles, no_certificate_at_all_is_refused) {
  settings_.certificates.clear();
  EXPECT_TRUE(contains(error(), "needs at least one certificate"));
}

TEST_F(TlsFiles, the_fingerprint_follows_bytes_and_settings) {
  const std::string before = load(settings_)->fingerprint();
  EXPECT_EQ(before.size(), 64U);
  EXPECT_EQ(load(settings_)->fingerprint(), before);
  settings_.groups = "X25519";
  EXPECT_NE(load(settings_)->fingerprint(), before);
  settings_.groups.clear();
  settings_.max_version = config::TlsVersion::tls1_2;
  EXPECT_NE(load(settings_)->fingerprint(), before);
  settings_.max_version = config::TlsVersion::tls1_3;
  settings_.session_tickets = false;
  EXPECT_NE(load(settings_)->fingerprint(), before);
  settings_.session_tickets = true;
  EXPECT_EQ(load(settings_)->fingerprint(), before);
  write("a", authority().issue({.names = {"a.example"}}));
  EXPECT_NE(load(settings_)->fingerprint(), before);
}

TEST_F(TlsFiles, what_was_loaded_is_described) {
  const auto server = load(settings_);
  ASSERT_EQ(server->certificates().size(), 1U);
  const ServerTlsContext::CertificateInfo& info = server->certificates().front();
  EXPECT_EQ(info.file, files().certificate);
  EXPECT_EQ(info.names, std::vector<std::string>{"a.example"});
  EXPECT_GT(info.not_after, std::chrono::system_clock::now() + std::chrono::hours(23));
  EXPECT_LT(info.not_after, std::chrono::system_clock::now() + std::chrono::hours(25));
}

// --- towards targets
// ------------------------------------------------------------------------------

class TlsClient : public TlsContext {
 protected:
  Connection reach(const ServerTlsContext& target, const ClientTls& settings,
                   const std::string& host) {
    return {target.new_session(), trust(settings)->new_session(host)};
  }

  std::string error_reaching(const ServerTlsContext& target, const ClientTls& settings,
                             const std::string& host) {
    Connection connection = reach(target, settings, host);
    EXPECT_FALSE(connection.handshake());
    return connection.client_error();
  }
};

TEST_F(TlsClient, a_target_with_the_right_certificate_is_trusted) {
  const auto target = serve({"other.example", "a.example"});
  Connection connection = reach(*target, trusting_the_authority(), "a.example");
  ASSERT_TRUE(connection.handshake()) << connection.client_error();
  EXPECT_EQ(connection.shown(), "a.example");
  EXPECT_EQ(connection.protocol(), "http/1.1");
}

TEST_F(TlsClient, a_target_with_another_name_is_refused) {
  const auto target = serve({"a.example"});
  EXPECT_TRUE(contains(error_reaching(*target, trusting_the_authority(), "b.example"),
                       "hostname mismatch"));
}

TEST_F(TlsClient, a_target_of_an_unknown_authority_is_refused) {
  const auto target = serve({"a.example"});
  ClientTls settings;
  settings.ca = directory_.write("other.crt", CertificateAuthority("Another").certificate());
  const std::string error = error_reaching(*target, settings, "a.example");
  EXPECT_TRUE(contains(error, "certificate verify failed")) << error;
  EXPECT_TRUE(contains(error, "unable to get local issuer certificate")) << error;
}

TEST_F(TlsClient, the_authorities_of_the_system_do_not_know_ours) {
  const auto target = serve({"a.example"});
  EXPECT_TRUE(contains(error_reaching(*target, {}, "a.example"), "certificate verify failed"));
}

TEST_F(TlsClient, a_target_with_an_expired_certificate_is_refused) {
  CertificateWish wish;
  wish.names = {"a.example"};
  wish.valid_from = std::chrono::hours(-48);
  wish.valid_for = std::chrono::hours(-24);
  ServerTls settings;
  settings.certificates = {issue("a", wish)};
  Problems problems;
  const auto target = ServerTlsContext::load(settings, keys_, problems);
  ASSERT_NE(target, nullptr);
  EXPECT_TRUE(contains(error_reaching(*target, trusting_the_authority(), "a.example"),
                       "certificate has expired"));
}

TEST_F(TlsClient, nothing_is_verified_when_configured_off) {
  const auto target = serve({"a.example"});
  ClientTls settings;
  settings.verify = false;
  Connection connection = reach(*target, settings, "b.example");
  EXPECT_TRUE(connection.handshake()) << connection.client_error();
}

TEST_F(TlsClient, the_configured_server_name_is_asked_for_and_verified) {
  const auto target = serve({"other.example", "a.example"});
  ClientTls settings = trusting_the_authority();
  settings.server_name = "a.example";
  Connection connection = reach(*target, settings, "127.0.0.1");
  ASSERT_TRUE(connection.handshake()) << connection.client_error();
  EXPECT_EQ(connection.shown(), "a.example");
}

TEST_F(TlsClient, an_address_is_verified_and_never_asked_for_as_a_name) {
  CertificateWish wish;
  wish.names = {"127.0.0.1", "::1"};
  ServerTls settings;
  settings.certificates = {issue("a", wish)};
  const auto target = load(settings);
  for (const char* host : {"127.0.0.1", "::1"}) {
    Connection connection = reach(*target, trusting_the_authority(), host);
    ASSERT_TRUE(connection.handshake()) << connection.client_error();
    EXPECT_EQ(SSL_get_servername(connection.client(), TLSEXT_NAMETYPE_host_name), nullptr);
  }
  EXPECT_TRUE(contains(error_reaching(*target, trusting_the_authority(), "127.0.0.2"),
                       "IP address mismatch"));
}

TEST_F(TlsClient, a_host_without_a_name_is_refused_rather_than_not_verified) {
  const auto target = serve({"a.example"});
  for (const char* host : {"", ".", "/run/target.sock"}) {
    EXPECT_TRUE(
        contains(error_reaching(*target, trusting_the_authority(), host), "hostname mismatch"))
        << host;
  }
}

TEST_F(TlsClient, a_final_dot_of_a_host_is_left_out) {
  const auto target = serve({"a.example"});
  Connection connection = reach(*target, trusting_the_authority(), "a.example.");
  EXPECT_TRUE(connection.handshake()) << connection.client_error();
}

TEST_F(TlsClient, the_certificate_of_the_target_itself_may_be_the_trust) {
  const CertificateText text = authority().issue({.names = {"a.example"}});
  ServerTls server;
  server.certificates = {write("a", text)};
  const auto target = load(server);
  ClientTls settings;
  settings.ca = directory_.write("pinned.crt", text.certificate);
  Connection connection = reach(*target, settings, "a.example");
  EXPECT_TRUE(connection.handshake()) << connection.client_error();
}

TEST_F(TlsClient, the_protocols_of_a_session_are_offered_in_their_order) {
  ServerTls settings;
  settings.certificates.push_back(issue("target", {.names = {"target.example"}}));
  settings.offer_http2 = true;
  const auto server = load(settings);
  const auto client = trust(trusting_the_authority());
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "http/1.1"}, {{"h2"}, "h2"}, {{"http/1.1", "h2"}, "h2"}};
  for (const auto& [offered, chosen] : cases) {
    Connection connection(server->new_session(), client->new_session("target.example", offered));
    ASSERT_TRUE(connection.handshake()) << connection.client_error();
    EXPECT_EQ(connection.protocol(), chosen);
  }
  EXPECT_EQ(client->new_session("target.example", {""}), nullptr);
  EXPECT_EQ(client->new_session("target.example", {std::string(256, 'x')}), nullptr);
}

TEST_F(TlsClient, bad_settings_are_reported_together) {
  ClientTls settings;
  settings.position = {"sluice.yaml", 7, 3};
  settings.ca = directory_.path("gone.crt");
  settings.server_name = "not a name";
  Problems problems;
  EXPECT_EQ(ClientTlsContext::load(settings, problems), nullptr);
  EXPECT_EQ(count(problems, Severity::error), 2U);
  EXPECT_TRUE(mentions(problems, "sluice.yaml:7:3: tls.ca: cannot read")) << all_text(problems);
  EXPECT_TRUE(mentions(problems, "tls.server_name: 'not a name' is neither")) << all_text(problems);
}

TEST_F(TlsClient, a_bundle_without_certificates_is_refused) {
  ClientTls settings;
  settings.ca = directory_.write("empty.crt", "nothing here");
  Problems problems;
  EXPECT_EQ(ClientTlsContext::load(settings, problems), nullptr);
  EXPECT_TRUE(mentions(problems, "is not PEM or holds no certificate"));
}

TEST_F(TlsClient, the_fingerprint_follows_bytes_and_settings) {
  ClientTls settings = trusting_the_authority();
  const std::string before = trust(settings)->fingerprint();
  EXPECT_EQ(trust(settings)->fingerprint(), before);
  settings.server_name = "a.example";
  EXPECT_NE(trust(settings)->fingerprint(), before);
  settings.server_name.clear();
  directory_.write("ca.crt", CertificateAuthority("Another").certificate());
  EXPECT_NE(trust(settings)->fingerprint(), before);
}

// --- the text of errors
// -----------------------------------------------------------------------------

TEST(TlsErrorText, the_queue_becomes_one_bounded_line_and_is_emptied) {
  // The texts of errors are loaded with the library's first use.
  ASSERT_EQ(OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS, nullptr), 1);
  for (int i = 0; i < 12; ++i) {
    ERR_raise_data(ERR_LIB_SSL, SSL_R_BAD_LENGTH, "line one\nline two %d %s", i,
                   std::string(200, 'x').c_str());
  }
  const std::string text = tls_error_text();
  EXPECT_TRUE(text.starts_with("bad length (line one?line two 0")) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_LE(text.size(), 512U);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(TlsErrorText, an_empty_queue_says_so) {
  ERR_clear_error();
  EXPECT_EQ(tls_error_text(), "no reason given by OpenSSL");
}

}  // namespace
}  // namespace sluice::net
