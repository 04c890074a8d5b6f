#include "sluice/target/registry.h"

#include <algorithm>

namespace sluice::target {

std::shared_ptr<Target> Registry::find_or_make(const std::string& group, const std::string& id,
                                               const net::Endpoint& endpoint) {
  if (targets_.size() >= forget_at_) forget_dead();
  std::weak_ptr<Target>& entry = targets_[{group, id, endpoint}];
  std::shared_ptr<Target> target = entry.lock();
  if (target == nullptr) {
    target = std::make_shared<Target>(group, id, endpoint);
    entry = target;
  }
  return target;
}

std::shared_ptr<GroupState> Registry::group(const std::string& name) {
  std::weak_ptr<GroupState>& entry = groups_[name];
  std::shared_ptr<GroupState> state = entry.lock();
  if (state == nullptr) {
    state = std::make_shared<GroupState>(name);
    entry = state;
    // Groups are few: all are looked through whenever one is made.
    std::erase_if(groups_, [](const auto& item) { return item.second.expired(); });
  }
  return state;
}

// Doubling the mark keeps the cost of looking through all entries constant per new one.
void Registry::forget_dead() {
  std::erase_if(targets_, [](const auto& item) { return item.second.expired(); });
  forget_at_ = std::max<std::size_t>(64, 2 * targets_.size());
}

}  // namespace sluice::target
