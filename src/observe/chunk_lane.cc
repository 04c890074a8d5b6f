#include "observe/chunk_lane.h"

#include <utility>

#include "observe/access_log_format.h"

namespace sluice::observe {
namespace {

// Kept per worker for the next burst; more are freed, as a stalled disk may have left many.
constexpr std::size_t spare_most = 2;

}  // namespace

Chunk Chunk::allocate() {
  Chunk chunk;
  chunk.bytes = std::make_unique_for_overwrite<char[]>(full_bytes + longest_line);
  return chunk;
}

void ChunkLane::exchange(Chunk& chunk) {
  chunks_.fetch_add(1, std::memory_order_relaxed);
  bytes_.fetch_add(chunk.size, std::memory_order_relaxed);
  Chunk empty;
  {
    const std::lock_guard lock(mutex_);
    filled_.push_back(std::move(chunk));
    if (!spare_.empty()) {
      empty = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  chunk = empty.bytes ? std::move(empty) : Chunk::allocate();
}

void ChunkLane::take(std::vector<Chunk>& batch) {
  const std::lock_guard lock(mutex_);
  filled_.swap(batch);
}

void ChunkLane::give_back(Chunk chunk) {
  chunks_.fetch_sub(1, std::memory_order_relaxed);
  bytes_.fetch_sub(chunk.size, std::memory_order_relaxed);
  chunk.size = 0;
  chunk.lines = 0;
  const std::lock_guard lock(mutex_);
  if (spare_.size() < spare_most) spare_.push_back(std::move(chunk));
}

}  // namespace sluice::observe
