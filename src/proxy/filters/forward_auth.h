// The filter forward_auth: a service is asked whether the request may pass.
#pragma once

#include "sluice/net/task.h"
#include "sluice/observe/reason.h"
#include "sluice/proxy/exchange.h"
#include "sluice/route/filters/forward_auth.h"

namespace sluice::proxy {

// None: the request passes; exchange.amendments has what the target is told. forward_auth_denied:
// amendments.denial is the client's answer. The request's body is not touched meanwhile; the client
// is watched.
[[nodiscard]] net::Task<observe::Reason> ask_service(Exchange& exchange,
                                                     const route::ForwardAuth& settings);

}  // namespace sluice::proxy
