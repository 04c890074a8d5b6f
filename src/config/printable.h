// Text out of a configuration file, made safe for one line of a terminal or a log (T25).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace sluice::config {

// Bytes outside printable ASCII become \xNN.
[[nodiscard]] std::string printable(std::string_view text);

// The same in single quotes, cut after 60 bytes.
[[nodiscard]] std::string quote(std::string_view text);

// `a, b or c`
[[nodiscard]] std::string one_of(const std::vector<std::string_view>& choices);

}  // namespace sluice::config
