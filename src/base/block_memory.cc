#include "sluice/base/block_memory.h"

namespace sluice::base {

constinit thread_local BlockMemory::Free BlockMemory::free_{};

void* BlockMemory::allocate_anew(std::size_t bytes) {
  const std::size_t index = class_of(bytes);
  return ::operator new(index < classes ? (index + 1) * granularity : bytes);
}

}  // namespace sluice::base
