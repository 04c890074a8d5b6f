// path: ["/api", "/api/*"] - the path in its normal form (http/uri.h), case-sensitive, against
// patterns with ALB's wildcards; any of them may match. The query is not part of it.
#include <utility>

#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"
#include "sluice/http/uri.h"

namespace sluice::route {
namespace {

constexpr std::size_t pattern_limit = 128;  // bytes, as in ALB; bounds the work of a comparison

// A path that the pattern would match, were it one of normal form.
std::string sample(std::string_view pattern) {
  std::string out;
  if (pattern.front() == '*') out = "/";
  for (const char c : pattern) out += c != '*' && c != '?' ? c : out.empty() ? '/' : 'x';
  return out;
}

// A pattern that no normal form can match is a hole in somebody's rules, for example `/admin//*`.
bool can_match(std::string_view pattern) {
  const std::string path = sample(pattern);
  std::string storage;
  std::string_view normal;
  return http::normalize_path(path, storage, normal) && normal == path;
}

std::optional<Pattern> read_pattern(const config::Node& item, const std::string& text,
                                    config::Problems& problems) {
  if (text.empty() || text.size() > pattern_limit) {
    item.error("must have 1 to " + std::to_string(pattern_limit) + " characters", problems);
    return std::nullopt;
  }
  if (std::string_view("/*?").find(text.front()) == std::string_view::npos) {
    item.error("must begin with '/', '*' or '?', not " + item.quoted(), problems);
    return std::nullopt;
  }
  if (!can_match(text)) {
    item.error(
        "can never match: paths are compared in their normal form, without '//', '.' or '..' "
        "segments, backslashes, spaces, '#' and escapes such as %2f, %41 or %3d (but %3D)",
        problems);
    return std::nullopt;
  }
  return Pattern::glob(text, Escapes::none, Case::counts);
}

}  // namespace

std::unique_ptr<Condition> make_path(const config::Node& value, config::Problems& problems) {
  const auto read = [&](const config::Node& item, const std::string& text) {
    return read_pattern(item, text, problems);
  };
  auto patterns = read_values<Pattern>(value, read, problems);
  if (patterns.empty()) return nullptr;
  return std::make_unique<TextCondition>("path", Subject{SubjectKind::path, {}},
                                         std::move(patterns));
}

}  // namespace sluice::route
