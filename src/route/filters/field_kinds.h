// Header fields that filters may not touch, or not in every way.
#pragma once

#include <string_view>

namespace sluice::route {

// They say how far a message goes, or whose connection it is, or prove a handshake.
[[nodiscard]] bool belongs_to_connection(std::string_view name);

// Sluice writes them into every request, one of each; which certificate fields there are depends on
// the client.
[[nodiscard]] bool is_written_by_us(std::string_view name);

}  // namespace sluice::route
