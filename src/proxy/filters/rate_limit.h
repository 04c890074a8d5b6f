// rate_limit: the limits of a rule, asked about one request.
#pragma once

#include <cstdint>

#include "sluice/observe/reason.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

enum class RateLimitPhase : std::uint8_t { before_authentication, by_claim };

// Of the limits that belong to this phase, each takes one request from the bucket of the request's
// key; the first that is empty refuses, and what the others took, in the phase before too, is given
// back. A request without a limit's key (no such field, cookie or claim) is none of that limit's.
[[nodiscard]] observe::Reason limit_rate(Exchange& exchange, RateLimitPhase phase);

}  // namespace sluice::proxy
