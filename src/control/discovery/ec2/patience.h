// Asking again what failed for a reason that passes. Control thread.
#pragma once

#include <functional>

#include "control/http_client.h"
#include "sluice/proxy/random.h"

namespace sluice::control::discovery::ec2 {

// Makes the request of one attempt: those that are signed are signed anew.
using MakeRequest = std::function<HttpRequest()>;
using IsTransient = bool (*)(const HttpAnswer& answer);

// No whole answer, or one of 500 and above.
[[nodiscard]] bool is_transient(const HttpAnswer& answer);

struct Attempts {
  int most = 3;
  config::Milliseconds timeout{2'000};  // of each
  config::Milliseconds pause{500};      // of up to so long, doubled each time, before the next
  IsTransient is_transient = &ec2::is_transient;
};

[[nodiscard]] net::Task<HttpAnswer> ask_again(net::Loop& loop, MakeRequest make, Attempts attempts);

// `co_await` goes on after so long.
[[nodiscard]] net::Task<> pause(net::Loop& loop, config::Milliseconds time);

// Of a generator of this thread, for spreading times.
[[nodiscard]] std::uint64_t random_bits();

}  // namespace sluice::control::discovery::ec2
