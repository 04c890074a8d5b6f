// rewrite: { path: { strip_prefix: /api }, query: { remove: [debug] }, host: inner.example }
#include <utility>

#include "route/filters/readers.h"
#include "sluice/http/uri.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;

constexpr std::size_t prefix_bytes_max = 1024;
constexpr std::size_t values_max = 64;

std::optional<RegexRewrite> read_regex(const Node& node, Problems& problems) {
  const auto pattern_node = node.get("regex");
  const auto replacement_node = node.get("replacement");
  if (!pattern_node || !replacement_node) {
    node.error("needs both regex and replacement", problems);
    return std::nullopt;
  }
  const auto pattern = pattern_node->as_string(problems);
  const auto text = replacement_node->as_string(problems);
  if (!pattern || !text) return std::nullopt;
  std::string error;
  auto regex = Regex::compile(*pattern, error);
  if (!regex) {
    pattern_node->error("is not a regular expression: " + error, problems);
    return std::nullopt;
  }
  auto replacement = regex->parse_replacement(*text, error);
  if (!replacement) {
    replacement_node->error(error, problems);
    return std::nullopt;
  }
  return RegexRewrite{*std::move(regex), *std::move(replacement)};
}

// Without the slash at its end, so "" for the root.
std::optional<std::string> read_prefix(const Node& node, Problems& problems) {
  auto text = node.as_string(problems);
  if (!text) return std::nullopt;
  std::string storage;
  std::string_view normal;
  if (text->size() > prefix_bytes_max || !http::normalize_path(*text, storage, normal) ||
      normal != *text) {
    node.error("must begin with '/', be a path in its normal form and have at most " +
                   std::to_string(prefix_bytes_max) + " bytes, not " + node.quoted(),
               problems);
    return std::nullopt;
  }
  if (text->ends_with('/')) text->pop_back();
  return text;
}

// The same, but the root would change nothing.
std::optional<std::string> read_some_prefix(const Node& node, Problems& problems) {
  auto prefix = read_prefix(node, problems);
  if (prefix && prefix->empty()) {
    node.error("is the root, which changes nothing", problems);
    return std::nullopt;
  }
  return prefix;
}

void read_strip_prefixes(const Node& node, PathRewrite& path, Problems& problems) {
  std::vector<Node> items{node};
  if (node.kind() == Node::Kind::sequence) items = node.items();
  if (items.empty() || items.size() > values_max) {
    node.error("needs 1 to " + std::to_string(values_max) + " prefixes", problems);
  }
  for (const Node& item : items) {
    if (auto prefix = read_some_prefix(item, problems)) {
      path.strip_prefixes.push_back(*std::move(prefix));
    }
  }
}

void read_replace_prefix(const Node& node, PathRewrite& path, Problems& problems) {
  const auto from = node.get("from");
  const auto to = node.get("to");
  if (!from || !to) {
    node.error("must be a mapping such as { from: /old, to: /new }, not " + node.quoted(),
               problems);
    return;
  }
  node.allow_keys({"from", "to"}, problems);
  auto from_text = read_prefix(*from, problems);
  auto to_text = read_prefix(*to, problems);
  if (from_text && to_text) path.replace_prefix.emplace(*std::move(from_text), *std::move(to_text));
}

void read_path(const Node& node, Rewrite& rewrite, Problems& problems) {
  if (node.kind() != Node::Kind::mapping || node.keys().empty()) {
    node.error(
        "must be a mapping with strip_prefix, add_prefix, replace_prefix, or regex and "
        "replacement, not " +
            node.quoted(),
        problems);
    return;
  }
  node.allow_keys({"strip_prefix", "add_prefix", "replace_prefix", "regex", "replacement"},
                  problems);
  PathRewrite path;
  const auto strip = node.get("strip_prefix");
  const auto replace = node.get("replace_prefix");
  const bool has_regex = node.get("regex") || node.get("replacement");
  if (strip) read_strip_prefixes(*strip, path, problems);
  if (replace) read_replace_prefix(*replace, path, problems);
  if (has_regex) path.regex = read_regex(node, problems);
  if ((strip ? 1 : 0) + (replace ? 1 : 0) + (has_regex ? 1 : 0) > 1) {
    node.error("may have one of strip_prefix, replace_prefix and regex only", problems);
  }
  if (path.regex) {
    for (const Replacement::Piece& piece : path.regex->replacement.pieces) {
      if (piece.literal.find_first_of("?#") == std::string::npos) continue;
      node.error("a path has no '?' and no '#'; `url` rewrites path and query", problems);
      break;
    }
  }
  if (const auto add = node.get("add_prefix")) {
    path.add_prefix = read_some_prefix(*add, problems).value_or("");
  }
  rewrite.path = std::move(path);
}

void read_query(const Node& node, Rewrite& rewrite, Problems& problems) {
  if (node.kind() != Node::Kind::mapping || node.keys().empty()) {
    node.error("must be a mapping with set, remove or both, not " + node.quoted(), problems);
    return;
  }
  node.allow_keys({"set", "remove"}, problems);
  QueryRewrite query;
  if (const auto remove = node.get("remove")) query.removals = remove->as_strings(problems);
  if (const auto set = node.get("set")) {
    if (set->kind() != Node::Kind::mapping) {
      set->error("must be a mapping of names to values, not " + set->quoted(), problems);
      return;
    }
    for (const std::string& name : set->keys()) {
      const auto value = set->get(name);
      if (!value) {
        problems.error(set->position(), set->path_of(name),
                       "needs a value; one with #{...} has to stand in quotes");
        continue;
      }
      if (auto text = ValueTemplate::parse(*value, ValueTemplate::Place::request, problems)) {
        query.sets.emplace_back(name, *std::move(text));
      }
    }
  }
  if (query.removals.size() + query.sets.size() > values_max) {
    node.error("may name at most " + std::to_string(values_max) + " parameters", problems);
  }
  rewrite.query = std::move(query);
}

void read_host(const Node& node, Rewrite& rewrite, Problems& problems) {
  if (node.kind() == Node::Kind::mapping) {
    node.allow_keys({"regex", "replacement"}, problems);
    rewrite.host_regex = read_regex(node, problems);
    return;
  }
  auto text = node.as_string(problems);
  if (!text) return;
  if (http::is_valid_authority(*text)) {
    rewrite.host = *std::move(text);
  } else {
    node.error(
        "must be a host name or address, with a port if need be, or a mapping with regex "
        "and replacement, not " +
            node.quoted(),
        problems);
  }
}

}  // namespace

void read_rewrite(const Node& value, Filters& filters, const FilterContext& /*context*/,
                  Problems& problems) {
  if (value.kind() != Node::Kind::mapping || value.keys().empty()) {
    value.error(
        "must be a mapping with any of path, query, url, host, such as "
        "{ path: { strip_prefix: /api } }, not " +
            value.quoted(),
        problems);
    return;
  }
  Problems found;
  value.allow_keys({"path", "query", "url", "host"}, found);
  Rewrite rewrite;
  const auto path = value.get("path");
  const auto query = value.get("query");
  const auto url = value.get("url");
  if (url && (path || query)) url->error("does what path and query do; leave those out", found);
  if (path) read_path(*path, rewrite, found);
  if (query) read_query(*query, rewrite, found);
  if (url) {
    url->allow_keys({"regex", "replacement"}, found);
    rewrite.url = read_regex(*url, found);
  }
  if (const auto host = value.get("host")) read_host(*host, rewrite, found);
  problems.add(found, "");
  if (!found.has_errors()) filters.rewrite = std::make_shared<const Rewrite>(std::move(rewrite));
}

}  // namespace sluice::route
