#include "sluice/base/block_memory.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace sluice::base {
namespace {

TEST(BlockMemory, a_block_serves_the_next_of_its_size) {
  if (!BlockMemory::recycles) GTEST_SKIP() << "not under this sanitizer";
  void* const first = BlockMemory::allocate(100);
  const std::size_t kept = BlockMemory::bytes_kept();
  BlockMemory::release(first, 100);
  EXPECT_EQ(BlockMemory::bytes_kept(), kept + 128);
  void* const second = BlockMemory::allocate(70);  // rounded up to the same size
  EXPECT_EQ(second, first);
  EXPECT_EQ(BlockMemory::bytes_kept(), kept);
  BlockMemory::release(second, 70);
}

TEST(BlockMemory, any_size_may_be_used_to_its_last_byte) {
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{65}, BlockMemory::largest,
        BlockMemory::largest + 1, std::size_t{1} << 20}) {
    void* const block = BlockMemory::allocate(bytes);
    ASSERT_NE(block, nullptr);
    std::memset(block, 0xff, bytes);
    BlockMemory::release(block, bytes);
  }
}

TEST(BlockMemory, no_more_than_the_limit_is_kept) {
  std::vector<void*> blocks(2 * BlockMemory::kept_bytes / BlockMemory::largest);
  for (void*& block : blocks) block = BlockMemory::allocate(BlockMemory::largest);
  for (void* const block : blocks) BlockMemory::release(block, BlockMemory::largest);
  EXPECT_LE(BlockMemory::bytes_kept(), BlockMemory::kept_bytes);
  EXPECT_EQ(BlockMemory::bytes_kept() > 0, BlockMemory::recycles);
}

}  // namespace
}  // namespace sluice::base
