// Memory for what comes and goes with each request: frames of coroutines, HTTP/2 streams and what
// belongs to them. A steady state allocates nothing, at whatever number of requests at a time.
//
// Blocks are reused by size, from lists that each thread keeps; those beyond `largest` come from
// the heap. A block may be given back on another thread than it was taken on. Where a sanitizer
// looks on, nothing is reused: it would not see a use after the end.
#pragma once

#include <array>
#include <cstddef>
#include <new>
#include <utility>

#include "sluice/base/prefetch.h"

namespace sluice::base {

class BlockMemory {
 public:
  static constexpr std::size_t granularity = 64;
  static constexpr std::size_t largest = 3 * 1024;
  // Free blocks of all sizes that a thread keeps: what some 1,000 requests at a time need.
  static constexpr std::size_t kept_bytes = 8 << 20;

  [[nodiscard]] static void* allocate(std::size_t bytes) {
    const std::size_t index = class_of(bytes);
    if (index >= classes || free_.lists[index] == nullptr) return allocate_anew(bytes);
    free_.bytes -= (index + 1) * granularity;
    // Requests come in batches: the next of them finds its block in the cache.
    FreeBlock* const next = free_.lists[index]->next;
    prefetch({reinterpret_cast<const char*>(next), bytes});
    return std::exchange(free_.lists[index], next);
  }
  // `bytes`: as it was allocated with.
  static void release(void* block, std::size_t bytes) noexcept {
    const std::size_t index = class_of(bytes);
    const std::size_t size = (index + 1) * granularity;
    if (!recycles || index >= classes || free_.bytes + size > kept_bytes) {
      ::operator delete(block);
      return;
    }
    free_.lists[index] = ::new (block) FreeBlock{free_.lists[index]};
    free_.bytes += size;
  }

  [[nodiscard]] static std::size_t bytes_kept() { return free_.bytes; }  // by this thread

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLUICE_NO_RECYCLED_BLOCKS
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLUICE_NO_RECYCLED_BLOCKS
#endif
#endif
#ifdef SLUICE_NO_RECYCLED_BLOCKS
  static constexpr bool recycles = false;
#else
  static constexpr bool recycles = true;
#endif

 private:
  static constexpr std::size_t classes = largest / granularity;

  struct FreeBlock {
    FreeBlock* next;
  };
  struct Free {
    std::array<FreeBlock*, classes> lists{};
    std::size_t bytes = 0;
  };

  static constexpr std::size_t class_of(std::size_t bytes) {
    return bytes == 0 ? 0 : (bytes - 1) / granularity;
  }
  [[nodiscard]] static void* allocate_anew(std::size_t bytes);

  // Trivial, so that it needs no guard on each use; a thread's blocks stay when it ends, as workers
  // end with the process.
  static constinit thread_local Free free_;
};

// To derive from: `new` and `delete` of the class use BlockMemory.
struct InBlockMemory {
  static void* operator new(std::size_t bytes) { return BlockMemory::allocate(bytes); }
  static void operator delete(void* block, std::size_t bytes) noexcept {
    BlockMemory::release(block, bytes);
  }
};

}  // namespace sluice::base
