#include "sluice/route/value_template.h"

#include <algorithm>
#include <array>

#include "route/field_text.h"
#include "route/kind.h"
#include "sluice/base/text.h"

namespace sluice::route {
namespace {

struct Name {
  std::string_view text;
  Variable variable;
};

constexpr std::string_view header_prefix = "header:";

constexpr std::array names{
    Name{"client_ip", Variable::client_ip},
    Name{"client_port", Variable::client_port},
    Name{"protocol", Variable::protocol},
    Name{"host", Variable::host},
    Name{"method", Variable::method},
    Name{"path", Variable::path},
    Name{"query", Variable::query},
    Name{"request_id", Variable::request_id},
    Name{"rule", Variable::rule},
    Name{"target_group", Variable::target_group},
    Name{"tls_version", Variable::tls_version},
    Name{"tls_cipher", Variable::tls_cipher},
    Name{"sni", Variable::sni},
    Name{"status", Variable::status},
};

bool is_known_at(const Name& name, ValueTemplate::Place place) {
  return name.variable != Variable::status || place == ValueTemplate::Place::answer;
}

std::string list_of_variables(ValueTemplate::Place place) {
  std::string list;
  for (const Name& name : names) {
    if (is_known_at(name, place)) list.append("#{").append(name.text).append("}, ");
  }
  return list + "#{header:NAME}";
}

void append_without_control_bytes(std::string& out, std::string_view value) {
  for (const char c : value) {
    if (is_field_value_byte(c)) {
      out += c;
    } else {
      base::append_percent_encoded(out, c);
    }
  }
}

}  // namespace

std::optional<ValueTemplate> ValueTemplate::parse(const config::Node& node, Place place,
                                                  config::Problems& problems) {
  const auto given = node.as_string(problems);
  if (!given) return std::nullopt;
  std::string_view text = *given;
  if (text.size() > text_bytes_max) {
    node.error("must have at most " + std::to_string(text_bytes_max) + " bytes", problems);
    return std::nullopt;
  }
  if (!is_field_value(text)) {
    node.error("must be one line without control characters, and without spaces at its ends",
               problems);
    return std::nullopt;
  }
  ValueTemplate made;
  while (!text.empty()) {
    const std::size_t mark = text.find("#{");
    if (mark > 0) made.pieces_.push_back({.text = std::string(text.substr(0, mark))});
    if (mark == std::string_view::npos) break;
    text.remove_prefix(mark + 2);
    const std::size_t end = text.find('}');
    const std::string_view name = text.substr(0, end);
    const auto known = std::ranges::find(names, name, &Name::text);
    if (end != std::string_view::npos && known != names.end() && is_known_at(*known, place)) {
      made.pieces_.push_back({.variable = known->variable, .text = {}});
    } else if (end != std::string_view::npos && name.starts_with(header_prefix) &&
               is_field_name(name.substr(header_prefix.size()))) {
      made.pieces_.push_back(
          {.variable = Variable::header, .text = std::string(name.substr(header_prefix.size()))});
    } else {
      node.error("may have the variables " + list_of_variables(place) + " only, not those of " +
                     node.quoted(),
                 problems);
      return std::nullopt;
    }
    text.remove_prefix(end + 1);
  }
  return made;
}

bool ValueTemplate::append_to(std::string& out, const Variables& variables,
                              std::size_t limit) const {
  std::string value;
  for (const Piece& piece : pieces_) {
    if (piece.variable == Variable::none) {
      out += piece.text;
    } else {
      value.clear();
      variables.append(piece.variable, piece.text, value);
      append_without_control_bytes(out, value);
    }
    if (out.size() > limit) return false;
  }
  return true;
}

}  // namespace sluice::route
