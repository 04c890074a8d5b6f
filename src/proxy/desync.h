// What a listener's desync_mitigation does with requests that two servers may read differently.
#pragma once

#include "sluice/observe/reason.h"
#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

// Of a request that the parser has accepted: refuses it, or notes that both connections end with
// it, or neither. Refused ones stay refused in every mode, and are none of its business.
[[nodiscard]] observe::Reason mitigate_desync(Exchange& exchange);

}  // namespace sluice::proxy
