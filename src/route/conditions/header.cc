// header: { name: X-Env, values: [beta, "canary*"] } or { name, regex } or { name } - a field of
// this name has a value like that. Names and values without case, values with ALB's wildcards,
// where `\*`, `\?` and `\\` stand for `*`, `?` and `\`; a regex counts case unless it begins with
// `(?i)`. Of repeated fields each is tried in turn. Without values it only has to be there.
#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"

namespace sluice::route {
namespace {

std::string read_name(const config::Node& value, config::Problems& problems) {
  const auto node = value.get("name");
  if (!node) value.error("needs the name of a header", problems);
  const std::string name = node ? node->as_string(problems).value_or("") : "";
  if (name.empty()) return {};
  if (base::equals_ignoring_case(name, "host")) {
    node->error("hosts are compared by `host`, which knows about ports and case", problems);
    return {};
  }
  if (name.size() > text_limit || !is_token(name) || name.find('*') != std::string::npos) {
    node->error("must be the name of a header, of at most " + std::to_string(text_limit) +
                    " characters without wildcards, not " + node->quoted(),
                problems);
    return {};
  }
  return name;
}

}  // namespace

std::unique_ptr<Condition> make_header(const config::Node& value, config::Problems& problems) {
  if (value.kind() != config::Node::Kind::mapping) {
    value.error("must be a mapping such as { name: X-Env, values: [beta] }, not " + value.quoted(),
                problems);
    return nullptr;
  }
  if (!has_only_keys(value, {"name", "values", "regex"}, problems)) return nullptr;
  const std::string name = read_name(value, problems);
  const auto values = value.get("values");
  const auto regex = value.get("regex");
  if (values && regex) {
    value.error("has either values or regex, not both", problems);
    return nullptr;
  }
  std::vector<Pattern> patterns;
  if (values) {
    patterns = read_texts(*values, SubjectKind::header, problems);
  } else if (regex) {
    patterns = read_regexes(*regex, Case::counts, problems);
  } else {
    patterns.push_back(Pattern::glob("*", Escapes::none, Case::ignored));
  }
  if (name.empty() || patterns.empty()) return nullptr;
  return std::make_unique<TextCondition>(
      "header " + name, Subject{SubjectKind::header, base::to_lower(name)}, std::move(patterns));
}

}  // namespace sluice::route
