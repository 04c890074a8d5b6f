#include "sluice/net/proxy_header.h"

#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "net/proxy_header_wire.h"

namespace sluice::net {

using namespace wire;

namespace {

ProxyHeaderFound invalid(std::string_view error) { return {ProxyHeaderState::invalid, 0, error}; }
ProxyHeaderFound incomplete() { return {ProxyHeaderState::incomplete, 0, {}}; }

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

std::uint16_t number16(std::string_view text, std::size_t at) {
  return static_cast<std::uint16_t>(byte_at(text, at) << 8 | byte_at(text, at + 1));
}

std::uint32_t number32(std::string_view text, std::size_t at) {
  return std::uint32_t{number16(text, at)} << 16 | number16(text, at + 2);
}

bool may_begin(std::string_view received, std::string_view signature) {
  const std::size_t common = std::min(received.size(), signature.size());
  return received.substr(0, common) == signature.substr(0, common);
}

// --- version 1

// The text up to the next space, which is taken with it; nothing when there is none.
std::optional<std::string_view> take_word(std::string_view& line) {
  const std::size_t end = line.find(' ');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end + 1);
  return word;
}

// 0 to 65535 in decimal, without leading zeros.
std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint32_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint32_t>(c - '0');
  }
  if (value > 65'535) return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

// `line` is what follows `PROXY TCP4 ` or `PROXY TCP6 `, without CRLF.
ProxyHeaderFound parse_v1_addresses(std::string_view line, int family, std::size_t bytes,
                                    ProxyHeader& header) {
  const auto source = take_word(line);
  const auto destination = take_word(line);
  const auto source_port = take_word(line);
  if (!source || !destination || !source_port) return invalid("not two addresses and two ports");
  const auto from_port = parse_port(*source_port);
  const auto to_port = parse_port(line);
  if (!from_port || !to_port) return invalid("a port is not a number from 0 to 65535");
  const auto from = Endpoint::numeric(*source, *from_port);
  const auto to = Endpoint::numeric(*destination, *to_port);
  if (!from || !to || from->family() != family || to->family() != family) {
    return invalid("an address is not of the announced family");
  }
  header = {};
  header.version = 1;
  header.source = *from;
  header.destination = *to;
  return {ProxyHeaderState::complete, bytes, {}};
}

ProxyHeaderFound parse_v1(std::string_view received, ProxyHeader& header) {
  const std::string_view seen = received.substr(0, proxy_header_v1_bytes_max);
  const std::size_t ending = seen.find_first_of(std::string_view("\r\n\0", 3));
  const std::string_view line = seen.substr(0, ending);
  const bool is_unknown = line.starts_with(v1_unknown);
  // What is known to be wrong is refused before its end.
  if (is_unknown) {
    if (line.size() > v1_unknown.size() && line[v1_unknown.size()] != ' ') {
      return invalid("the protocol is not TCP4, TCP6 or UNKNOWN");
    }
  } else if (!may_begin(line, "PROXY TCP4 ") && !may_begin(line, "PROXY TCP6 ")) {
    return invalid("the protocol is not TCP4, TCP6 or UNKNOWN");
  }
  if (ending == std::string_view::npos) {
    return seen.size() < proxy_header_v1_bytes_max ? incomplete()
                                                   : invalid("no line of at most 107 bytes");
  }
  if (seen[ending] != '\r') return invalid("a control byte within the line");
  if (ending + 1 == seen.size()) {
    return seen.size() < proxy_header_v1_bytes_max ? incomplete()
                                                   : invalid("no line of at most 107 bytes");
  }
  if (seen[ending + 1] != '\n') return invalid("CR without LF");
  const std::size_t bytes = ending + 2;
  if (is_unknown) {  // whatever else the line holds is to be ignored (2.1)
    header = {};
    header.version = 1;
    header.is_local = true;
    return {ProxyHeaderState::complete, bytes, {}};
  }
  constexpr std::size_t words = std::string_view("PROXY TCP4 ").size();
  if (line.size() < words) return invalid("not two addresses and two ports");
  const int family = line[v1_tcp.size()] == '4' ? AF_INET : AF_INET6;
  return parse_v1_addresses(line.substr(words), family, bytes, header);
}

// --- version 2

Endpoint v4_endpoint(std::string_view address, std::string_view port) {
  sockaddr_in socket_address{};
  socket_address.sin_family = AF_INET;
  std::memcpy(&socket_address.sin_addr, address.data(), sizeof socket_address.sin_addr);
  std::memcpy(&socket_address.sin_port, port.data(), sizeof socket_address.sin_port);
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&socket_address), sizeof socket_address);
}

Endpoint v6_endpoint(std::string_view address, std::string_view port) {
  sockaddr_in6 socket_address{};
  socket_address.sin6_family = AF_INET6;
  std::memcpy(&socket_address.sin6_addr, address.data(), sizeof socket_address.sin6_addr);
  std::memcpy(&socket_address.sin6_port, port.data(), sizeof socket_address.sin6_port);
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&socket_address), sizeof socket_address);
}

// A path ends at its NUL, an abstract name (which begins with one) at its last other byte. No name:
// no family.
Endpoint unix_endpoint(std::string_view name) {
  const std::size_t last = name.find_last_not_of('\0');
  if (last == std::string_view::npos) return {};
  sockaddr_un socket_address{};
  socket_address.sun_family = AF_UNIX;
  std::memcpy(socket_address.sun_path, name.data(), last + 1);
  return Endpoint::from(reinterpret_cast<const sockaddr*>(&socket_address),
                        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + last + 1));
}

std::size_t address_bytes_of(std::uint8_t family) {
  switch (family) {
    case family_v4: return 2 * 4 + 2 * 2;
    case family_v6: return 2 * 16 + 2 * 2;
    case family_unix: return 2 * unix_name_bytes;
    default: return 0;
  }
}

void read_addresses(std::string_view block, std::uint8_t family, ProxyHeader& header) {
  if (family == family_v4) {
    header.source = v4_endpoint(block.substr(0, 4), block.substr(8, 2));
    header.destination = v4_endpoint(block.substr(4, 4), block.substr(10, 2));
  } else if (family == family_v6) {
    header.source = v6_endpoint(block.substr(0, 16), block.substr(32, 2));
    header.destination = v6_endpoint(block.substr(16, 16), block.substr(34, 2));
  } else {
    header.source = unix_endpoint(block.substr(0, unix_name_bytes));
    header.destination = unix_endpoint(block.substr(unix_name_bytes, unix_name_bytes));
  }
}

struct Tlv {
  std::uint8_t type = 0;
  std::string_view value;
};

// The next TLV of `block`, which it is taken from; nothing when it does not fit.
std::optional<Tlv> take_tlv(std::string_view& block) {
  if (block.size() < tlv_head_bytes) return std::nullopt;
  const std::size_t length = number16(block, 1);
  if (length > block.size() - tlv_head_bytes) return std::nullopt;
  const Tlv tlv{byte_at(block, 0), block.substr(tlv_head_bytes, length)};
  block.remove_prefix(tlv_head_bytes + length);
  return tlv;
}

// Which of the types read here were there; each may come once.
class Seen {
 public:
  [[nodiscard]] bool add(std::uint8_t type) {
    if (type > tlv_tls_key_algorithm) return true;
    const std::uint64_t bit = std::uint64_t{1} << type;
    return (std::exchange(types_, types_ | bit) & bit) == 0;
  }

 private:
  std::uint64_t types_ = 0;
};

std::string* field_of(ProxyTls& tls, std::uint8_t type) {
  switch (type) {
    case tlv_tls_version: return &tls.version;
    case tlv_tls_common_name: return &tls.common_name;
    case tlv_tls_cipher: return &tls.cipher;
    case tlv_tls_signature_algorithm: return &tls.signature_algorithm;
    case tlv_tls_key_algorithm: return &tls.key_algorithm;
    default: return nullptr;
  }
}

// Empty, or what is wrong.
std::string_view read_tls(std::string_view value, std::optional<ProxyTls>& out) {
  if (value.size() < tls_fixed_bytes) return "the TLV of TLS is too short";
  ProxyTls tls;
  tls.client = byte_at(value, 0);
  tls.verify = number32(value, 1);
  value.remove_prefix(tls_fixed_bytes);
  Seen seen;
  while (!value.empty()) {
    const auto tlv = take_tlv(value);
    if (!tlv) return "a TLV within that of TLS is longer than it";
    std::string* const field = field_of(tls, tlv->type);
    if (field == nullptr) continue;
    if (!seen.add(tlv->type)) return "a TLV comes twice";
    *field = tlv->value;
  }
  out = std::move(tls);
  return {};
}

// Over the whole header, with zeros in the place of the checksum (2.2.3).
bool is_checksum_right(std::string_view whole, std::string_view checksum) {
  std::string zeroed(whole);
  zeroed.replace(static_cast<std::size_t>(checksum.data() - whole.data()), 4, 4, '\0');
  return crc32c(base::as_bytes(zeroed)) == number32(checksum, 0);
}

std::string_view read_tlv(const Tlv& tlv, std::string_view whole, ProxyHeader& header) {
  switch (tlv.type) {
    case tlv_alpn: header.alpn = tlv.value; break;
    case tlv_authority: header.authority = tlv.value; break;
    case tlv_unique_id:
      if (tlv.value.size() > unique_id_bytes_max) return "a unique id of more than 128 bytes";
      header.unique_id = tlv.value;
      break;
    case tlv_crc32c:
      if (tlv.value.size() != 4) return "a checksum that is not of four bytes";
      if (!is_checksum_right(whole, tlv.value)) return "the checksum is wrong";
      break;
    case tlv_tls: return read_tls(tlv.value, header.tls);
    case tlv_aws:  // one for each thing it says
      if (tlv.value.empty() || byte_at(tlv.value, 0) != aws_vpc_endpoint_id) break;
      if (!header.vpc_endpoint.empty()) return "a TLV comes twice";
      header.vpc_endpoint = tlv.value.substr(1);
      break;
    default: break;
  }
  return {};
}

bool is_read(std::uint8_t type) {
  return type == tlv_alpn || type == tlv_authority || type == tlv_crc32c || type == tlv_unique_id ||
         type == tlv_tls;
}

// `whole` is the header, complete.
ProxyHeaderFound parse_v2_body(std::string_view whole, ProxyHeader& out) {
  const ProxyHeaderFound complete{ProxyHeaderState::complete, whole.size(), {}};
  ProxyHeader header;
  const auto command = static_cast<std::uint8_t>(byte_at(whole, 12) & 0x0f);
  const auto family = static_cast<std::uint8_t>(byte_at(whole, 13) >> 4);
  if (command == command_local || family == family_unspecified) {
    header.is_local = true;
    out = std::move(header);
    return complete;
  }
  std::string_view block = whole.substr(proxy_header_v2_bytes_min);
  const std::size_t address_bytes = address_bytes_of(family);
  read_addresses(block.substr(0, address_bytes), family, header);
  block.remove_prefix(address_bytes);
  Seen seen;
  while (!block.empty()) {
    const auto tlv = take_tlv(block);
    if (!tlv) return invalid("a TLV is longer than the header");
    if (is_read(tlv->type) && !seen.add(tlv->type)) return invalid("a TLV comes twice");
    const std::string_view error = read_tlv(*tlv, whole, header);
    if (!error.empty()) return invalid(error);
  }
  out = std::move(header);
  return complete;
}

ProxyHeaderFound parse_v2(std::string_view received, std::size_t limit, ProxyHeader& header) {
  if (received.size() < 13) return incomplete();
  const std::uint8_t command = byte_at(received, 12) & 0x0f;
  if (byte_at(received, 12) >> 4 != 2) return invalid("a version that is not 2");
  if (command > command_proxy) return invalid("the command is neither LOCAL nor PROXY");
  if (received.size() < 14) return incomplete();
  const auto family = static_cast<std::uint8_t>(byte_at(received, 13) >> 4);
  const std::uint8_t transport = byte_at(received, 13) & 0x0f;
  const bool is_local = command == command_local;  // whose family is ignored (2.2)
  if (!is_local && (family > family_unix || transport > transport_datagram ||
                    (family == family_unspecified) != (transport == transport_unspecified))) {
    return invalid("not a family and a transport that go together");
  }
  if (received.size() < proxy_header_v2_bytes_min) return incomplete();
  const std::size_t length = number16(received, 14);
  if (proxy_header_v2_bytes_min + length > limit) return invalid("longer than limits.proxy_header");
  if (!is_local && length < address_bytes_of(family)) return invalid("too short for its addresses");
  if (received.size() < proxy_header_v2_bytes_min + length) return incomplete();
  return parse_v2_body(received.substr(0, proxy_header_v2_bytes_min + length), header);
}

}  // namespace

ProxyHeaderFound parse_proxy_header(base::Bytes received, std::size_t limit, ProxyHeader& header) {
  const std::string_view text = base::as_text(received);
  if (text.starts_with(v2_signature)) return parse_v2(text, limit, header);
  if (text.starts_with(v1_tcp) || text.starts_with(v1_unknown)) return parse_v1(text, header);
  const bool may_be =
      may_begin(text, v2_signature) || may_begin(text, v1_tcp) || may_begin(text, v1_unknown);
  return {may_be ? ProxyHeaderState::undecided : ProxyHeaderState::absent, 0, {}};
}

std::uint32_t crc32c(base::Bytes bytes) {
  static constexpr auto table = [] {
    constexpr std::uint32_t polynomial = 0x82f63b78;  // reflected
    std::array<std::uint32_t, 256> values{};
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) {
        value = value % 2 == 1 ? value >> 1 ^ polynomial : value >> 1;
      }
      values[i] = value;
    }
    return values;
  }();
  std::uint32_t value = 0xffffffff;
  for (const char c : bytes) {
    value = table[(value ^ static_cast<std::uint8_t>(c)) & 0xff] ^ value >> 8;
  }
  return ~value;
}

}  // namespace sluice::net
