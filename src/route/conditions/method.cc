// method: [GET, PURGE] - the request's method, exactly, with its case; any token is one.
#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"

namespace sluice::route {
namespace {

constexpr std::size_t method_limit = 40;  // bytes, as in ALB

}  // namespace

std::unique_ptr<Condition> make_method(const config::Node& value, config::Problems& problems) {
  const auto read = [&](const config::Node& item,
                        const std::string& text) -> std::optional<Pattern> {
    if (text.size() > method_limit || !is_token(text) || text.find('*') != std::string::npos) {
      item.error("must be a method such as GET, a token of at most " +
                     std::to_string(method_limit) + " characters without wildcards, not " +
                     item.quoted(),
                 problems);
      return std::nullopt;
    }
    if (const auto known = http::method(text); known == http::Method::trace) {
      item.warning("can never match: TRACE is answered with 405 before the rules", problems);
    }
    return Pattern::glob(text, Escapes::none, Case::counts);
  };
  auto patterns = read_values<Pattern>(value, read, problems);
  if (patterns.empty()) return nullptr;
  return std::make_unique<TextCondition>("method", Subject{SubjectKind::method, {}},
                                         std::move(patterns));
}

}  // namespace sluice::route
