// How many workers `workers: auto` means.
#pragma once

#include <cstddef>

namespace sluice::app {

// Processors this process may run on, within the CPU limit of its cgroup (v2), at least 1, at most
// 256.
[[nodiscard]] std::size_t usable_processors();

}  // namespace sluice::app
