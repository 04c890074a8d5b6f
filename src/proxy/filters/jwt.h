// The filter jwt on a worker: finds the request's token, has it verified, and tells the target.
#pragma once

#include "sluice/net/task.h"
#include "sluice/observe/reason.h"
#include "sluice/proxy/exchange.h"
#include "sluice/route/filters/jwt.h"

namespace sluice::proxy {

// Waits while keys that may be the right ones are being fetched, at most as long as a fetch takes.
[[nodiscard]] net::Task<observe::Reason> check_token(Exchange& exchange,
                                                     const route::Jwt& settings);

}  // namespace sluice::proxy
