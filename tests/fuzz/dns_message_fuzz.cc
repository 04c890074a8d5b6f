// Answers of the DNS: whatever comes is an answer within the bounds or an error, and what stands
// behind the part that was read changes nothing.
#include <string>
#include <vector>

#include "property.h"
#include "sluice/net/dns_message.h"

namespace {

using namespace sluice::net;
using sluice::fuzz::require;

void check(std::string_view text, std::string_view name, DnsType type) {
  // An allocation that ends with the text: the sanitizer sees any read beyond.
  const std::vector<char> copy(text.begin(), text.end());
  const DnsAnswer answer = parse_dns_answer({copy.data(), copy.size()}, name, type);
  if (!answer.error.empty()) {
    require(answer.addresses.empty() && answer.services.empty() && answer.additional.empty(),
            "an error says nothing else");
    return;
  }
  require(answer.addresses.size() <= dns_records_max, "bounded addresses");
  require(answer.services.size() <= dns_records_max, "bounded services");
  require(answer.additional.size() <= dns_records_max, "bounded additional addresses");
  const bool has_records = !answer.addresses.empty() || !answer.services.empty();
  require(!has_records || answer.ttl.has_value(), "records have a time to live");
  require(!answer.ttl || (answer.ttl->count() >= 0 && answer.ttl->count() <= 0x7fffffff),
          "a time to live of 31 bits");
  require(type == DnsType::srv ? answer.addresses.empty() : answer.services.empty(),
          "only what was asked for");
  for (const auto& address : answer.addresses) {
    require(address.is_v4() || type == DnsType::aaaa, "addresses of the family asked for");
  }
  for (const DnsService& service : answer.services) {
    require(service.target.empty() || is_dns_name(service.target), "targets are names");
  }
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr DnsType types[] = {DnsType::a, DnsType::aaaa, DnsType::srv};
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text.substr(1), "a.test", types[data[0] % 3]);
  return 0;
}
