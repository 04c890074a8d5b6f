// Who waits for a target of one group, over all workers: room that one worker makes is offered to
// the workers with waiting requests in turn, so that none of them starves the others.
//
// Part of GroupState (group_state.h). Nothing but `count` is used while no request waits. Any
// thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

namespace sluice::target {

class Waiters {
 public:
  // `wake` is called by any thread and may do no more than post to the worker's loop. `worker` is
  // only compared.
  void add_worker(const void* worker, std::function<void()> wake);
  // When it returns, `wake` is not called any more.
  void remove_worker(const void* worker);

  // One more, or one less, request of that worker waits.
  void enter(const void* worker) { change(worker, 1); }
  void leave(const void* worker) { change(worker, -1); }
  [[nodiscard]] std::uint32_t count() const { return count_.load(std::memory_order_relaxed); }

  // There may be room: wakes the next worker in turn that has waiting requests.
  void wake_next();

 private:
  struct Worker {
    const void* id;
    std::function<void()> wake;
    std::int64_t waiting = 0;
  };
  void change(const void* worker, std::int64_t by);

  std::atomic<std::uint32_t> count_{0};
  std::mutex mutex_;
  std::vector<Worker> workers_;
  std::size_t last_ = 0;  // that was woken
};

}  // namespace sluice::target
