// compress: { codings: [br, zstd, gzip], types: [text/*, application/json], min_size: 1KiB } -
// `compress: on` is the same with all defaults.
#include "sluice/route/filters/compress.h"

#include <algorithm>
#include <utility>

#include "route/conditions/values.h"
#include "route/filters/readers.h"
#include "route/glob.h"
#include "route/kind.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

constexpr std::size_t type_limit = 128;  // bytes
constexpr std::uint64_t size_most = std::uint64_t{1} << 30;
constexpr std::uint64_t concurrency_most = 1'000'000;

std::vector<std::string_view> coding_names() {
  std::vector<std::string_view> names;
  for (const http::ContentCoding coding : http::content_codings) {
    names.push_back(http::name_of(coding));
  }
  return names;
}

std::vector<http::ContentCoding> read_codings(const config::Node& node,
                                              config::Problems& problems) {
  std::vector<http::ContentCoding> seen;
  const auto parse = [&](const config::Node& item, const std::string& text) {
    auto coding = http::content_coding(text);
    if (!coding) {
      item.error("must be one of " + list_of(coding_names()) + ", not " + item.quoted(), problems);
    } else if (std::ranges::find(seen, *coding) != seen.end()) {
      item.error("is there twice: " + item.quoted(), problems);
      coding.reset();
    } else {
      seen.push_back(*coding);
    }
    return coding;
  };
  return read_values<http::ContentCoding>(node, parse, problems);
}

// `type/subtype`, with wildcards.
bool is_type_pattern(std::string_view text) {
  constexpr std::string_view good = "abcdefghijklmnopqrstuvwxyz0123456789!#$&^_.+-*?/";
  return text.size() <= type_limit && std::ranges::count(text, '/') == 1 && text.front() != '/' &&
         text.back() != '/' && text.find_first_not_of(good) == std::string_view::npos;
}

std::vector<std::string> read_types(const config::Node& node, config::Problems& problems) {
  const auto parse = [&](const config::Node& item, const std::string& text) {
    std::optional<std::string> type = base::to_lower(text);
    if (!type->empty() && is_type_pattern(*type)) return type;
    item.error("must be a media type such as application/json or text/*, without parameters, not " +
                   item.quoted(),
               problems);
    type.reset();
    return type;
  };
  return read_values<std::string>(node, parse, problems);
}

void read_levels(const config::Node& node, CompressSettings& settings, config::Problems& problems) {
  node.allow_keys(coding_names(), {}, problems);
  for (std::size_t i = 0; i < http::content_codings.size(); ++i) {
    const http::ContentCoding coding = http::content_codings[i];
    const auto value = node.get(http::name_of(coding));
    if (!value) continue;
    const http::LevelRange range = http::levels_of(coding);
    const auto level = value->as_integer(static_cast<std::uint64_t>(range.least),
                                         static_cast<std::uint64_t>(range.most), problems);
    if (level) settings.levels[i] = static_cast<int>(*level);
  }
}

void read_settings(const config::Node& value, CompressSettings& settings,
                   config::Problems& problems) {
  value.allow_keys({"codings", "levels", "types", "min_size", "concurrency"}, problems);
  if (const auto node = value.get("codings")) settings.codings = read_codings(*node, problems);
  if (const auto node = value.get("levels")) read_levels(*node, settings, problems);
  if (const auto node = value.get("types")) settings.types = read_types(*node, problems);
  if (const auto node = value.get("min_size")) {
    if (const auto size = node->as_size(1, size_most, problems)) settings.size_least = *size;
  }
  if (const auto node = value.get("concurrency")) {
    const auto most = node->as_integer(1, concurrency_most, problems);
    if (most) settings.concurrency = static_cast<std::uint32_t>(*most);
  }
}

bool is_on(const config::Node& value) {
  config::Problems ignored;
  return value.kind() == config::Node::Kind::scalar && value.as_string(ignored) == "on";
}

}  // namespace

bool CompressSettings::takes_type(std::string_view content_type) const {
  const std::string type =
      base::to_lower(base::trim(content_type.substr(0, content_type.find(';'))));
  return std::ranges::any_of(
      types, [&](const std::string& pattern) { return glob_matches(pattern, type); });
}

void read_compress(const config::Node& value, Filters& filters, const FilterContext& context,
                   config::Problems& problems) {
  Compress compress;
  if (value.kind() == config::Node::Kind::mapping) {
    read_settings(value, compress.settings, problems);
  } else if (!is_on(value)) {
    value.error("must be on, off or a mapping such as { types: [text/*] }, not " + value.quoted(),
                problems);
    return;
  }
  const Compress* former = context.former != nullptr ? context.former->compress.get() : nullptr;
  // Its seats were for all rules of the listener.
  const bool was_shared =
      context.former_listener != nullptr && context.former_listener->compress.get() == former;
  if (was_shared) former = nullptr;
  if (former != nullptr && former->settings == compress.settings) {
    filters.compress = context.former->compress;
  } else {
    if (former != nullptr) compress.active = former->active;
    filters.compress = std::make_shared<const Compress>(std::move(compress));
  }
}

}  // namespace sluice::route
