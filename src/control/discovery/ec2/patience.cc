#include "control/discovery/ec2/patience.h"

#include <cstdlib>
#include <utility>

#include "control/discovery/ec2/environment.h"
#include "control/health/schedule.h"
#include "sluice/net/deadline.h"

namespace sluice::control::discovery::ec2 {
namespace {

void expire(void* context) { static_cast<net::WaitSlot*>(context)->fire(net::Wake::expired); }

}  // namespace

Environment process_environment() {
  return [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
}

std::uint64_t random_bits() {
  thread_local proxy::Random random;
  return random.next();
}

bool is_transient(const HttpAnswer& answer) {
  return !answer.error.empty() || answer.status >= 500;
}

net::Task<> pause(net::Loop& loop, config::Milliseconds time) {
  net::WaitSlot slot;
  net::Deadline deadline(loop.deadlines, expire, &slot);
  deadline.set(time);
  (void)co_await slot.wait();
}

net::Task<HttpAnswer> ask_again(net::Loop& loop, MakeRequest make, Attempts attempts) {
  config::Milliseconds longest = attempts.pause;
  for (int attempt = 1;; ++attempt) {
    net::Task<HttpAnswer> ask = http_ask(loop, make(), attempts.timeout);
    HttpAnswer answer = co_await std::move(ask);
    if (attempt >= attempts.most || !attempts.is_transient(answer)) co_return answer;
    const config::Milliseconds wait =
        health::any_part(longest, random_bits()) + config::Milliseconds(1);
    longest *= 2;
    net::Task<> waiting = pause(loop, wait);
    co_await std::move(waiting);
  }
}

}  // namespace sluice::control::discovery::ec2
