// An answer of the DNS as bytes, and what it says about the one question that was asked
// (RFC 1035 4, SRV: RFC 2782).
//
// The bytes are hostile. Only records of the asked name, or of the name that its aliases (CNAME)
// lead to, count, whatever else the message holds and in whatever order. Bounds: the message, at
// most 64 KiB; `dns_records_max` records and `dns_aliases_max` aliases. A plain function; any
// thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/base/bytes.h"
#include "sluice/base/cidr.h"

namespace sluice::net {

// More of them in the answer section, and the answer is refused.
inline constexpr std::size_t dns_records_max = 1000;
inline constexpr std::size_t dns_aliases_max = 16;

enum class DnsType : std::uint16_t { a = 1, aaaa = 28, srv = 33 };
[[nodiscard]] std::string_view text_of(DnsType type);  // "A", "AAAA", "SRV"

// What an SRV record names.
struct DnsService {
  std::uint16_t priority = 0;  // the lowest first
  std::uint16_t weight = 0;
  std::uint16_t port = 0;
  std::string target;  // as is_dns_name has it; empty: ".", there is no such service
};

// An address that came along, in the additional section.
struct DnsNamedAddress {
  std::string name;
  base::IpAddress address;
  std::chrono::seconds ttl{0};
};

struct DnsAnswer {
  std::string error;                        // printable; not empty: nothing below counts
  bool is_known_name = true;                // false: NXDOMAIN
  std::vector<base::IpAddress> addresses;   // of an A or AAAA question
  std::vector<DnsService> services;         // of an SRV question
  std::size_t ill_formed = 0;               // SRV records passed over: the target is no name
  std::vector<DnsNamedAddress> additional;  // of an SRV question
  // The least of all records that count, aliases too; nothing when there are none.
  std::optional<std::chrono::seconds> ttl;
};

// In lower case, labels of 1 to 63 letters, digits, '-' and '_' with dots between, no final dot, at
// most 253 bytes.
[[nodiscard]] bool is_dns_name(std::string_view name);

// `name` as is_dns_name has it. An answer that says SERVFAIL or the like is an error; one that says
// that there is no such name, or nothing of this type, is none.
[[nodiscard]] DnsAnswer parse_dns_answer(base::Bytes message, std::string_view name, DnsType type);

}  // namespace sluice::net
