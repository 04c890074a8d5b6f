#include "control/health/finding.h"

#include <utility>

#include "sluice/observe/log.h"

namespace sluice::control::health {

namespace {

using target::StateReason;

StateReason reason_of(net::DialError error) {
  switch (error) {
    case net::DialError::none: return StateReason::none;
    case net::DialError::refused: return StateReason::connection_refused;
    case net::DialError::timeout:
    case net::DialError::tls_timeout: return StateReason::timeout;
    case net::DialError::descriptors_exhausted: return StateReason::internal_error;
    case net::DialError::tls_failed: return StateReason::tls_failed;
    case net::DialError::failed: break;
  }
  return StateReason::connection_failed;
}

}  // namespace

Finding finding_of(net::DialError error, std::string text) {
  switch (error) {
    case net::DialError::none: return {};
    case net::DialError::timeout: text = "no connection in time"; break;
    case net::DialError::tls_timeout: text = "the TLS handshake did not end in time"; break;
    default: text = observe::escaped(text);
  }
  return {reason_of(error), std::move(text)};
}

}  // namespace sluice::control::health
