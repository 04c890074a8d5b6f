#include <algorithm>
#include <array>

#include "route/actions/makers.h"
#include "route/kind.h"
#include "sluice/route/action.h"

namespace sluice::route {
namespace {

struct Row {
  std::string_view name;
  std::optional<Action> (*make)(const config::Node& value, const GroupLookup& groups,
                                config::Problems& problems);
};

// All kinds of actions. The name is the key in `action` and `default_action`.
constexpr std::array actions{
    Row{"forward", make_forward},
    Row{"redirect", make_redirect},
    Row{"fixed_response", make_fixed_response},
};

}  // namespace

std::optional<std::size_t> GroupLookup::operator()(std::string_view name) const {
  const auto found = std::ranges::find(names_, name);
  if (found == names_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - names_.begin());
}

std::optional<Action> make_action(const config::Node& action, const GroupLookup& groups,
                                  config::Problems& problems) {
  const auto kind = read_kind(action, action_names(), {}, problems);
  if (!kind) return std::nullopt;
  return std::ranges::find(actions, kind->name, &Row::name)->make(kind->value, groups, problems);
}

std::vector<std::string_view> action_names() {
  std::vector<std::string_view> names;
  names.reserve(actions.size());
  for (const Row& row : actions) names.push_back(row.name);
  return names;
}

}  // namespace sluice::route
