// path_prefix: /api - the path in its normal form (http/uri.h) begins with these whole segments,
// case-sensitive: /api and /api/x, never /apiary. A slash at the end of the prefix changes nothing,
// so /api/ matches /api, too; / matches every path. With several prefixes any of them may match.
#include <utility>

#include "route/conditions/forms.h"
#include "route/conditions/makers.h"
#include "route/conditions/values.h"
#include "sluice/http/uri.h"

namespace sluice::route {
namespace {

constexpr std::size_t prefix_limit = 1024;  // bytes

std::optional<Pattern> read_prefix(const config::Node& item, std::string text,
                                   config::Problems& problems) {
  if (text.empty() || text.size() > prefix_limit || text.front() != '/') {
    item.error("must begin with '/' and have at most " + std::to_string(prefix_limit) +
                   " characters, not " + item.quoted(),
               problems);
    return std::nullopt;
  }
  if (text.find('*') != std::string::npos) {
    item.error("has no wildcards: /api covers all below /api; `path` takes patterns", problems);
    return std::nullopt;
  }
  std::string storage;
  std::string_view normal;
  if (!http::normalize_path(text, storage, normal)) {
    item.error("is not a path that a request can have: " + item.quoted(), problems);
    return std::nullopt;
  }
  if (normal != text) {
    item.error("can never match: paths are compared in their normal form, here '" +
                   std::string(normal) + "'",
               problems);
    return std::nullopt;
  }
  if (text.back() == '/') text.pop_back();
  return Pattern::segments(std::move(text));
}

}  // namespace

std::unique_ptr<Condition> make_path_prefix(const config::Node& value, config::Problems& problems) {
  const auto read = [&](const config::Node& item, const std::string& text) {
    return read_prefix(item, text, problems);
  };
  auto prefixes = read_values<Pattern>(value, read, problems);
  if (prefixes.empty()) return nullptr;
  return std::make_unique<TextCondition>("path_prefix", Subject{SubjectKind::path, {}},
                                         std::move(prefixes));
}

}  // namespace sluice::route
