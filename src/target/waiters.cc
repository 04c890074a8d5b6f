#include "sluice/target/waiters.h"

#include <utility>

namespace sluice::target {

void Waiters::add_worker(const void* worker, std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  workers_.push_back({worker, std::move(wake)});
}

void Waiters::remove_worker(const void* worker) {
  const std::lock_guard lock(mutex_);
  std::erase_if(workers_, [worker](const Worker& each) { return each.id == worker; });
}

void Waiters::change(const void* worker, std::int64_t by) {
  const std::lock_guard lock(mutex_);
  for (Worker& each : workers_) {
    if (each.id == worker) each.waiting += by;
  }
  count_.fetch_add(static_cast<std::uint32_t>(by), std::memory_order_relaxed);
}

void Waiters::wake_next() {
  if (count() == 0) return;
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 1; i <= workers_.size(); ++i) {
    const std::size_t index = (last_ + i) % workers_.size();
    if (workers_[index].waiting == 0) continue;
    last_ = index;
    workers_[index].wake();
    return;
  }
}

}  // namespace sluice::target
