// forward: GROUP - one target group takes the request.
#include "route/actions/makers.h"
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

std::optional<Action> make_forward(const config::Node& value, const GroupLookup& groups,
                                   config::Problems& problems) {
  using Kind = config::Node::Kind;
  if (value.kind() == Kind::sequence || value.kind() == Kind::mapping) {
    value.error(
        "must be the name of a target group; weighted groups are not supported by this version",
        problems);
    return std::nullopt;
  }
  auto name = value.as_string(problems);
  if (!name) return std::nullopt;
  const auto group = groups(*name);
  if (!group) {
    value.error(unknown_group(value, *name, groups), problems);
    return std::nullopt;
  }
  return Forward{.group = *group, .group_name = *std::move(name)};
}

}  // namespace sluice::route
