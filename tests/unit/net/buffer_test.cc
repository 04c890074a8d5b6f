#include "sluice/net/buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <utility>

namespace sluice::net {
namespace {

void put(Buffer& buffer, std::string_view text) {
  ASSERT_LE(text.size(), buffer.free_space().size());
  std::memcpy(buffer.free_space().data(), text.data(), text.size());
  buffer.commit(text.size());
}

std::string unread(const Buffer& buffer) { return std::string(base::as_text(buffer.unread())); }

TEST(BufferPool, a_buffer_has_the_next_power_of_two) {
  BufferPool pool;
  EXPECT_EQ(pool.borrow().capacity(), 16U * 1024);
  EXPECT_EQ(pool.borrow(1).capacity(), 16U * 1024);
  EXPECT_EQ(pool.borrow(16 * 1024).capacity(), 16U * 1024);
  EXPECT_EQ(pool.borrow(16 * 1024 + 1).capacity(), 32U * 1024);
  EXPECT_EQ(pool.borrow(512 * 1024 + 1).capacity(), 1024U * 1024);
  EXPECT_EQ(pool.borrow(BufferPool::largest).capacity(), BufferPool::largest);
}

TEST(BufferPool, no_buffer_is_larger_than_the_largest) {
  BufferPool pool;
  EXPECT_EQ(pool.borrow(BufferPool::largest * 8).capacity(), BufferPool::largest);
}

TEST(BufferPool, memory_that_was_given_back_is_borrowed_again) {
  BufferPool pool;
  Buffer first = pool.borrow();
  const char* const memory = first.free_space().data();
  put(first, "left over");
  first.release();
  EXPECT_FALSE(first.has_memory());
  const Buffer second = pool.borrow();
  EXPECT_EQ(second.unread().data(), memory);
  EXPECT_TRUE(second.is_empty());
}

TEST(BufferPool, what_is_borrowed_is_counted) {
  BufferPool pool;
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  {
    Buffer small = pool.borrow();
    const Buffer large = pool.borrow(100'000);
    EXPECT_EQ(pool.bytes_in_use(), 16U * 1024 + 128U * 1024);
    ASSERT_TRUE(pool.grow(small));
    EXPECT_EQ(pool.bytes_in_use(), 32U * 1024 + 128U * 1024);
    small.release();
    small.release();
    EXPECT_EQ(pool.bytes_in_use(), 128U * 1024);
  }
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(BufferPool, growing_keeps_the_unread_bytes_and_doubles) {
  BufferPool pool;
  Buffer buffer = pool.borrow();
  put(buffer, "consumed|kept");
  buffer.consume(9);
  std::size_t capacity = buffer.capacity();
  while (pool.grow(buffer)) {
    EXPECT_EQ(buffer.capacity(), 2 * capacity);
    capacity = buffer.capacity();
    EXPECT_EQ(unread(buffer), "kept");
    EXPECT_EQ(buffer.free_space().size(), capacity - 4);
  }
  EXPECT_EQ(capacity, BufferPool::largest);
  EXPECT_EQ(unread(buffer), "kept");
}

TEST(BufferPool, many_buffers_may_be_out_at_once) {
  BufferPool pool;
  std::vector<Buffer> out;
  for (int i = 0; i < 600; ++i) {  // more than are kept
    out.push_back(pool.borrow());
    put(out.back(), std::to_string(i));
  }
  for (std::size_t i = 0; i < out.size(); ++i) EXPECT_EQ(unread(out[i]), std::to_string(i));
  out.clear();
  EXPECT_EQ(pool.bytes_in_use(), 0U);
}

TEST(Buffer, an_emptied_buffer_starts_again_at_its_front) {
  BufferPool pool;
  Buffer buffer = pool.borrow();
  const std::size_t all = buffer.free_space().size();
  put(buffer, "abc");
  buffer.consume(1);
  EXPECT_EQ(unread(buffer), "bc");
  EXPECT_EQ(buffer.free_space().size(), all - 3);
  buffer.consume(2);
  EXPECT_EQ(buffer.free_space().size(), all);
}

TEST(Buffer, consuming_in_place_leaves_the_bytes_where_views_point) {
  BufferPool pool;
  Buffer buffer = pool.borrow();
  put(buffer, "head");
  const std::string_view view = base::as_text(buffer.unread());
  buffer.consume_in_place(4);
  EXPECT_TRUE(buffer.is_empty());
  put(buffer, "body");
  EXPECT_EQ(view, "head");
  EXPECT_EQ(unread(buffer), "body");
  buffer.consume_in_place(4);
  buffer.rewind_if_empty();
  EXPECT_EQ(buffer.free_space().size(), buffer.capacity());
}

TEST(Buffer, compacting_makes_all_free_space_one_piece) {
  BufferPool pool;
  Buffer buffer = pool.borrow();
  put(buffer, std::string(buffer.capacity() - 3, 'x') + "abc");
  EXPECT_TRUE(buffer.free_space().empty());
  buffer.consume(buffer.capacity() - 3);
  EXPECT_TRUE(buffer.free_space().empty());
  buffer.compact();
  EXPECT_EQ(unread(buffer), "abc");
  EXPECT_EQ(buffer.free_space().size(), buffer.capacity() - 3);
}

TEST(Buffer, a_buffer_that_was_moved_from_has_no_memory) {
  BufferPool pool;
  Buffer from = pool.borrow();
  put(from, "abc");
  Buffer to = std::move(from);
  EXPECT_FALSE(from.has_memory());  // NOLINT(bugprone-use-after-move): that is the question
  EXPECT_EQ(from.capacity(), 0U);
  EXPECT_EQ(unread(to), "abc");
  Buffer other = pool.borrow();
  other = std::move(to);
  EXPECT_EQ(unread(other), "abc");
  EXPECT_EQ(pool.bytes_in_use(), 16U * 1024);
}

}  // namespace
}  // namespace sluice::net
