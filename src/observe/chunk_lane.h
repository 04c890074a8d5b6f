// How log lines get from one worker to the writer thread: chunks of lines, full ones there and
// empty ones back. The lock is taken once per chunk on either side and held for a few moves of
// pointers.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace sluice::observe {

// Whole lines. Full at `full_bytes`; the capacity above that takes the line that crosses the mark.
struct Chunk {
  static constexpr std::size_t full_bytes = 64 * 1024;

  std::unique_ptr<char[]> bytes;
  std::size_t size = 0;
  std::uint64_t lines = 0;

  [[nodiscard]] static Chunk allocate();
  [[nodiscard]] std::string_view text() const { return {bytes.get(), size}; }
  [[nodiscard]] bool is_full() const { return size >= full_bytes; }
};

class ChunkLane {
 public:
  // Worker: hands `chunk` over and makes it an empty one.
  void exchange(Chunk& chunk);
  // Worker: will not come again.
  void close() { closed_.store(true, std::memory_order_release); }
  // Bytes that are not written yet, a chunk being written included. Any thread.
  [[nodiscard]] std::size_t waiting_bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Worker: whether so many more bytes may wait when `most` are allowed. An empty lane takes any
  // chunk.
  [[nodiscard]] bool has_room(std::size_t bytes, std::size_t most) const {
    const std::size_t waiting = waiting_bytes();
    return waiting == 0 || waiting + bytes <= most;
  }
  // Worker: the writer has two chunks unfinished. Further ones should be filled before they come
  // here, or a stall would fill memory with chunks that hold a line or two.
  [[nodiscard]] bool is_behind() const { return chunks_.load(std::memory_order_relaxed) >= 2; }

  // Writer thread: moves all chunks, oldest first, to the empty `batch`. They still count as
  // waiting.
  void take(std::vector<Chunk>& batch);
  // Writer thread: a chunk that it has done with.
  void give_back(Chunk chunk);
  // Writer thread: asked before `take`, tells that this one is the last.
  [[nodiscard]] bool is_closed() const { return closed_.load(std::memory_order_acquire); }

 private:
  std::atomic<std::size_t> chunks_{0};
  std::atomic<std::size_t> bytes_{0};
  std::atomic<bool> closed_{false};
  std::mutex mutex_;
  std::vector<Chunk> filled_;  // guarded by mutex_
  std::vector<Chunk>
      spare_;  // guarded by mutex_; empty chunks, so that a steady state allocates none
};

}  // namespace sluice::observe
