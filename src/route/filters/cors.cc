// cors: { allow_origins: ["https://app.example.com", "https://*.example.org"], max_age: 1h }
#include "sluice/route/filters/cors.h"

#include <algorithm>
#include <utility>

#include "route/field_text.h"
#include "route/filters/readers.h"
#include "sluice/base/text.h"
#include "sluice/http/uri.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;

constexpr std::size_t values_max = 256;
constexpr std::size_t origin_bytes_max = 1024;

// As browsers write them (RFC 6454 6.2): scheme, host in lower case, a port only when it is not the
// scheme's own; no path, so no slash at the end either.
bool is_origin(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0 || text.size() > origin_bytes_max) return false;
  return base::to_lower(text) == text && http::is_valid_authority(text.substr(end + 3));
}

void read_pattern(const Node& node, Cors& cors, Problems& problems) {
  node.allow_keys({"regex"}, problems);
  const auto pattern = node.get("regex");
  const auto text = pattern ? pattern->as_string(problems) : std::nullopt;
  if (!text) {
    if (!pattern) node.error("must be an origin or a mapping with regex", problems);
    return;
  }
  std::string error;
  auto alone = Regex::compile(*text, error);
  // Its parts must not fall out of the ends: a|b.
  auto regex = alone ? Regex::compile("^(?:" + *text + ")$", error) : std::nullopt;
  if (regex) {
    cors.patterns.push_back(*std::move(regex));
  } else {
    pattern->error("is not a regular expression: " + error, problems);
  }
}

void read_origin(const Node& node, Cors& cors, Problems& problems) {
  if (node.kind() == Node::Kind::mapping) return read_pattern(node, cors, problems);
  const auto text = node.as_string(problems);
  if (!text) return;
  if (*text == "*") {
    cors.any_origin = true;
    return;
  }
  const std::size_t star = text->find("://*.");
  if (star != std::string::npos) {
    std::string sample = *text;
    sample[star + 3] = 'x';
    if (is_origin(sample)) {
      cors.wildcards.push_back({text->substr(0, star + 3), text->substr(star + 4)});
      return;
    }
  } else if (*text == "null" || is_origin(*text)) {
    cors.origins.push_back(*text);
    return;
  }
  node.error(
      "must be an origin as browsers send it, such as https://app.example.com or "
      "https://*.example.com, in lower case and without a slash at the end, or *, or "
      "{ regex: EXPRESSION }, not " +
          node.quoted(),
      problems);
}

// Names in one list, `A, B`; nothing for `*`.
std::optional<std::string> read_names(const Node& node, Problems& problems) {
  std::string list;
  const std::vector<std::string> names = node.as_strings(problems);
  if (names.size() == 1 && names.front() == "*") return std::nullopt;
  if (names.size() > values_max) {
    node.error("may have at most " + std::to_string(values_max) + " names", problems);
  }
  for (const std::string& name : names) {
    if (!is_field_name(name) || name == "*") {
      node.error("must be a list of names, or * alone; '" + name + "' is none", problems);
      return "";
    }
    if (!list.empty()) list += ", ";
    list += name;
  }
  return list;
}

void read_origins(const Node& value, Cors& cors, Problems& problems) {
  const auto node = value.get("allow_origins");
  if (!node) {
    value.error("needs allow_origins: who may read", problems);
    return;
  }
  std::vector<Node> items{*node};
  if (node->kind() == Node::Kind::sequence) items = node->items();
  if (items.empty() || items.size() > values_max) {
    node->error("needs 1 to " + std::to_string(values_max) + " origins", problems);
  }
  for (const Node& item : items) read_origin(item, cors, problems);
}

}  // namespace

bool Cors::allows(std::string_view origin) const {
  if (origin.empty() || origin.size() > origin_bytes_max) return false;
  // It is sent back: only what an origin can be.
  if (!std::ranges::all_of(origin, [](char c) { return c > ' ' && c <= '~' && c != ','; })) {
    return false;
  }
  if (any_origin || std::ranges::find(origins, origin) != origins.end()) return true;
  const auto is_label_byte = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
  };
  for (const Wildcard& wildcard : wildcards) {
    if (origin.size() <= wildcard.before.size() + wildcard.behind.size()) continue;
    if (!origin.starts_with(wildcard.before) || !origin.ends_with(wildcard.behind)) continue;
    const std::string_view labels = origin.substr(
        wildcard.before.size(), origin.size() - wildcard.before.size() - wildcard.behind.size());
    if (std::ranges::all_of(labels, is_label_byte)) return true;
  }
  return std::ranges::any_of(patterns,
                             [origin](const Regex& regex) { return regex.is_found_in(origin); });
}

void read_cors(const Node& value, Filters& filters, const FilterContext& /*context*/,
               Problems& problems) {
  if (value.kind() != Node::Kind::mapping) {
    value.error("must be a mapping such as { allow_origins: [\"https://app.example.com\"] }, not " +
                    value.quoted(),
                problems);
    return;
  }
  Problems found;
  value.allow_keys({"allow_origins", "allow_methods", "allow_headers", "expose_headers",
                    "allow_credentials", "max_age"},
                   found);
  Cors cors;
  read_origins(value, cors, found);
  if (const auto node = value.get("allow_methods")) cors.methods = read_names(*node, found);
  if (const auto node = value.get("allow_headers")) cors.headers = read_names(*node, found);
  if (const auto node = value.get("expose_headers")) {
    cors.expose = read_names(*node, found).value_or("*");
  }
  if (const auto node = value.get("allow_credentials")) {
    cors.credentials = node->as_bool(found).value_or(false);
    if (cors.credentials && cors.any_origin) {
      node->error(
          "not together with the origin *: every page on the web could act as its visitor; "
          "name the origins",
          found);
    }
    if (cors.credentials && cors.expose == "*") {
      node->error("not together with expose_headers: *, which browsers then take for a name",
                  found);
    }
  }
  if (const auto node = value.get("max_age")) {
    const auto age = node->as_duration(std::chrono::milliseconds(0), std::chrono::hours(24), found);
    if (age) cors.max_age = std::chrono::duration_cast<std::chrono::seconds>(*age);
  }
  problems.add(found, "");
  if (!found.has_errors()) filters.cors = std::make_shared<const Cors>(std::move(cors));
}

}  // namespace sluice::route
