// host: ["example.com", "*.example.com"] or { regex: ... } - the host that the request is for,
// without case and port, against names with ALB's wildcards. `*.example.com` is not example.com. A
// request without a host (HTTP/1.0) matches none.
#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"

namespace sluice::route {

std::unique_ptr<Condition> make_host(const config::Node& value, config::Problems& problems) {
  std::vector<Pattern> patterns;
  if (value.kind() == config::Node::Kind::mapping) {
    if (!has_only_keys(value, {"regex"}, problems)) return nullptr;
    const auto regex = value.get("regex");
    if (!regex) value.error("needs regex, or is a list of names", problems);
    if (regex) patterns = read_regexes(*regex, Case::ignored, problems);
  } else {
    patterns = read_host_names(value, problems);
  }
  if (patterns.empty()) return nullptr;
  return std::make_unique<TextCondition>("host", Subject{SubjectKind::host, {}},
                                         std::move(patterns));
}

}  // namespace sluice::route
