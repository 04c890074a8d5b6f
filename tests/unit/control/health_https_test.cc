// https: TLS as towards the group's targets, or unverified over a group of plain HTTP.
#include <fcntl.h>

#include "support/streams.h"
#include "unit/control/health_support.h"

namespace sluice::control::testing {
namespace {

// A server with a certificate, played on the loop of the probe.
class TlsServer {
 public:
  explicit TlsServer(const std::string& name) {
    const support::CertificateText text = authority_.issue({.names = {name}});
    config::ServerTls settings;
    settings.certificates.push_back({.certificate = files_.write("cert.pem", text.certificate),
                                     .key = files_.write("key.pem", text.key),
                                     .position = {}});
    config::Problems problems;
    context_ = net::ServerTlsContext::load(settings, keys_, problems);
    EXPECT_FALSE(problems.has_errors());
    files_.write("ca.pem", authority_.certificate());
  }

  [[nodiscard]] std::string ca() const { return files_.path("ca.pem"); }

  // Answers the probe's one connection, and says what came of it.
  Finding serve(Probe& probe, std::string_view answer) {
    probe.begin();
    const support::Peer peer = probe.accept();
    net::Stream stream(probe.loop(), ::fcntl(peer.fd(), F_DUPFD_CLOEXEC, 0));
    stream.use_tls(context_->new_session());
    bool shaken = false;
    net::spawn(net::test::keep_handshake(stream, net::test::long_time, result_, shaken));
    EXPECT_TRUE(support::run_until(probe.loop(), [&] { return shaken || probe.is_done(); }));
    if (shaken && result_.error == net::DialError::none && !probe.is_done()) {
      EXPECT_EQ(net::test::write(stream, answer).status, net::IoStatus::ok);
    }
    const Finding finding = probe.finish();
    EXPECT_TRUE(support::run_until(probe.loop(), [&] { return shaken; }));
    return finding;
  }

 private:
  support::CertificateAuthority authority_;
  support::CertificateDirectory files_;
  net::TicketKeys keys_;
  std::shared_ptr<const net::ServerTlsContext> context_;
  net::HandshakeResult result_;
};

constexpr std::string_view ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

std::string verified(const TlsServer& server, const std::string& name) {
  return "    protocol: https\n    tls: { ca: \"" + server.ca() + "\", server_name: " + name +
         " }\n";
}

TEST(HealthHttps, a_certificate_that_the_group_trusts_passes) {
  TlsServer server("app.example");
  Probe probe("{}", verified(server, "app.example"));
  EXPECT_EQ(server.serve(probe, ok).reason, StateReason::none);
}

TEST(HealthHttps, a_certificate_for_another_name_fails_as_it_does_for_traffic) {
  TlsServer server("other.example");
  Probe probe("{}", verified(server, "app.example"));
  const Finding finding = server.serve(probe, ok);
  EXPECT_EQ(finding.reason, StateReason::tls_failed);
  EXPECT_NE(finding.detail, "");
}

TEST(HealthHttps, over_a_group_of_plain_http_nothing_is_verified) {
  TlsServer server("whoever.example");
  Probe probe("{ protocol: https }");
  EXPECT_EQ(server.serve(probe, ok).reason, StateReason::none);
}

TEST(HealthHttps, another_status_fails_here_too) {
  TlsServer server("app.example");
  Probe probe("{ protocol: https }");
  EXPECT_EQ(server.serve(probe, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").reason,
            StateReason::response_code_mismatch);
}

TEST(HealthHttps, a_server_without_tls_fails) {
  Probe probe("{ protocol: https }");
  probe.begin();
  support::Peer peer = probe.accept();
  peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_EQ(probe.finish().reason, StateReason::tls_failed);
}

TEST(HealthHttps, a_handshake_that_does_not_end_times_out) {
  Probe probe("{ protocol: https, timeout: 700ms }");
  probe.begin();
  support::Peer peer = probe.accept();
  ASSERT_TRUE(support::run_until(probe.loop(), [&] { return !peer.received().empty(); }));
  support::pass_time(probe.loop(), milliseconds(720));
  EXPECT_EQ(probe.finish().reason, StateReason::timeout);
}

}  // namespace
}  // namespace sluice::control::testing
