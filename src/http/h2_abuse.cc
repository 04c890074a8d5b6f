#include "http/h2_abuse.h"

namespace sluice::http {

void H2Abuse::tick(base::SteadyTime now, std::uint64_t content_sent) {
  if (now - window_began_ < limits_.abuse_window) return;
  window_began_ = now;
  sent_when_it_began_ = content_sent;
  resets_ = 0;
  provoked_resets_ = 0;
  settings_ = 0;
  pings_ = 0;
  priority_updates_ = 0;
  empty_data_ = 0;
  window_updates_ = 0;
  refused_heads_ = 0;
}

observe::Reason H2Abuse::window_update(std::uint64_t content_sent) {
  constexpr std::uint64_t bytes_that_buy_one = 1000;
  const std::uint64_t bought = (content_sent - sent_when_it_began_) / bytes_that_buy_one;
  if (limits_.window_updates == 0) return observe::Reason::none;
  return ++window_updates_ > limits_.window_updates + bought
             ? observe::Reason::h2_too_many_window_updates
             : observe::Reason::none;
}

}  // namespace sluice::http
