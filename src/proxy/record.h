// What remains of an exchange: its access-log line and its metrics.
#pragma once

#include "sluice/proxy/exchange.h"

namespace sluice::proxy {

void record(Exchange& exchange);

}  // namespace sluice::proxy
