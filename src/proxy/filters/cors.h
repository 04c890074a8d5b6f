// The filter cors, for one exchange.
#pragma once

#include "sluice/proxy/exchange.h"
#include "sluice/route/filters/cors.h"

namespace sluice::proxy {

// A browser asks whether it may send a request (Fetch, "CORS-preflight request").
[[nodiscard]] bool is_preflight(const Exchange& exchange);

// Notes the answer to that in exchange.amendments. Who may not gets the same without permission.
void answer_preflight(Exchange& exchange, const route::Cors& cors);

// Notes what tells browsers who may read an answer; the target's own word on that does not pass.
void add_cors_fields(Exchange& exchange, const route::Cors& cors);

}  // namespace sluice::proxy
