#include "observe/chunk_lane.h"

#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace sluice::observe {
namespace {

Chunk one_line(char c) {
  Chunk chunk = Chunk::allocate();
  chunk.bytes[0] = c;
  chunk.bytes[1] = '\n';
  chunk.size = 2;
  chunk.lines = 1;
  return chunk;
}

TEST(ChunkLane, chunks_come_out_in_the_order_in_which_they_went_in) {
  ChunkLane lane;
  Chunk chunk = one_line('a');
  lane.exchange(chunk);
  EXPECT_EQ(chunk.size, 0U);
  chunk = one_line('b');
  lane.exchange(chunk);
  std::vector<Chunk> batch;
  lane.take(batch);
  ASSERT_EQ(batch.size(), 2U);
  EXPECT_EQ(batch[0].text(), "a\n");
  EXPECT_EQ(batch[1].text(), "b\n");
}

TEST(ChunkLane, a_chunk_being_written_still_counts_as_waiting) {
  ChunkLane lane;
  Chunk chunk = one_line('a');
  lane.exchange(chunk);
  std::vector<Chunk> batch;
  lane.take(batch);
  EXPECT_EQ(lane.waiting_bytes(), 2U);
  lane.give_back(std::move(batch[0]));
  EXPECT_EQ(lane.waiting_bytes(), 0U);
}

TEST(ChunkLane, there_is_room_up_to_the_limit_and_always_for_the_first) {
  ChunkLane lane;
  EXPECT_TRUE(lane.has_room(1000, 1));
  Chunk chunk = one_line('a');
  lane.exchange(chunk);
  EXPECT_TRUE(lane.has_room(8, 10));
  EXPECT_FALSE(lane.has_room(9, 10));
}

TEST(ChunkLane, a_writer_with_two_chunks_unfinished_is_behind) {
  ChunkLane lane;
  Chunk chunk = one_line('a');
  lane.exchange(chunk);
  EXPECT_FALSE(lane.is_behind());
  chunk = one_line('b');
  lane.exchange(chunk);
  EXPECT_TRUE(lane.is_behind());
  std::vector<Chunk> batch;
  lane.take(batch);
  EXPECT_TRUE(lane.is_behind());
  lane.give_back(std::move(batch[0]));
  EXPECT_FALSE(lane.is_behind());
}

TEST(ChunkLane, a_chunk_that_was_given_back_is_used_again) {
  ChunkLane lane;
  Chunk chunk = one_line('a');
  const char* const memory = chunk.bytes.get();
  lane.exchange(chunk);
  std::vector<Chunk> batch;
  lane.take(batch);
  lane.give_back(std::move(batch[0]));
  lane.exchange(chunk);
  EXPECT_EQ(chunk.bytes.get(), memory);
  EXPECT_EQ(chunk.lines, 0U);
}

TEST(ChunkLane, a_worker_and_a_writer_may_use_it_at_once) {
  ChunkLane lane;
  constexpr std::size_t chunks = 1000;
  std::thread worker([&lane] {
    for (std::size_t i = 0; i < chunks; ++i) {
      Chunk chunk = one_line('x');
      // Room for some, or on a single processor every few chunks would cost a slice of its time.
      while (!lane.has_room(2, 64)) std::this_thread::yield();
      lane.exchange(chunk);
    }
    lane.close();
  });
  std::size_t taken = 0;
  for (bool last = false; !last;) {
    last = lane.is_closed();
    std::vector<Chunk> batch;
    lane.take(batch);
    if (batch.empty()) std::this_thread::yield();
    for (Chunk& chunk : batch) {
      taken += chunk.lines;
      lane.give_back(std::move(chunk));
    }
  }
  worker.join();
  EXPECT_EQ(taken, chunks);
  EXPECT_EQ(lane.waiting_bytes(), 0U);
}

}  // namespace
}  // namespace sluice::observe
