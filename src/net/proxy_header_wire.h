// What headers of the PROXY protocol are made of, for the side that reads and the one that writes
// (proxy-protocol.txt 2.1, 2.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::net::wire {

inline constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
inline constexpr std::string_view v1_tcp = "PROXY TCP";
inline constexpr std::string_view v1_unknown = "PROXY UNKNOWN";

inline constexpr std::size_t unix_name_bytes = 108;
inline constexpr std::size_t unique_id_bytes_max = 128;
inline constexpr std::size_t tlv_head_bytes = 3;
inline constexpr std::size_t tls_fixed_bytes = 5;
inline constexpr std::size_t length_max = 65'535;

enum Command : std::uint8_t { command_local = 0, command_proxy = 1 };
enum Family : std::uint8_t {
  family_unspecified = 0,
  family_v4 = 1,
  family_v6 = 2,
  family_unix = 3
};
enum Transport : std::uint8_t {
  transport_unspecified = 0,
  transport_stream = 1,
  transport_datagram
};

inline constexpr std::uint8_t aws_vpc_endpoint_id = 0x01;  // within tlv_aws

enum TlvType : std::uint8_t {
  tlv_alpn = 0x01,
  tlv_authority = 0x02,
  tlv_crc32c = 0x03,
  tlv_unique_id = 0x05,
  tlv_tls = 0x20,
  tlv_tls_version = 0x21,
  tlv_tls_common_name = 0x22,
  tlv_tls_cipher = 0x23,
  tlv_tls_signature_algorithm = 0x24,
  tlv_tls_key_algorithm = 0x25,
  tlv_aws = 0xea,  // of a Network Load Balancer; its first byte says what follows
};

}  // namespace sluice::net::wire
