// cookie: { name: plan, values: [gold, "silver*"] } or { name } - a cookie of this name has a value
// like that, both with their case, values with ALB's wildcards and their backslash escapes, without
// the quotes around a value. Of cookies with the same name each is tried in turn.
#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"

namespace sluice::route {

std::unique_ptr<Condition> make_cookie(const config::Node& value, config::Problems& problems) {
  if (value.kind() != config::Node::Kind::mapping) {
    value.error("must be a mapping such as { name: plan, values: [gold] }, not " + value.quoted(),
                problems);
    return nullptr;
  }
  if (!has_only_keys(value, {"name", "values"}, problems)) return nullptr;
  const auto node = value.get("name");
  if (!node) value.error("needs the name of a cookie", problems);
  const std::string name = node ? node->as_string(problems).value_or("") : "";
  const bool is_good = !name.empty() && name.size() <= text_limit && is_token(name);
  if (node && !is_good) {
    node->error("must be the name of a cookie, of at most " + std::to_string(text_limit) +
                    " characters, not " + node->quoted(),
                problems);
  }
  std::vector<Pattern> patterns{Pattern::glob("*", Escapes::none, Case::counts)};
  if (const auto values = value.get("values")) {
    patterns = read_texts(*values, SubjectKind::cookie, problems);
  }
  if (!is_good || patterns.empty()) return nullptr;
  return std::make_unique<TextCondition>("cookie " + name, Subject{SubjectKind::cookie, name},
                                         std::move(patterns));
}

}  // namespace sluice::route
