// The filter basic_auth on a worker: finds the request's name and password, has them verified, and
// tells the target who it is.
#pragma once

#include "sluice/net/task.h"
#include "sluice/observe/metrics.h"
#include "sluice/observe/reason.h"
#include "sluice/proxy/exchange.h"
#include "sluice/proxy/password_verifier.h"
#include "sluice/route/filters/basic_auth.h"

namespace sluice::proxy {

// What a worker has for it.
struct Passwords {
  Passwords(observe::Cells& cells, PasswordVerifier* verifier_of_all);

  PasswordVerifier* verifier;  // null: nobody verifies, all are refused
  observe::Counter& hits;
  observe::Counter& misses;
  observe::Gauge& waiting;
};

// Waits, unless the cache knows the answer, while another thread verifies.
[[nodiscard]] net::Task<observe::Reason> check_password(Exchange& exchange,
                                                        const route::BasicAuth& settings);

}  // namespace sluice::proxy
