// The one key of a condition or an action: its kind.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sluice/config/node.h"

namespace sluice::route {

struct Kind {
  std::string_view name;  // one of the known ones
  config::Node value;
};

// `node` must be a mapping with one key out of `known`. Nothing, with the problem recorded,
// otherwise; kinds in `not_supported` belong to the vocabulary, but not to this version.
[[nodiscard]] std::optional<Kind> read_kind(const config::Node& node,
                                            const std::vector<std::string_view>& known,
                                            const std::vector<std::string_view>& not_supported,
                                            config::Problems& problems);

// `a, b, c`
[[nodiscard]] std::string list_of(const std::vector<std::string_view>& names);

}  // namespace sluice::route
