#include <algorithm>
#include <array>

#include "route/conditions/makers.h"
#include "route/kind.h"
#include "sluice/route/condition.h"

namespace sluice::route {
namespace {

struct Row {
  std::string_view name;
  std::unique_ptr<Condition> (*make)(const config::Node& value, config::Problems& problems);
};

// All kinds of conditions. The name is the key in a rule's `conditions`.
constexpr std::array conditions{
    Row{"path", make_path},
    Row{"path_prefix", make_path_prefix},
    Row{"source_ip", make_source_ip},
};

// Kinds of the vocabulary that a later version reads.
const std::vector<std::string_view> not_supported{"path_regex", "host",  "header",
                                                  "method",     "query", "cookie"};

}  // namespace

std::unique_ptr<Condition> make_condition(const config::Node& condition,
                                          config::Problems& problems) {
  const auto kind = read_kind(condition, condition_names(), not_supported, problems);
  if (!kind) return nullptr;
  return std::ranges::find(conditions, kind->name, &Row::name)->make(kind->value, problems);
}

std::vector<std::string_view> condition_names() {
  std::vector<std::string_view> names;
  names.reserve(conditions.size());
  for (const Row& row : conditions) names.push_back(row.name);
  return names;
}

}  // namespace sluice::route
