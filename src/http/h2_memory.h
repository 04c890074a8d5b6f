// The memory that nghttp2 works with.
#pragma once

#include <nghttp2/nghttp2.h>

namespace sluice::http {

// base::BlockMemory: nghttp2 allocates five times for each stream. For any thread.
[[nodiscard]] nghttp2_mem* h2_memory();

}  // namespace sluice::http
