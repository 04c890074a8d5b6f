// The values of a condition: one text or a list of them, any of which may match.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "route/pattern.h"
#include "route/subject.h"
#include "sluice/config/node.h"

namespace sluice::route {

// `parse(item, text)` turns one value into an optional<Value>, or records with `item` what is wrong
// with it. Empty, with a problem recorded, unless there are values and all of them are good.
template <typename Value, typename Parse>
[[nodiscard]] std::vector<Value> read_values(const config::Node& node, Parse parse,
                                             config::Problems& problems) {
  using Kind = config::Node::Kind;
  std::vector<config::Node> items{node};
  if (node.kind() == Kind::sequence) items = node.items();
  if (items.empty()) node.error("needs at least one value", problems);

  std::vector<Value> values;
  for (const config::Node& item : items) {
    const auto text = item.as_string(problems);
    if (!text) continue;
    if (std::optional<Value> value = parse(item, *text)) values.push_back(*std::move(value));
  }
  if (values.size() != items.size()) values.clear();
  return values;
}

// Of names and values with wildcards, as in ALB; bounds the work of a comparison.
inline constexpr std::size_t text_limit = 128;

// False, with a problem recorded, unless it has `least` to `text_limit` bytes, none a control byte.
[[nodiscard]] bool is_good_text(const config::Node& item, std::string_view text, std::size_t least,
                                config::Problems& problems);

// The name of a field, a cookie or a method (RFC 9110 5.6.2).
[[nodiscard]] bool is_token(std::string_view text);

// False, with problems recorded, when the mapping has others.
[[nodiscard]] bool has_only_keys(const config::Node& node,
                                 std::initializer_list<std::string_view> known,
                                 config::Problems& problems);

// Values with wildcards and backslash escapes, compared as the subject's kind is.
[[nodiscard]] std::vector<Pattern> read_texts(const config::Node& node, SubjectKind kind,
                                              config::Problems& problems);
// Host names with wildcards.
[[nodiscard]] std::vector<Pattern> read_host_names(const config::Node& node,
                                                   config::Problems& problems);
// Regular expressions; empty with RE2's message as the problem when one of them is none.
[[nodiscard]] std::vector<Pattern> read_regexes(const config::Node& node, Case letters,
                                                config::Problems& problems);

}  // namespace sluice::route
