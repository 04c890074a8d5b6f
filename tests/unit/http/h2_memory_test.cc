#include "http/h2_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>

namespace sluice::http {
namespace {

TEST(H2Memory, growing_keeps_what_was_there) {
  const nghttp2_mem* const memory = h2_memory();
  auto* block = static_cast<char*>(memory->realloc(nullptr, 10, nullptr));
  ASSERT_NE(block, nullptr);
  std::memcpy(block, "123456789", 10);
  block = static_cast<char*>(memory->realloc(block, 100'000, nullptr));
  ASSERT_NE(block, nullptr);
  EXPECT_STREQ(block, "123456789");
  block = static_cast<char*>(memory->realloc(block, 10, nullptr));
  ASSERT_NE(block, nullptr);
  EXPECT_STREQ(block, "123456789");
  memory->free(block, nullptr);
  memory->free(nullptr, nullptr);
}

TEST(H2Memory, cleared_memory_is_zero_also_where_it_was_used_before) {
  const nghttp2_mem* const memory = h2_memory();
  void* const used = memory->malloc(48, nullptr);
  ASSERT_NE(used, nullptr);
  std::memset(used, 0xff, 48);
  memory->free(used, nullptr);
  auto* const cleared = static_cast<char*>(memory->calloc(6, 8, nullptr));
  ASSERT_NE(cleared, nullptr);
  for (int i = 0; i < 48; ++i) EXPECT_EQ(cleared[i], 0);
  memory->free(cleared, nullptr);
}

TEST(H2Memory, sizes_that_no_memory_has_are_refused) {
  const nghttp2_mem* const memory = h2_memory();
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  EXPECT_EQ(memory->malloc(most, nullptr), nullptr);
  EXPECT_EQ(memory->calloc(most / 2, 3, nullptr), nullptr);
}

}  // namespace
}  // namespace sluice::http
