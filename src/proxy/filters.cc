#include "proxy/filters.h"

#include "proxy/amendments.h"
#include "proxy/filters/rate_limit.h"

namespace sluice::proxy {

using observe::Reason;

// The order in which kinds run, which users rely on: who comes from the wrong place is refused
// first, and what costs most is last.
net::Task<Reason> filter_request(Exchange& exchange) {
  const route::Filters& filters = exchange.rule->rule->filters;
  if (filters.ip_access != nullptr && !filters.ip_access->admits(exchange.client)) {
    co_return Reason::address_not_admitted;
  }
  if (filters.rate_limit != nullptr) {
    const Reason reason = limit_rate(exchange, RateLimitPhase::before_authentication);
    if (reason != Reason::none) co_return reason;
  }
  // Behind whoever authenticates: only then the claims are known, and true.
  if (filters.rate_limit != nullptr) {
    const Reason reason = limit_rate(exchange, RateLimitPhase::by_claim);
    if (reason != Reason::none) co_return reason;
  }
  co_return Reason::none;
}

void filter_answer(Exchange& /*exchange*/, std::uint16_t /*status*/) {}

}  // namespace sluice::proxy
