#include "proxy/proxy_header_out.h"

#include "sluice/net/proxy_header.h"
#include "sluice/net/stream.h"

namespace sluice::proxy {
namespace {

// A ticket brings back the certificate of the handshake that it comes from (2.2.6).
net::ProxyTls facts_of(const net::Stream& stream) {
  net::ProxyTls tls;
  tls.client = net::ProxyTls::over_tls;
  tls.version = stream.tls_version();
  tls.cipher = stream.tls_cipher();
  const net::ClientCertificate* const certificate = stream.client_certificate();
  if (certificate == nullptr) return tls;  // `verify` stays other than 0
  tls.client |= net::ProxyTls::certificate_of_session;
  if (!stream.tls_resumed()) tls.client |= net::ProxyTls::certificate_of_connection;
  if (certificate->is_verified) tls.verify = 0;
  return tls;
}

}  // namespace

std::string proxy_header_of(const Connection& connection, config::ProxyHeaderVersion version) {
  if (version == config::ProxyHeaderVersion::off) return {};
  net::ProxyHeader header;
  header.version = version == config::ProxyHeaderVersion::v1 ? 1 : 2;
  header.source = connection.client();
  header.destination = connection.destination();
  if (connection.is_tls()) {
    const net::Stream& stream = connection.stream();
    header.alpn = stream.tls_alpn();
    header.authority = connection.sni();
    header.tls = facts_of(stream);
  }
  return net::write_proxy_header(header);
}

}  // namespace sluice::proxy
