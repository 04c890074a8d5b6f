// The kinds of discovery; each has a file of its own.
#pragma once

#include <span>

#include "control/discovery/provider.h"

namespace sluice::control::discovery {

[[nodiscard]] std::span<const Kind> kinds();

}  // namespace sluice::control::discovery
