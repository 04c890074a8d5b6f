// path_regex: "^/v[0-9]+/" - the path in its normal form (http/uri.h) has a match of the expression
// (RE2) anywhere, unless `^` and `$` tie it to the ends; case-sensitive. With several any may
// match.
#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"

namespace sluice::route {

std::unique_ptr<Condition> make_path_regex(const config::Node& value, config::Problems& problems) {
  auto patterns = read_regexes(value, Case::counts, problems);
  if (patterns.empty()) return nullptr;
  return std::make_unique<TextCondition>("path_regex", Subject{SubjectKind::path, {}},
                                         std::move(patterns));
}

}  // namespace sluice::route
