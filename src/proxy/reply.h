// Answers of our own: refusals and faults, redirects, fixed responses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sluice/net/task.h"
#include "sluice/proxy/exchange.h"
#include "sluice/route/action.h"
#include "sluice/route/filters/error_pages.h"

namespace sluice::proxy {

// Tells the client why its exchange ended and records it; cuts the connection when the answer had
// begun already, or when no answer is possible.
[[nodiscard]] net::Task<After> fail(Exchange& exchange, observe::Reason reason);

[[nodiscard]] net::Task<After> redirect(Exchange& exchange, const route::Redirect& action);
[[nodiscard]] net::Task<After> respond(Exchange& exchange, const route::FixedResponse& action);

// An answer that a filter gives, with what it noted: a status and fields, no body.
[[nodiscard]] net::Task<After> respond_without_body(Exchange& exchange, std::uint16_t status);
// An error page instead of a target's answer of `status`; `fields` are whole lines that pass on.
// The cookies of stickiness go with it: the client has been at that target.
[[nodiscard]] net::Task<After> respond_with_page(Exchange& exchange,
                                                 const route::ErrorPages::Page& page,
                                                 std::uint16_t status, std::string fields);

// The small text page of a status: "503 Service Unavailable\n".
[[nodiscard]] std::string_view error_page(std::uint16_t status);

}  // namespace sluice::proxy
