#include "proxy/proxy_header_out.h"

#include "sluice/net/proxy_header.h"

namespace sluice::proxy {

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
    net::ProxyTls tls;
    tls.client = net::ProxyTls::over_tls;  // without a certificate: `verify` stays other than 0
    tls.version = stream.tls_version();
    tls.cipher = stream.tls_cipher();
    header.tls = std::move(tls);
  }
  return net::write_proxy_header(header);
}

}  // namespace sluice::proxy
