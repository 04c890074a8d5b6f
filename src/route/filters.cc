#include "sluice/route/filters.h"

#include <algorithm>
#include <array>
#include <utility>

#include "route/filters/readers.h"
#include "route/kind.h"

namespace sluice::route {
namespace {

struct Row {
  std::string_view name;
  void (*read)(const config::Node& value, Filters& filters, const FilterContext& context,
               config::Problems& problems);
  void (*switch_off)(Filters& filters);
};

// Sets one member back to null.
template <auto member>
void reset(Filters& filters) {
  (filters.*member).reset();
}

// All kinds of filters. The name is the key in `filters`.
constexpr std::array rows{
    Row{"ip_access", read_ip_access, reset<&Filters::ip_access>},
    Row{"cors", read_cors, reset<&Filters::cors>},
    Row{"rate_limit", read_rate_limit, reset<&Filters::rate_limit>},
    Row{"basic_auth", read_basic_auth, reset<&Filters::basic_auth>},
    Row{"jwt", read_jwt, reset<&Filters::jwt>},
    Row{"forward_auth", read_forward_auth, reset<&Filters::forward_auth>},
    Row{"rewrite", read_rewrite, reset<&Filters::rewrite>},
    Row{"request_headers", read_request_headers, reset<&Filters::request_headers>},
    Row{"mirror", read_mirror, reset<&Filters::mirror>},
    Row{"compress", read_compress, reset<&Filters::compress>},
    Row{"response_headers", read_response_headers, reset<&Filters::response_headers>},
    Row{"error_pages", read_error_pages, reset<&Filters::error_pages>},
};

bool is_off(const config::Node& value) {
  if (value.kind() != config::Node::Kind::scalar) return false;
  config::Problems ignored;
  return value.as_string(ignored) == "off";
}

}  // namespace

Filters read_filters(const config::Node& node, Filters filters, const FilterContext& context,
                     config::Problems& problems) {
  if (node.kind() != config::Node::Kind::mapping) {
    node.error(
        "must be a mapping with any of " + list_of(filter_names()) + ", not " + node.quoted(),
        problems);
    return filters;
  }
  node.allow_keys(filter_names(), {}, problems);
  for (const Row& row : rows) {
    // Nothing behind the key is an empty mapping, never "no filter": somebody meant one.
    const auto value = node.get_section(row.name);
    if (!value) continue;
    if (is_off(*value)) {
      row.switch_off(filters);
    } else {
      row.read(*value, filters, context, problems);
    }
  }
  return filters;
}

std::vector<std::string_view> filter_names() {
  std::vector<std::string_view> names;
  names.reserve(rows.size());
  for (const Row& row : rows) names.push_back(row.name);
  return names;
}

}  // namespace sluice::route
