// The filter rewrite, for one exchange.
#pragma once

#include "sluice/proxy/exchange.h"
#include "sluice/route/filters/rewrite.h"

namespace sluice::proxy {

// Notes in exchange.amendments what the target is asked for instead. False when it failed.
[[nodiscard]] bool rewrite_request(Exchange& exchange, const route::Rewrite& rewrite);

}  // namespace sluice::proxy
