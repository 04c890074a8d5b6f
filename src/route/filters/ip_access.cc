// ip_access: { allow: [10.0.0.0/8], deny: [10.6.6.6] } - the client's address, as source_ip sees
// it: the peer, or whom a trusted proxy or the PROXY protocol named. Others are answered 403.
#include "sluice/route/filters/ip_access.h"

#include <algorithm>
#include <utility>

#include "route/conditions/values.h"
#include "route/filters/readers.h"

namespace sluice::route {
namespace {

std::vector<base::Cidr> read_ranges(const config::Node& node, config::Problems& problems) {
  const auto parse = [&](const config::Node& item, const std::string& text) {
    auto range = base::Cidr::parse(text);
    if (!range) {
      item.error(
          "must be a range such as 10.0.0.0/8 or 2001:db8::/32, without bits behind the "
          "prefix, or an address, not " +
              item.quoted(),
          problems);
    }
    return range;
  };
  return read_values<base::Cidr>(node, parse, problems);
}

bool is_in_any(const std::vector<base::Cidr>& ranges, const base::IpAddress& address) {
  return std::ranges::any_of(ranges,
                             [&](const base::Cidr& range) { return range.contains(address); });
}

}  // namespace

bool IpAccess::admits(const base::IpAddress& client) const {
  if (is_in_any(deny, client)) return false;
  return allow.empty() || is_in_any(allow, client);
}

void read_ip_access(const config::Node& value, Filters& filters, const FilterContext& /*context*/,
                    config::Problems& problems) {
  if (value.kind() != config::Node::Kind::mapping || value.keys().empty()) {
    value.error(
        "must be a mapping with allow, deny or both, such as { allow: [10.0.0.0/8] }, not " +
            value.quoted(),
        problems);
    return;
  }
  value.allow_keys({"allow", "deny"}, problems);
  IpAccess access;
  // A key with nothing behind it is no list, and must not mean everybody.
  if (const auto allow = value.get_section("allow")) access.allow = read_ranges(*allow, problems);
  if (const auto deny = value.get_section("deny")) access.deny = read_ranges(*deny, problems);
  // A list of which nothing is left has been reported: it must not mean everybody.
  filters.ip_access = std::make_shared<const IpAccess>(std::move(access));
}

}  // namespace sluice::route
