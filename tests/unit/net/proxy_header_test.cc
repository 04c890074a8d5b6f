#include "sluice/net/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::net {
namespace {

using State = ProxyHeaderState;
using namespace std::string_literals;

constexpr std::size_t limit = 4096;

std::string number16(std::size_t value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

std::string tlv(unsigned type, const std::string& value) {
  return static_cast<char>(type) + number16(value.size()) + value;
}

std::string v2(unsigned command, unsigned family, const std::string& body) {
  return "\r\n\r\n\0\r\nQUIT\n"s + static_cast<char>(command) + static_cast<char>(family) +
         number16(body.size()) + body;
}

const std::string v4_addresses = "\x0a\x01\x02\x03\xc0\x00\x02\x01\x30\x39\x01\xbb"s;
const std::string v6_addresses = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07" +
                                 "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" +
                                 "\x30\x39\x01\xbb"s;

std::string padded(std::string name) {
  name.resize(108, '\0');
  return name;
}

std::string with_checksum(const std::string& addresses, const std::string& more = {}) {
  std::string header = v2(0x21, 0x11, addresses + tlv(3, std::string(4, '\0')) + more);
  const std::uint32_t sum = crc32c(base::as_bytes(header));
  header.replace(16 + addresses.size() + 3, 4, number16(sum >> 16) + number16(sum & 0xffff));
  return header;
}

ProxyHeaderFound parse(std::string_view text, ProxyHeader& header) {
  // An allocation of its own: a sanitizer sees any read beyond it.
  const std::vector<char> copy(text.begin(), text.end());
  return parse_proxy_header({copy.data(), copy.size()}, limit, header);
}

ProxyHeader parsed(const std::string& text) {
  ProxyHeader header;
  const ProxyHeaderFound found = parse(text, header);
  EXPECT_EQ(found.state, State::complete) << found.error;
  EXPECT_EQ(found.bytes, text.size());
  return header;
}

const std::vector<std::string>& sound_headers() {
  static const std::vector<std::string> all = {
      "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
      "PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n",
      "PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n",
      "PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n",
      "PROXY UNKNOWN\r\n",
      "PROXY UNKNOWN ffff:f...f:ffff whatever comes here\r\n",
      "PROXY UNKNOWN " + std::string(107 - 16, 'f') + "\r\n",
      v2(0x21, 0x11, v4_addresses),
      v2(0x21, 0x12, v4_addresses),
      v2(0x21, 0x21, v6_addresses),
      v2(0x21, 0x31, padded("/run/client") + padded("/run/server")),
      v2(0x21, 0x31, padded("") + padded("/run/server")),
      v2(0x21, 0x00, ""),
      v2(0x21, 0x00, "ignored"),
      v2(0x20, 0x00, ""),
      v2(0x20, 0x11, "anything at all"),
      v2(0x20, 0xff, "whatever the family"),
      v2(0x21, 0x11, v4_addresses + tlv(1, "h2") + tlv(2, "site.test") + tlv(4, "") + tlv(5, "id")),
      v2(0x21, 0x11, v4_addresses + tlv(0xea, "\1vpce-1"s) + tlv(0xea, "again") + tlv(0x30, "ns")),
      v2(0x21, 0x11,
         v4_addresses + tlv(0x20, "\x01\0\0\0\0"s + tlv(0x21, "TLSv1.3") + tlv(0x99, "?"))),
      with_checksum(v4_addresses),
      with_checksum(v4_addresses, tlv(2, "site.test")),
  };
  return all;
}

TEST(ProxyHeader, is_read_the_same_wherever_it_is_split) {
  for (const std::string& text : sound_headers()) {
    for (std::size_t size = 0; size < text.size(); ++size) {
      ProxyHeader untouched;
      untouched.authority = "as it was";
      const State state = parse(std::string_view(text).substr(0, size), untouched).state;
      // The shortest text that nothing else begins with.
      const std::size_t decided = text[0] == '\r' ? 12 : text[6] == 'T' ? 9 : 13;
      EXPECT_EQ(state, size < decided ? State::undecided : State::incomplete) << text << size;
      EXPECT_EQ(untouched.authority, "as it was");
    }
    ProxyHeader whole;
    ProxyHeader followed;
    EXPECT_EQ(parse(text, whole).bytes, text.size()) << text;
    for (const char* more :
         {"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01", "\r\n", "PROXY UNKNOWN\r\n"}) {
      EXPECT_EQ(parse(text + more, followed).bytes, text.size()) << text << more;
      EXPECT_EQ(whole, followed);
    }
  }
}

TEST(ProxyHeader, of_version_1_names_both_ends) {
  const ProxyHeader v4 = parsed("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
  EXPECT_EQ(v4.version, 1);
  EXPECT_FALSE(v4.is_local);
  EXPECT_EQ(v4.source.text(), "192.168.0.1:56324");
  EXPECT_EQ(v4.destination.text(), "192.168.0.11:443");
  const ProxyHeader v6 = parsed("PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n");
  EXPECT_EQ(v6.source.text(), "[2001:db8::7]:12345");
  EXPECT_EQ(v6.destination.text(), "[2001:db8::1]:443");
}

TEST(ProxyHeader, of_version_2_names_both_ends) {
  for (const unsigned transport : {1U, 2U}) {
    const ProxyHeader v4 = parsed(v2(0x21, 0x10 | transport, v4_addresses));
    EXPECT_EQ(v4.version, 2);
    EXPECT_EQ(v4.source.text(), "10.1.2.3:12345");
    EXPECT_EQ(v4.destination.text(), "192.0.2.1:443");
  }
  const ProxyHeader v6 = parsed(v2(0x21, 0x21, v6_addresses));
  EXPECT_EQ(v6.source.text(), "[2001:db8::7]:12345");
  EXPECT_EQ(v6.destination.text(), "[2001:db8::1]:443");
  const ProxyHeader paths = parsed(v2(0x21, 0x31, padded("/run/client") + padded("/run/server")));
  EXPECT_EQ(paths.source.text(), "unix:/run/client");
  EXPECT_EQ(paths.destination.text(), "unix:/run/server");
}

TEST(ProxyHeader, that_speaks_of_nobody_leaves_the_connections_own_addresses) {
  for (const std::string& text :
       {"PROXY UNKNOWN\r\n"s, "PROXY UNKNOWN 10.0.0.1 10.0.0.2 1 2\r\n"s, v2(0x20, 0x00, ""),
        v2(0x20, 0x11, v4_addresses), v2(0x21, 0x00, v4_addresses)}) {
    const ProxyHeader header = parsed(text);
    EXPECT_TRUE(header.is_local) << text;
    EXPECT_EQ(header.source, Endpoint());
    EXPECT_EQ(header.destination, Endpoint());
  }
}

TEST(ProxyHeader, carries_what_its_tlvs_say) {
  const std::string tls = "\x03\x00\x00\x00\x0a"s + tlv(0x21, "TLSv1.3") + tlv(0x22, "client") +
                          tlv(0x23, "AES") + tlv(0x24, "RSA-SHA256") + tlv(0x25, "RSA2048");
  const ProxyHeader header = parsed(v2(0x21, 0x11,
                                       v4_addresses + tlv(1, "h2") + tlv(2, "site.test") +
                                           tlv(5, std::string(128, 'u')) + tlv(0x20, tls)));
  EXPECT_EQ(header.alpn, "h2");
  EXPECT_EQ(header.authority, "site.test");
  EXPECT_EQ(header.unique_id, std::string(128, 'u'));
  ASSERT_TRUE(header.tls);
  EXPECT_EQ(header.tls->client, ProxyTls::over_tls | ProxyTls::certificate_of_connection);
  EXPECT_EQ(header.tls->verify, 10U);
  EXPECT_EQ(header.tls->version, "TLSv1.3");
  EXPECT_EQ(header.tls->common_name, "client");
  EXPECT_EQ(header.tls->cipher, "AES");
  EXPECT_EQ(header.tls->signature_algorithm, "RSA-SHA256");
  EXPECT_EQ(header.tls->key_algorithm, "RSA2048");
}

TEST(ProxyHeader, tells_the_endpoint_of_a_vpc) {
  const std::string endpoint = "\x01vpce-08d2bf15fac5001c9"s;
  const std::string other = "\x02something"s;
  EXPECT_EQ(
      parsed(v2(0x21, 0x11, v4_addresses + tlv(0xea, other) + tlv(0xea, endpoint) + tlv(0xea, "")))
          .vpc_endpoint,
      "vpce-08d2bf15fac5001c9");
  ProxyHeader header;
  EXPECT_EQ(
      parse_proxy_header(
          base::as_bytes(v2(0x21, 0x11, v4_addresses + tlv(0xea, endpoint) + tlv(0xea, endpoint))),
          4096, header)
          .error,
      "a TLV comes twice");
}

TEST(ProxyHeader, is_absent_from_what_begins_otherwise) {
  for (const std::string& text :
       {"GET / HTTP/1.1\r\n"s, "PROXY / HTTP/1.1\r\n"s, "PROXY http://a/ HTTP/1.1"s, "PROXY\r\n"s,
        "PROXY  TCP4 "s, "proxy tcp4 "s, "PROXY UDP4 "s, "PROXY UNKNOW\r\n"s, "PUT"s,
        "\x16\x03\x01"s, "\r\n\r\nGET"s, "\r\n\r\n\0\r\nQUIX"s, "\n"s, " PROXY TCP4 "s, "\0"s}) {
    ProxyHeader header;
    EXPECT_EQ(parse(text, header).state, State::absent) << text;
  }
  for (const std::string& text : {""s, "P"s, "PROXY "s, "PROXY UNKNOW"s, "\r\n\r\n"s}) {
    ProxyHeader header;
    EXPECT_EQ(parse(text, header).state, State::undecided) << text;
  }
}

struct Malformed {
  std::string text;
  std::string_view error;
};

TEST(ProxyHeader, is_refused_when_malformed_and_never_accepted_at_any_split) {
  constexpr std::string_view protocol = "the protocol is not TCP4, TCP6 or UNKNOWN";
  constexpr std::string_view four = "not two addresses and two ports";
  constexpr std::string_view port = "a port is not a number from 0 to 65535";
  constexpr std::string_view family = "an address is not of the announced family";
  constexpr std::string_view control = "a control byte within the line";
  constexpr std::string_view length = "no line of at most 107 bytes";
  constexpr std::string_view pair = "not a family and a transport that go together";
  constexpr std::string_view tlv_bounds = "a TLV is longer than the header";
  constexpr std::string_view twice = "a TLV comes twice";
  const std::string tls = "\x01\0\0\0\0"s;
  const auto tlvs = [](const std::string& more) { return v2(0x21, 0x11, v4_addresses + more); };
  std::string wrong_sum = with_checksum(v4_addresses);
  wrong_sum.back() = static_cast<char>(wrong_sum.back() + 1);
  const std::vector<Malformed> table = {
      {"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", protocol},
      {"PROXY TCP 1.1.1.1 2.2.2.2 1 2\r\n", protocol},
      {"PROXY TCP4\t1.1.1.1 2.2.2.2 1 2\r\n", protocol},
      {"PROXY UNKNOWNX\r\n", protocol},
      {"PROXY TCP4\r\n", four},
      {"PROXY TCP4 \r\n", four},
      {"PROXY TCP4 1.1.1.1 2.2.2.2\r\n", four},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", four},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 \r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1  2\r\n", port},
      {"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 100000\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 -1 2\r\n", port},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 0x1 2\r\n", port},
      {"PROXY TCP4 1.1.1 2.2.2.2 1 2\r\n", family},
      {"PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", family},
      {"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", family},
      {"PROXY TCP4 ::1 ::1 1 2\r\n", family},
      {"PROXY TCP4 1.1.1.1 ::1 1 2\r\n", family},
      {"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", family},
      {"PROXY TCP6 ::1 2.2.2.2 1 2\r\n", family},
      {"PROXY TCP6 [::1] ::1 1 2\r\n", family},
      {"PROXY TCP6 fe80::1%lo ::1 1 2\r\n", family},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", control},
      {"PROXY UNKNOWN\n", control},
      {"PROXY UNKNOWN a\0b\r\n"s, control},
      {"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\rX", "CR without LF"},
      {"PROXY UNKNOWN\r\r\n", "CR without LF"},
      {"PROXY UNKNOWN " + std::string(93, 'f'), length},
      {"PROXY UNKNOWN " + std::string(92, 'f') + "\r\n", length},
      {"PROXY TCP4 " + std::string(96, '1'), length},
      {v2(0x11, 0x11, v4_addresses), "a version that is not 2"},
      {v2(0x31, 0x11, v4_addresses), "a version that is not 2"},
      {v2(0x22, 0x11, v4_addresses), "the command is neither LOCAL nor PROXY"},
      {v2(0x2f, 0x11, v4_addresses), "the command is neither LOCAL nor PROXY"},
      {v2(0x21, 0x41, v4_addresses), pair},
      {v2(0x21, 0x13, v4_addresses), pair},
      {v2(0x21, 0x10, v4_addresses), pair},
      {v2(0x21, 0x01, v4_addresses), pair},
      {v2(0x21, 0x11, v4_addresses.substr(1)), "too short for its addresses"},
      {v2(0x21, 0x21, v4_addresses), "too short for its addresses"},
      {v2(0x21, 0x31, v6_addresses), "too short for its addresses"},
      {v2(0x21, 0x11, v4_addresses + std::string(limit - 16 - 11, 'x')),
       "longer than limits.proxy_header"},
      {v2(0x20, 0x00, std::string(limit - 15, 'x')), "longer than limits.proxy_header"},
      {tlvs("\x04"), tlv_bounds},
      {tlvs("\x04\x00"s), tlv_bounds},
      {tlvs("\x04\x00\x01"s), tlv_bounds},
      {tlvs("\x04\xff\xff"s), tlv_bounds},
      {tlvs(tlv(4, "") + "\xee\x00\x05guid"s), tlv_bounds},
      {tlvs(tlv(1, "h2") + tlv(1, "h2")), twice},
      {tlvs(tlv(2, "a") + tlv(2, "b")), twice},
      {tlvs(tlv(5, std::string(129, 'u'))), "a unique id of more than 128 bytes"},
      {tlvs(tlv(3, "abc")), "a checksum that is not of four bytes"},
      {tlvs(tlv(3, "abcde")), "a checksum that is not of four bytes"},
      {tlvs(tlv(3, "abcd")), "the checksum is wrong"},
      {wrong_sum, "the checksum is wrong"},
      {tlvs(tlv(0x20, "\x01\0\0\0"s)), "the TLV of TLS is too short"},
      {tlvs(tlv(0x20, tls + "\x21")), "a TLV within that of TLS is longer than it"},
      {tlvs(tlv(0x20, tls + "\x21\x00\x08TLSv1.3"s)), "a TLV within that of TLS is longer than it"},
      {tlvs(tlv(0x20, tls + "\x21\x00\x08TLSv1.3"s) + tlv(4, "")),
       "a TLV within that of TLS is longer than it"},
      {tlvs(tlv(0x20, tls + tlv(0x23, "a") + tlv(0x23, "b"))), twice},
      {tlvs(tlv(0x20, tls) + tlv(0x20, tls)), twice},
  };
  for (const Malformed& row : table) {
    ProxyHeader header;
    header.authority = "as it was";
    const ProxyHeaderFound found = parse(row.text, header);
    EXPECT_EQ(found.state, State::invalid) << row.text;
    EXPECT_EQ(found.error, row.error) << row.text;
    EXPECT_EQ(header.authority, "as it was");
    bool refused = false;
    for (std::size_t size = 0; size <= row.text.size(); ++size) {
      const State state = parse(std::string_view(row.text).substr(0, size), header).state;
      EXPECT_NE(state, State::complete) << row.text << size;
      EXPECT_NE(state, State::absent) << row.text << size;
      // Once refused, more bytes do not make it sound.
      if (refused) EXPECT_EQ(state, State::invalid) << row.text << size;
      refused = state == State::invalid;
    }
  }
}

TEST(ProxyHeader, may_be_as_long_as_the_limit) {
  ProxyHeader header;
  const std::string longest = v2(0x20, 0x00, std::string(limit - 16, 'x'));
  EXPECT_EQ(parse(longest, header).state, State::complete);
  // A length that is too great is refused before its bytes come.
  EXPECT_EQ(parse(v2(0x20, 0x00, std::string(65'535, 'x')).substr(0, 16), header).state,
            State::invalid);
}

TEST(ProxyHeader, is_written_as_it_is_read) {
  for (const std::string& text : sound_headers()) {
    const ProxyHeader header = parsed(text);
    EXPECT_EQ(parsed(write_proxy_header(header)), header) << text;
  }
}

ProxyHeader between(std::string_view source, std::string_view destination, std::uint8_t version) {
  ProxyHeader header;
  header.version = version;
  header.source = *Endpoint::numeric(source, 12345);
  header.destination = *Endpoint::numeric(destination, 443);
  return header;
}

TEST(ProxyHeader, is_written_in_the_family_that_both_ends_fit) {
  EXPECT_EQ(write_proxy_header(between("10.0.0.1", "10.0.0.2", 1)),
            "PROXY TCP4 10.0.0.1 10.0.0.2 12345 443\r\n");
  EXPECT_EQ(write_proxy_header(between("2001:db8::7", "::1", 1)),
            "PROXY TCP6 2001:db8::7 ::1 12345 443\r\n");
  EXPECT_EQ(write_proxy_header(between("::ffff:10.0.0.1", "10.0.0.2", 1)),
            "PROXY TCP4 10.0.0.1 10.0.0.2 12345 443\r\n");
  EXPECT_EQ(write_proxy_header(between("10.0.0.1", "::1", 1)),
            "PROXY TCP6 ::ffff:10.0.0.1 ::1 12345 443\r\n");
  EXPECT_EQ(write_proxy_header(between("10.1.2.3", "192.0.2.1", 2)), v2(0x21, 0x11, v4_addresses));
  EXPECT_EQ(write_proxy_header(between("2001:db8::7", "2001:db8::1", 2)),
            v2(0x21, 0x21, v6_addresses));
  ProxyHeader sockets;
  sockets.destination = Endpoint::unix_path("/run/server");
  EXPECT_EQ(write_proxy_header(sockets), v2(0x21, 0x31, padded("") + padded("/run/server")));
  sockets.version = 1;
  EXPECT_EQ(write_proxy_header(sockets), "PROXY UNKNOWN\r\n");
}

TEST(ProxyHeader, of_a_health_check_speaks_of_nobody) {
  ProxyHeader local;
  local.is_local = true;
  EXPECT_EQ(write_proxy_header(local), v2(0x20, 0x00, ""));
  local.version = 1;
  EXPECT_EQ(write_proxy_header(local), "PROXY UNKNOWN\r\n");
}

TEST(ProxyHeader, leaves_out_what_its_length_cannot_say) {
  ProxyHeader header = between("10.1.2.3", "192.0.2.1", 2);
  header.authority = std::string(70'000, 'a');
  header.alpn = "h2";
  EXPECT_EQ(write_proxy_header(header), v2(0x21, 0x11, v4_addresses + tlv(1, "h2")));
}

TEST(Crc32c, is_that_of_the_standard) {
  EXPECT_EQ(crc32c(base::as_bytes("123456789")), 0xe3069283U);            // the usual check value
  EXPECT_EQ(crc32c(base::as_bytes(std::string(32, '\0'))), 0x8a9136aaU);  // RFC 3720 B.4
  EXPECT_EQ(crc32c({}), 0U);
}

}  // namespace
}  // namespace sluice::net
