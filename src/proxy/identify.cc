#include "proxy/identify.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

namespace sluice::proxy {

namespace {

using http::Field;
using http::FieldName;

constexpr std::size_t longest_request_id = 128;
constexpr std::string_view hex_digits = "0123456789abcdef";

constexpr auto hex_pairs = [] {
  std::array<char, 512> pairs{};
  for (std::size_t i = 0; i < 256; ++i) {
    pairs[2 * i] = hex_digits[i >> 4];
    pairs[2 * i + 1] = hex_digits[i & 0xf];
  }
  return pairs;
}();

// 16 characters; the order of the bytes does not matter for random values.
void put_hex(std::uint64_t value, char* out) {
  for (std::size_t i = 0; i < 8; ++i) {
    std::memcpy(out + 2 * i, hex_pairs.data() + 2 * (value & 0xff), 2);
    value >>= 8;
  }
}

bool is_trusted(const Snapshot& snapshot, const base::IpAddress& address) {
  return std::ranges::any_of(snapshot.trusted_proxies,
                             [&](const base::Cidr& range) { return range.contains(address); });
}

}  // namespace

void identify_client(Exchange& exchange) {
  const Snapshot& snapshot = *exchange.view->snapshot;
  exchange.client = exchange.connection->client().address();
  exchange.client_text.clear();
  exchange.peer_is_trusted =
      !snapshot.trusted_proxies.empty() && is_trusted(snapshot, exchange.client);
  if (!exchange.peer_is_trusted) return;
  // Several fields are one list (RFC 9110 5.3).
  std::vector<std::string_view> addresses;
  for (const Field& field : exchange.request.fields) {
    if (field.known != FieldName::x_forwarded_for) continue;
    http::for_each_element(
        field.value, [&addresses](std::string_view element) { addresses.push_back(element); });
  }
  // From the right, past every address that is one of our proxies: the first other one is the
  // client.
  for (auto text = addresses.rbegin(); text != addresses.rend(); ++text) {
    const std::optional<base::IpAddress> address = base::IpAddress::parse(*text);
    if (!address.has_value()) return;  // nonsense: what is left of it is not believed
    exchange.client = *address;
    exchange.client_text = address->text();
    if (!is_trusted(snapshot, *address)) return;
  }
}

void identify_request(Exchange& exchange) {
  const std::string_view arrived = exchange.request.fields.value(FieldName::x_request_id);
  if (exchange.peer_is_trusted && !arrived.empty() && arrived.size() <= longest_request_id) {
    exchange.request_id = arrived;
    return;
  }
  Random& random = exchange.worker().random();
  put_hex(random.next(), exchange.request_id_storage.data());
  put_hex(random.next(), exchange.request_id_storage.data() + 16);
  exchange.request_id = {exchange.request_id_storage.data(), exchange.request_id_storage.size()};
}

bool is_valid_traceparent(std::string_view value) {
  if (value.size() != 55 || !value.starts_with("00-")) return false;
  for (std::size_t i = 3; i < value.size(); ++i) {
    const bool dash = i == 35 || i == 52;
    if (dash ? value[i] != '-' : hex_digits.find(value[i]) == std::string_view::npos) return false;
  }
  return value.substr(3, 32).find_first_not_of('0') != std::string_view::npos &&
         value.substr(36, 16).find_first_not_of('0') != std::string_view::npos;
}

void write_traceparent(const Exchange& exchange, http::H1Writer& writer,
                       std::string_view received) {
  Random& random = exchange.worker().random();
  std::array<char, 48> fresh;
  put_hex(random.next(), fresh.data());
  put_hex(random.next() | 1, fresh.data() + 16);  // never all zero
  put_hex(random.next() | 1, fresh.data() + 32);
  const bool continued = is_valid_traceparent(received);
  std::array<char, 55> value;
  std::memcpy(value.data(), "00-", 3);
  std::memcpy(value.data() + 3, continued ? received.data() + 3 : fresh.data(), 32);
  value[35] = '-';
  std::memcpy(value.data() + 36, fresh.data() + 32, 16);
  std::memcpy(value.data() + 52, continued ? received.data() + 52 : "-00", 3);
  writer.trusted_field("traceparent", {value.data(), value.size()});
}

}  // namespace sluice::proxy
