// ALB's wildcards: `*` stands for any text, also none and also slashes, `?` for
// exactly one byte. Everything else stands for itself, with its case.
#pragma once

#include <string_view>

namespace sluice::route {

// No allocation; time at most pattern times text, and linear for patterns as people write them.
[[nodiscard]] bool glob_matches(std::string_view pattern, std::string_view text);

}  // namespace sluice::route
