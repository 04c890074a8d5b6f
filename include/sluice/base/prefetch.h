// Memory that will be used soon is asked for before.
#pragma once

#include <cstddef>

#include "sluice/base/bytes.h"

namespace sluice::base {

// Returns at once, while the memory comes into the processor's cache. May be empty; nothing is
// read, so the address need not even be valid.
inline void prefetch(Bytes memory) {
  constexpr std::size_t cache_line = 64;
  for (std::size_t i = 0; i < memory.size(); i += cache_line) {
    __builtin_prefetch(memory.data() + i);
  }
}

}  // namespace sluice::base
