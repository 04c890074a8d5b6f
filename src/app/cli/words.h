// How values look on a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::app::cli {

// Text from elsewhere, which must not steer a terminal: bytes that are not printable ASCII as \xHH.
[[nodiscard]] std::string shown(std::string_view text);

// The two largest units: "3d 4h", "12m 5s", "40s"; below a second "250ms".
[[nodiscard]] std::string shown(std::chrono::milliseconds time);

// "1 target", "2 targets".
[[nodiscard]] std::string counted(std::uint64_t count, std::string_view thing);

// One segment of a path (RFC 3986 3.3): only unreserved characters stay as they are.
[[nodiscard]] std::string path_segment(std::string_view text);

}  // namespace sluice::app::cli
