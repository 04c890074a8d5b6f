// The values of a condition: one text or a list of them, any of which may match.
#pragma once

#include <optional>
#include <string>
#include <vector>

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

}  // namespace sluice::route
