#include "control/health/http_settings.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "sluice/base/text.h"
#include "sluice/base/version.h"
#include "sluice/http/field.h"
#include "sluice/http/h1_writer.h"
#include "sluice/http/uri.h"

namespace sluice::control::health {

namespace {

using config::Node;
using config::Problems;
using http::FieldName;

constexpr std::size_t path_bytes_max = 1024;  // as ALB
constexpr std::size_t headers_max = 32;
constexpr std::size_t header_bytes_max = 4096;  // one line

void read_method(const Node& node, HttpSettings& settings, Problems& problems) {
  const auto given = node.get("method");
  if (!given) return;
  if (!given->as_choice({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"}, problems))
    return;
  settings.method_text = *given->as_string(problems);
  settings.method = http::method(settings.method_text);
}

void read_path(const Node& node, HttpSettings& settings, Problems& problems) {
  const auto given = node.get("path");
  if (!given) return;
  const auto text = given->as_string(problems);
  if (!text) return;
  const auto is_visible = [](char c) { return c > ' ' && c <= '~' && c != '#'; };
  if (text->size() <= path_bytes_max && text->starts_with('/') &&
      std::ranges::all_of(*text, is_visible)) {
    settings.path = *text;
    return;
  }
  given->error("must start with / and have at most " + std::to_string(path_bytes_max) +
                   " bytes of visible ASCII without #, not " + given->quoted(),
               problems);
}

void read_host(const Node& node, HttpSettings& settings, Problems& problems) {
  const auto given = node.get("host");
  if (!given) return;
  const auto text = given->as_string(problems);
  if (!text) return;
  if (http::is_valid_authority(*text)) {
    settings.host = *text;
  } else {
    given->error("must be a host name or address, with a port if need be, not " + given->quoted(),
                 problems);
  }
}

// Fields that we write ourselves, or that would change how the message is framed.
bool is_ours(std::string_view name) {
  const FieldName known = http::field_name(name);
  constexpr std::array ours{FieldName::host, FieldName::content_length, FieldName::expect,
                            FieldName::trailer, FieldName::proxy_connection};
  return http::is_hop_by_hop(known) || std::ranges::find(ours, known) != ours.end();
}

// The line of one field; empty, with the problem recorded, when it cannot be one. Values may be
// secrets: no message quotes them.
std::string field_line(const std::string& name, const Node& value, Problems& problems) {
  const auto text = value.as_string(problems);
  if (!text) return {};
  if (is_ours(name)) {
    value.error("cannot be set here" + std::string(base::equals_ignoring_case(name, "Host")
                                                       ? "; use health_check.host"
                                                       : ": it belongs to the connection"),
                problems);
    return {};
  }
  std::array<char, header_bytes_max> line;
  http::H1Writer writer(line);  // refuses what is no name and no value
  writer.field(name, *text);
  if (!writer.overflowed() && base::trim(*text) == *text) {
    return std::string(base::as_text(writer.bytes()));
  }
  value.error("name and value must be those of a header of at most " +
                  std::to_string(header_bytes_max) + " bytes",
              problems);
  return {};
}

void read_headers(const Node& node, HttpSettings& settings, Problems& problems) {
  const auto given = node.get("headers");
  std::vector<std::string> seen;
  if (given && given->kind() != Node::Kind::mapping) {
    given->error("must be a mapping of names to values", problems);
  } else if (given) {
    const std::vector<std::string> names = given->keys();
    if (names.size() > headers_max) {
      given->error("must have at most " + std::to_string(headers_max) + " headers", problems);
    }
    for (const std::string& name : names) {
      const auto value = given->get(name);
      if (!value) {
        problems.error(given->position(), given->path_of(name), "must not be empty");
        continue;
      }
      const std::string lower = base::to_lower(name);
      if (std::ranges::find(seen, lower) != seen.end()) {
        value->error("duplicate header; names differ by more than case", problems);
      }
      seen.push_back(lower);
      settings.fields += field_line(name, *value, problems);
    }
  }
  if (std::ranges::find(seen, "user-agent") == seen.end()) {
    settings.fields += "User-Agent: Sluice-HealthChecker/" + std::string(base::version) + "\r\n";
  }
}

void read_body_match(const Node& node, HttpSettings& settings, Problems& problems) {
  const auto given = node.get("body_match");
  if (!given) return;
  if (settings.method == http::Method::head) {
    given->error("the answer to HEAD has no body", problems);
  }
  const auto pattern = given->as_string(problems);
  if (!pattern) return;
  std::string error;
  settings.body_match = route::Regex::compile(*pattern, error);
  if (!settings.body_match) {
    given->error("must be a regular expression (RE2), not " + given->quoted() + ": " + error,
                 problems);
  }
}

}  // namespace

HttpSettings read_http_settings(const Node& node, Problems& problems) {
  HttpSettings settings;
  read_method(node, settings, problems);
  read_path(node, settings, problems);
  read_host(node, settings, problems);
  read_headers(node, settings, problems);
  auto matcher =
      read_matcher(node, StatusMatcher::parse,
                   "status codes from 200 to 599, like 200, \"200,202\" or \"200-299\"", problems);
  if (matcher) settings.matcher = std::move(*matcher);
  read_body_match(node, settings, problems);
  return settings;
}

}  // namespace sluice::control::health
