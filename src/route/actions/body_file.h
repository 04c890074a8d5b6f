// The files that fixed responses are made of.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace sluice::route {

// The bytes of a regular file of at most `limit` bytes; nothing, and why, otherwise. Blocks on the
// disk: control thread.
[[nodiscard]] std::optional<std::string> read_whole_file(const std::string& path, std::size_t limit,
                                                         std::string& error);

}  // namespace sluice::route
