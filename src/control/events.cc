#include "sluice/control/events.h"

namespace sluice::control {

void Events::add(Event event) {
  event.id = ++last_id_;
  if (ring_.size() == kept) ring_.pop_front();
  ring_.push_back(std::move(event));
  // A copy: who is called may subscribe, or end what others have.
  const std::vector<std::weak_ptr<const Callback>> subscriptions = subscriptions_;
  for (const std::weak_ptr<const Callback>& each : subscriptions) {
    if (const Subscription subscription = each.lock()) (*subscription)();
  }
}

Events::Subscription Events::subscribe(Callback on_new) {
  forget_ended();
  auto subscription = std::make_shared<const Callback>(std::move(on_new));
  subscriptions_.push_back(subscription);
  return subscription;
}

std::size_t Events::subscribers() {
  forget_ended();
  return subscriptions_.size();
}

void Events::forget_ended() {
  std::erase_if(subscriptions_, [](const auto& each) { return each.expired(); });
}

}  // namespace sluice::control
