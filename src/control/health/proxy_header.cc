#include "control/health/proxy_header.h"

#include <array>

#include "sluice/net/proxy_header.h"

namespace sluice::control::health {

std::string own_proxy_header(config::ProxyHeaderVersion version) {
  if (version == config::ProxyHeaderVersion::off) return {};
  net::ProxyHeader header;
  header.version = version == config::ProxyHeaderVersion::v1 ? 1 : 2;
  header.is_local = true;
  return net::write_proxy_header(header);
}

bool send_proxy_header(net::Stream& stream, const std::string& header) {
  if (header.empty()) return true;
  const std::array<base::Bytes, 1> pieces{base::as_bytes(header)};
  const net::IoResult sent = stream.try_write(pieces);
  return sent.status == net::IoStatus::ok && sent.bytes == header.size();
}

}  // namespace sluice::control::health
