#include "route/kind.h"

#include <algorithm>

namespace sluice::route {

std::optional<Kind> read_kind(const config::Node& node, const std::vector<std::string_view>& known,
                              const std::vector<std::string_view>& not_supported,
                              config::Problems& problems) {
  const std::vector<std::string> keys = node.keys();
  if (keys.size() != 1) {
    node.error("must be a mapping with exactly one of " + list_of(known), problems);
    return std::nullopt;
  }
  node.allow_keys(known, not_supported, problems);
  const auto name = std::ranges::find(known, keys.front());
  if (name == known.end()) return std::nullopt;
  auto value = node.get(*name);
  if (!value) {
    problems.error(node.position(), node.path_of(*name), "must not be empty");
    return std::nullopt;
  }
  return Kind{*name, *std::move(value)};
}

std::string list_of(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) {
    if (!out.empty()) out += ", ";
    out += name;
  }
  return out;
}

}  // namespace sluice::route
