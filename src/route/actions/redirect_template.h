// Reads the templates of a redirect.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>

#include "sluice/route/action.h"

namespace sluice::route {

using Placeholder = RedirectTemplate::Placeholder;

// Cuts `text`, the scalar of `node`, into pieces. Nothing, with a problem recorded, when it has a
// placeholder that is unknown or not in `allowed`, or is longer than 1024 bytes.
[[nodiscard]] std::optional<RedirectTemplate> parse_template(
    const config::Node& node, std::string_view text, std::initializer_list<Placeholder> allowed,
    config::Problems& problems);

}  // namespace sluice::route
