// mirror: copies of requests for another target group, whose answers nobody gets.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace sluice::route {

// How many copies there are now, over all workers. Any thread.
class MirrorLoad {
 public:
  // False: there are `most`.
  [[nodiscard]] bool enter(std::uint32_t most) {
    if (copies_.fetch_add(1, std::memory_order_relaxed) < most) return true;
    leave();
    return false;
  }
  void leave() { copies_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<std::uint32_t> copies_{0};
};

struct Mirror {
  static constexpr std::uint32_t share_whole = 10'000;

  std::size_t group = 0;  // as GroupLookup counts
  std::string group_name;
  std::uint32_t share = share_whole;        // of the requests, in hundredths of a percent
  std::size_t body_bytes = 64 * 1024;       // of a request; a larger one is not copied
  std::chrono::milliseconds timeout{5000};  // of a copy, from its beginning to the answer's end
  std::uint32_t in_flight = 256;            // copies at a time, over all workers
  // Never null; kept over reloads, for the copies of the former configuration count.
  std::shared_ptr<MirrorLoad> load = std::make_shared<MirrorLoad>();
};

}  // namespace sluice::route
