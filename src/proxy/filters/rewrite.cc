#include "proxy/filters/rewrite.h"

#include <utility>

#include "proxy/amendments.h"
#include "proxy/variables.h"

namespace sluice::proxy {

bool rewrite_request(Exchange& exchange, const route::Rewrite& rewrite) {
  route::RewrittenRequest rewritten;
  const ExchangeVariables variables(exchange);
  if (!rewrite.apply(exchange.request, variables, rewritten)) return false;
  Amendments& amendments = *exchange.amendments;
  if (rewritten.path) amendments.path = *std::move(rewritten.path);
  if (rewritten.query) amendments.query = *std::move(rewritten.query);
  if (rewritten.host) amendments.host = *std::move(rewritten.host);
  return true;
}

}  // namespace sluice::proxy
