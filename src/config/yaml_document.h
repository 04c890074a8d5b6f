// YAML text becomes a tree of values. The only door of yaml-cpp.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "sluice/config/node.h"

namespace sluice::config {

// The bound of T19. Ours needs 9 levels; the parser recurses once per level.
inline constexpr std::size_t deepest_nesting = 64;

// Nothing, with the reason in `problems`, when the text is not one YAML document. What is wrong
// with single values (duplicate keys, aliases, tags, variables that are not set) is reported as
// well, but does not stop the reading: the tree has the rest.
[[nodiscard]] std::shared_ptr<const Node::Value> parse_yaml(std::string_view text,
                                                            const std::string& file,
                                                            Problems& problems);

}  // namespace sluice::config
