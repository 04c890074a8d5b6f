// source_ip: [10.0.0.0/8, "2001:db8::/32"] - the address that the connection came from, in any of
// the ranges. X-Forwarded-For is never looked at: anybody can write it.
#include <algorithm>
#include <utility>

#include "route/address_digits.h"
#include "route/anchor.h"
#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"
#include "sluice/base/cidr.h"

namespace sluice::route {

SourceIp::SourceIp(std::vector<base::Cidr> ranges)
    : Condition(Form::source_ip), ranges_(std::move(ranges)) {}

bool SourceIp::matches(const MatchInput& input) const {
  return std::ranges::any_of(ranges_,
                             [&](const base::Cidr& range) { return range.contains(input.client); });
}

std::string SourceIp::text() const {
  std::string out = "source_ip: ";
  for (const base::Cidr& range : ranges_) {
    if (&range != &ranges_.front()) out += ", ";
    out += range.text();
  }
  return out;
}

std::string SourceIp::compared(const MatchInput& input) const { return input.client.text(); }

std::vector<Anchors> SourceIp::anchors() const {
  Anchors anchors;
  for (const base::Cidr& range : ranges_) {
    if (range.prefix() == 0) return {};
    for (std::string& beginning : AddressDigits::beginnings_of(range)) {
      anchors.push_back(
          {{SubjectKind::client, {}}, Anchor::Kind::start, std::move(beginning), true});
    }
  }
  return {anchors};
}

std::unique_ptr<Condition> make_source_ip(const config::Node& value, config::Problems& problems) {
  const auto read = [&](const config::Node& item, const std::string& text) {
    auto range = base::Cidr::parse(text);
    if (!range) {
      item.error(
          "must be a range such as 10.0.0.0/8 or 2001:db8::/32, without bits behind the prefix, "
          "or an address, not " +
              item.quoted(),
          problems);
    }
    // ALB refuses it, too.
    if (range && *range == base::Cidr::parse("255.255.255.255")) {
      item.error("can never match: no client has the address of a broadcast", problems);
      range.reset();
    }
    return range;
  };
  auto ranges = read_values<base::Cidr>(value, read, problems);
  return ranges.empty() ? nullptr : std::make_unique<SourceIp>(std::move(ranges));
}

}  // namespace sluice::route
