// forward_auth: { group: login, path: /verify, answer_headers: [X-User] } - a service of that group
// is asked about each request: 2xx lets it pass, 401, 403 and redirects are the client's answer.
#include "sluice/route/filters/forward_auth.h"

#include <algorithm>
#include <utility>

#include "route/field_text.h"
#include "route/filters/field_kinds.h"
#include "route/filters/readers.h"
#include "route/group_name.h"
#include "sluice/base/text.h"
#include "sluice/http/field.h"

namespace sluice::route {
namespace {

using config::Node;
using config::Problems;
using http::FieldName;
using namespace std::chrono_literals;

constexpr std::size_t names_max = 64;
constexpr std::size_t path_bytes_max = 2048;

enum class Direction : std::uint8_t { question, target, client };

// What the question says itself, and nobody may say for us.
bool is_of_the_question(std::string_view name) {
  return is_written_by_us(name) || base::to_lower(name).starts_with("x-forwarded-");
}

bool may_be_copied(std::string_view name, Direction direction) {
  if (!is_field_name(name) || belongs_to_connection(name) || http::is_alias_of_protected(name)) {
    return false;
  }
  const FieldName token = http::field_name(name);
  if (token == FieldName::host) return false;
  switch (direction) {
    case Direction::question: return !is_of_the_question(name);
    case Direction::target:
      return !is_of_the_question(name) && token != FieldName::content_type &&
             token != FieldName::content_encoding;
    case Direction::client: return token != FieldName::date && token != FieldName::server;
  }
  return false;
}

void read_names(const Node& of, std::string_view key, Direction direction,
                std::vector<std::string>& names, Problems& problems) {
  const auto node = of.get_section(key);
  if (!node) return;
  // `answer_headers:` with nothing behind it is an unfinished line.
  if (node->kind() == Node::Kind::mapping) {
    node->error("must be a list of header names; [] for none", problems);
    return;
  }
  names.clear();
  for (const std::string& name : node->as_strings(problems)) {
    const bool is_named = std::ranges::any_of(
        names, [&](const std::string& other) { return base::equals_ignoring_case(name, other); });
    if (!may_be_copied(name, direction)) {
      node->error("'" + base::to_lower(name) +
                      "' is no header that can be copied here: it is none, belongs to the "
                      "connection or to the framing, or is written by Sluice itself",
                  problems);
    } else if (is_named) {
      node->error(name + " is named twice", problems);
    } else {
      names.push_back(name);
    }
  }
  if (names.size() > names_max) {
    node->error("may name at most " + std::to_string(names_max) + " headers", problems);
  }
}

void read_path(const Node& node, ForwardAuth& auth, Problems& problems) {
  const auto path = node.as_string(problems);
  if (!path) return;
  const bool is_good =
      path->starts_with('/') && path->size() <= path_bytes_max &&
      std::ranges::all_of(*path, [](char c) { return c > ' ' && c <= '~' && c != '#'; });
  if (!is_good) {
    node.error(
        "must be a path such as /verify, with a query if need be, of visible ASCII and at "
        "most " +
            std::to_string(path_bytes_max) + " bytes, not " + node.quoted(),
        problems);
    return;
  }
  auth.path = *path;
}

}  // namespace

void read_forward_auth(const config::Node& value, Filters& filters, const FilterContext& context,
                       config::Problems& problems) {
  if (value.kind() != Node::Kind::mapping || value.keys().empty()) {
    value.error("must be a mapping such as { group: login, path: /verify }, not " + value.quoted(),
                problems);
    return;
  }
  Problems found;
  value.allow_keys({"group", "path", "timeout", "request_headers", "answer_headers",
                    "denied_headers", "answer_bytes", "fail_open"},
                   found);
  ForwardAuth auth;
  if (const auto group = value.get("group")) {
    if (auto named = read_group_name(*group, context.groups, found)) {
      auth.group = named->index;
      auth.group_name = std::move(named->name);
    }
  } else {
    value.error("needs group: the target group that is asked", found);
  }
  if (const auto path = value.get_section("path")) read_path(*path, auth, found);
  if (const auto timeout = value.get("timeout")) {
    auth.timeout = timeout->as_duration(10ms, 5min, found).value_or(auth.timeout);
  }
  read_names(value, "request_headers", Direction::question, auth.request_headers, found);
  read_names(value, "answer_headers", Direction::target, auth.answer_headers, found);
  read_names(value, "denied_headers", Direction::client, auth.denied_headers, found);
  if (const auto bytes = value.get("answer_bytes")) {
    auth.answer_bytes = bytes->as_size(0, 1024 * 1024, found).value_or(auth.answer_bytes);
  }
  if (const auto fail_open = value.get("fail_open")) {
    auth.fail_open = fail_open->as_bool(found).value_or(false);
  }
  problems.add(found, "");
  if (!found.has_errors()) {
    filters.forward_auth = std::make_shared<const ForwardAuth>(std::move(auth));
  }
}

}  // namespace sluice::route
