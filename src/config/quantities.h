// Durations and sizes as text, both ways.
//
// The grammar is strict, digits and then a unit with nothing between: a bare number of seconds or
// milliseconds is the mistake that units exist to prevent. What does not fit into the type comes
// back as its largest value, which every range then refuses.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::config {

// `250ms`, `30s`, `5m`, `2h`, `1d`, and a bare `0`.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
// In the largest unit that divides it: `30s`, `1d`, `1500ms`.
[[nodiscard]] std::string duration_text(std::chrono::milliseconds duration);

// Bytes: `512`, `16KiB`, `1MiB`, `2GiB`.
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace sluice::config
