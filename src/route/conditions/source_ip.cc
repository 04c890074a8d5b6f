// source_ip: [10.0.0.0/8, "2001:db8::/32"] - the address that the connection came from, in any of
// the ranges. X-Forwarded-For is never looked at: anybody can write it.
#include <algorithm>
#include <utility>

#include "route/conditions/makers.h"
#include "route/conditions/values.h"
#include "sluice/base/cidr.h"

namespace sluice::route {
namespace {

class SourceIp final : public Condition {
 public:
  explicit SourceIp(std::vector<base::Cidr> ranges) : ranges_(std::move(ranges)) {}

  bool matches(const MatchInput& input) const override {
    return std::ranges::any_of(
        ranges_, [&](const base::Cidr& range) { return range.contains(input.client); });
  }

 private:
  std::vector<base::Cidr> ranges_;
};

}  // namespace

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
    return range;
  };
  auto ranges = read_values<base::Cidr>(value, read, problems);
  return ranges.empty() ? nullptr : std::make_unique<SourceIp>(std::move(ranges));
}

}  // namespace sluice::route
