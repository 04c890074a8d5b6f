#include "http/h2_memory.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#include "sluice/base/block_memory.h"

namespace sluice::http {

namespace {

using base::BlockMemory;

// In front of each block: nghttp2 gives blocks back without their size.
struct alignas(std::max_align_t) Header {
  std::size_t bytes;  // with the header
};

Header* header_of(void* block) { return static_cast<Header*>(block) - 1; }

void* allocate(std::size_t bytes, void* /*unused*/) noexcept {
  if (bytes > std::numeric_limits<std::size_t>::max() - sizeof(Header)) return nullptr;
  const std::size_t all = bytes + sizeof(Header);
  try {
    return std::construct_at(static_cast<Header*>(BlockMemory::allocate(all)), Header{all}) + 1;
  } catch (const std::bad_alloc&) {
    return nullptr;  // nghttp2 deals with it
  }
}

void release(void* block, void* /*unused*/) noexcept {
  if (block != nullptr) BlockMemory::release(header_of(block), header_of(block)->bytes);
}

void* allocate_zeroed(std::size_t count, std::size_t bytes, void* unused) noexcept {
  if (bytes != 0 && count > std::numeric_limits<std::size_t>::max() / bytes) return nullptr;
  void* const block = allocate(count * bytes, unused);
  if (block != nullptr) std::memset(block, 0, count * bytes);
  return block;
}

void* reallocate(void* block, std::size_t bytes, void* unused) noexcept {
  void* const larger = allocate(bytes, unused);
  if (block == nullptr || larger == nullptr) return larger;
  std::memcpy(larger, block, std::min(bytes, header_of(block)->bytes - sizeof(Header)));
  release(block, unused);
  return larger;
}

}  // namespace

nghttp2_mem* h2_memory() {
  static nghttp2_mem memory{nullptr, allocate, release, allocate_zeroed, reallocate};
  return &memory;
}

}  // namespace sluice::http
