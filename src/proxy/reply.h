// Answers of our own: refusals and faults, redirects, fixed responses.
#pragma once

#include <cstdint>
#include <string_view>

#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"
#include "sluice/route/action.h"

namespace sluice::proxy {

// Tells the client why its exchange ended and records it; cuts the connection when the answer had
// begun already, or when no answer is possible.
[[nodiscard]] net::Task<After> fail(Exchange& exchange, observe::Reason reason);

[[nodiscard]] net::Task<After> redirect(Exchange& exchange, const route::Redirect& action);
[[nodiscard]] net::Task<After> respond(Exchange& exchange, const route::FixedResponse& action);

// The small text page of a status: "503 Service Unavailable\n".
[[nodiscard]] std::string_view error_page(std::uint16_t status);

}  // namespace sluice::proxy
