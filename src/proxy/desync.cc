#include "proxy/desync.h"

#include "sluice/http/desync.h"

namespace sluice::proxy {

using config::DesyncMitigation;
using http::DesyncTier;
using observe::Reason;

Reason mitigate_desync(Exchange& exchange) {
  http::RequestHead& request = exchange.request;
  if (request.desync == http::DesyncReason::none) return Reason::none;
  const DesyncMitigation mode = exchange.listener->settings->desync_mitigation;
  if (mode == DesyncMitigation::monitor) return Reason::none;
  const DesyncTier tier = http::tier_of(request.desync);
  if (mode == DesyncMitigation::strictest || tier == DesyncTier::severe) {
    return Reason::desync_blocked;
  }
  if (tier == DesyncTier::ambiguous) {
    // Whatever somebody behind us takes for a second request has nobody to be answered to.
    exchange.ends_connections = true;
    request.persistent = false;
  }
  return Reason::none;
}

}  // namespace sluice::proxy
