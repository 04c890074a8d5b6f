// Findings from how connecting ended, and from whose fault that is.
#pragma once

#include <string>

#include "control/health/check.h"
#include "sluice/net/dial.h"

namespace sluice::control::health {

// `text` is from the kernel or from OpenSSL. `none` is a pass.
[[nodiscard]] Finding finding_of(net::DialError error, std::string text);

}  // namespace sluice::control::health
