// The filter jwt on a worker: finds the request's token, has it verified, and tells the target.
#pragma once

#include <string>
#include <string_view>

#include "sluice/net/task.h"
#include "sluice/observe/reason.h"
#include "sluice/proxy/exchange.h"
#include "sluice/route/filters/jwt.h"

namespace sluice::proxy {

// Waits while keys that may be the right ones are being fetched, at most as long as a fetch takes.
[[nodiscard]] net::Task<observe::Reason> check_token(Exchange& exchange,
                                                     const route::Jwt& settings);

// `query` without the parameters of that name, percent-encoded or not, for the target.
[[nodiscard]] std::string query_without(std::string_view query, std::string_view name);

// The target as the access log may have it: with the token in the query, if it is there, as "-".
[[nodiscard]] std::string target_without_token(std::string_view target, const route::Jwt& settings);

}  // namespace sluice::proxy
