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
  // Instead of `make`: of those that hold conditions.
  std::unique_ptr<Condition> (*make_group)(const config::Node& value, unsigned depth,
                                           config::Problems& problems) = nullptr;
};

// All kinds of conditions. The name is the key in a rule's `conditions`.
constexpr std::array conditions{
    Row{"host", make_host},
    Row{"path", make_path},
    Row{"path_prefix", make_path_prefix},
    Row{"path_regex", make_path_regex},
    Row{"method", make_method},
    Row{"header", make_header},
    Row{"query", make_query},
    Row{"cookie", make_cookie},
    Row{"source_ip", make_source_ip},
    Row{"sni", make_sni},
    Row{"client_certificate", make_client_certificate},
    Row{"not", nullptr, make_not},
    Row{"any", nullptr, make_any},
};

}  // namespace

std::unique_ptr<Condition> make_condition(const config::Node& condition, config::Problems& problems,
                                          unsigned depth) {
  if (depth > condition_depth_max) {
    condition.error("stands in more than " + std::to_string(condition_depth_max) +
                        " conditions `not` and `any`, one in the other",
                    problems);
    return nullptr;
  }
  const auto kind = read_kind(condition, condition_names(), {}, problems);
  if (!kind) return nullptr;
  const Row& row = *std::ranges::find(conditions, kind->name, &Row::name);
  if (row.make_group != nullptr) return row.make_group(kind->value, depth, problems);
  return row.make(kind->value, problems);
}

std::vector<std::string_view> condition_names() {
  std::vector<std::string_view> names;
  names.reserve(conditions.size());
  for (const Row& row : conditions) names.push_back(row.name);
  return names;
}

}  // namespace sluice::route
