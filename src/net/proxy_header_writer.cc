#include <sys/un.h>

#include <algorithm>
#include <cstring>

#include "net/proxy_header_wire.h"
#include "sluice/base/text.h"
#include "sluice/net/proxy_header.h"

namespace sluice::net {

using namespace wire;

namespace {

void put16(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

bool is_internet(const Endpoint& endpoint) {
  return endpoint.family() == AF_INET || endpoint.family() == AF_INET6;
}

// 4 bytes, or 16 with an IPv4 address mapped into IPv6 (RFC 4291 2.5.5.2).
std::string address_bytes(const base::IpAddress& address, bool as_v6) {
  const auto bytes = address.bytes();
  std::string out;
  if (as_v6 && address.is_v4()) {
    out.assign(10, '\0');
    out += "\xff\xff";
  }
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return out;
}

std::string address_text(const base::IpAddress& address, bool as_v6) {
  return (as_v6 && address.is_v4() ? "::ffff:" : "") + address.text();
}

std::string unix_name(const Endpoint& endpoint) {
  std::string out(unix_name_bytes, '\0');
  if (endpoint.family() != AF_UNIX) return out;
  sockaddr_un socket_address{};
  const auto size = std::min<std::size_t>(endpoint.size(), sizeof socket_address);
  std::memcpy(&socket_address, endpoint.data(), size);
  std::memcpy(out.data(), socket_address.sun_path, sizeof socket_address.sun_path);
  return out;
}

std::string write_v1(const ProxyHeader& header) {
  if (header.is_local || !is_internet(header.source) || !is_internet(header.destination)) {
    return std::string(v1_unknown) + "\r\n";
  }
  const base::IpAddress source = header.source.address();
  const base::IpAddress destination = header.destination.address();
  const bool is_v6 = !source.is_v4() || !destination.is_v4();
  std::string out(v1_tcp);
  out += is_v6 ? "6 " : "4 ";
  out += address_text(source, is_v6) + ' ' + address_text(destination, is_v6) + ' ';
  base::append_decimal(out, header.source.port());
  out += ' ';
  base::append_decimal(out, header.destination.port());
  return out + "\r\n";
}

void put_tlv(std::string& out, std::uint8_t type, std::string_view value) {
  if (out.size() + tlv_head_bytes + value.size() > length_max) return;
  out += static_cast<char>(type);
  put16(out, value.size());
  out += value;
}

void put_tlv_if_any(std::string& out, std::uint8_t type, std::string_view value) {
  if (!value.empty()) put_tlv(out, type, value);
}

void put_tls(std::string& out, const ProxyTls& tls) {
  std::string value(1, static_cast<char>(tls.client));
  put16(value, tls.verify >> 16);
  put16(value, tls.verify & 0xffff);
  put_tlv_if_any(value, tlv_tls_version, tls.version);
  put_tlv_if_any(value, tlv_tls_common_name, tls.common_name);
  put_tlv_if_any(value, tlv_tls_cipher, tls.cipher);
  put_tlv_if_any(value, tlv_tls_signature_algorithm, tls.signature_algorithm);
  put_tlv_if_any(value, tlv_tls_key_algorithm, tls.key_algorithm);
  put_tlv(out, tlv_tls, value);
}

// Family and addresses; the family goes to `family`.
std::string v2_addresses(const ProxyHeader& header, std::uint8_t& family) {
  std::string out;
  if (is_internet(header.source) && is_internet(header.destination)) {
    const base::IpAddress source = header.source.address();
    const base::IpAddress destination = header.destination.address();
    const bool is_v6 = !source.is_v4() || !destination.is_v4();
    family = is_v6 ? family_v6 : family_v4;
    out = address_bytes(source, is_v6) + address_bytes(destination, is_v6);
    put16(out, header.source.port());
    put16(out, header.destination.port());
  } else if (header.source.family() == AF_UNIX || header.destination.family() == AF_UNIX) {
    family = family_unix;
    out = unix_name(header.source) + unix_name(header.destination);
  }
  return out;
}

std::string write_v2(const ProxyHeader& header) {
  std::uint8_t family = family_unspecified;
  std::string body;
  if (!header.is_local) {
    body = v2_addresses(header, family);
    put_tlv_if_any(body, tlv_alpn, header.alpn);
    put_tlv_if_any(body, tlv_authority, header.authority);
    put_tlv_if_any(body, tlv_unique_id, header.unique_id);
    if (header.tls) put_tls(body, *header.tls);
    if (!header.vpc_endpoint.empty()) {
      put_tlv(body, tlv_aws, static_cast<char>(aws_vpc_endpoint_id) + header.vpc_endpoint);
    }
  }
  std::string out(v2_signature);
  out += static_cast<char>(0x20 | (header.is_local ? command_local : command_proxy));
  const std::uint8_t transport =
      family == family_unspecified ? transport_unspecified : transport_stream;
  out += static_cast<char>(family << 4 | transport);
  put16(out, body.size());
  return out + body;
}

}  // namespace

std::string write_proxy_header(const ProxyHeader& header) {
  return header.version == 1 ? write_v1(header) : write_v2(header);
}

}  // namespace sluice::net
