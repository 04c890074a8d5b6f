// The PROXY protocol, versions 1 and 2: the header that a proxy sends before anything else on a
// connection, to say on whose behalf it was opened (HAProxy's proxy-protocol.txt).
//
// Plain functions on bytes, no I/O. Strict: what does not follow the specification to the letter is
// refused, for whoever speaks it may say who the client is. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sluice/base/bytes.h"
#include "sluice/net/endpoint.h"

namespace sluice::net {

// The TLV PP2_TYPE_SSL (2.2.6): how the client reached the sender. Texts are as sent, unverified.
struct ProxyTls {
  static constexpr std::uint8_t over_tls = 0x01;  // PP2_CLIENT_SSL
  static constexpr std::uint8_t certificate_of_connection = 0x02;
  static constexpr std::uint8_t certificate_of_session = 0x04;

  std::uint8_t client = 0;   // the flags above
  std::uint32_t verify = 1;  // 0: the client's certificate was verified
  std::string version;       // "TLSv1.3"
  std::string cipher;
  std::string common_name;
  std::string signature_algorithm;
  std::string key_algorithm;

  friend bool operator==(const ProxyTls&, const ProxyTls&) = default;
};

struct ProxyHeader {
  std::uint8_t version = 2;  // 1 or 2
  // LOCAL, UNKNOWN or of no family: the sender speaks for itself (a health check), and the
  // connection's own addresses hold.
  bool is_local = false;
  // Both of IPv4, both of IPv6, or Unix sockets, whose names may be missing. No family when
  // `is_local`.
  Endpoint source;
  Endpoint destination;
  // Of TLVs, version 2 only; empty: not sent.
  std::string alpn;
  std::string authority;
  std::string unique_id;  // at most 128 bytes
  std::optional<ProxyTls> tls;
  std::string vpc_endpoint;  // of AWS PrivateLink, as a Network Load Balancer tells it

  friend bool operator==(const ProxyHeader&, const ProxyHeader&) = default;
};

inline constexpr std::size_t proxy_header_v1_bytes_max = 107;  // CRLF included (2.1)
inline constexpr std::size_t proxy_header_v2_bytes_min = 16;

enum class ProxyHeaderState : std::uint8_t {
  undecided,   // so few bytes that they may begin a header, or something else
  absent,      // something else: no header begins so
  incomplete,  // a header, sound so far; all these bytes belong to it
  complete,
  invalid,
};

struct ProxyHeaderFound {
  ProxyHeaderState state = ProxyHeaderState::undecided;
  std::size_t bytes = 0;   // of the header, when complete; what follows is not the header's
  std::string_view error;  // when invalid: why, one line
};

// Reads the header at the start of `received`; more bytes of the same connection mean a call with
// all of them. No valid HTTP request and no TLS handshake begins as a header does: `PROXY TCP` and
// `PROXY UNKNOWN` name no target of a request. `limit`: bytes of a header of version 2, TLVs
// included. `header` is changed only when complete.
//
// Of version 2: addresses of datagrams are taken as those of streams are; a LOCAL header is skipped
// whatever it holds (2.2). TLVs of types that are not read here are skipped. Refused are: a
// checksum that is wrong, a known TLV that comes twice, values out of their bounds, bytes that are
// no TLV.
[[nodiscard]] ProxyHeaderFound parse_proxy_header(base::Bytes received, std::size_t limit,
                                                  ProxyHeader& header);

// The bytes to send. Version 1 knows TCP alone: everything else is UNKNOWN. An IPv4 address beside
// an IPv6 one is written as IPv4-mapped. A TLV that would make the header longer than its length
// field can say is left out.
[[nodiscard]] std::string write_proxy_header(const ProxyHeader& header);

// CRC-32C (RFC 4960 appendix B).
[[nodiscard]] std::uint32_t crc32c(base::Bytes bytes);

}  // namespace sluice::net
