#include "route/group_name.h"

#include <utility>
#include <vector>

#include "route/kind.h"

namespace sluice::route {
namespace {

std::string unknown_group(const config::Node& value, std::string_view name,
                          const GroupLookup& groups) {
  const std::vector<std::string_view> known(groups.names().begin(), groups.names().end());
  std::string what = "no target group " + value.quoted();
  if (const auto near = config::nearest(name, known)) {
    return what + "; did you mean '" + std::string(*near) + "'?";
  }
  return what + (known.empty() ? "; there are none" : "; there are: " + list_of(known));
}

}  // namespace

std::optional<GroupName> read_group_name(const config::Node& value, const GroupLookup& groups,
                                         config::Problems& problems) {
  auto name = value.as_string(problems);
  if (!name) return std::nullopt;
  const auto index = groups(*name);
  if (!index) {
    value.error(unknown_group(value, *name, groups), problems);
    return std::nullopt;
  }
  return GroupName{*index, *std::move(name)};
}

}  // namespace sluice::route
