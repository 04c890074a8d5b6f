// Receive buffers, borrowed from the worker's pool while bytes are in flight and given back at
// once.
//
// No idle connection holds one. Sizes are powers of two from 16 KiB to 1 MiB; a pool keeps a
// bounded number of free ones of each size. One thread; a Buffer must not outlive its pool.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sluice/base/bytes.h"

namespace sluice::net {

class BufferPool;

// A contiguous buffer: consumed | unread | free.
class Buffer {
 public:
  Buffer() = default;
  ~Buffer() { release(); }
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  [[nodiscard]] bool has_memory() const { return memory_ != nullptr; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] base::Bytes unread() const { return {memory_.get() + begin_, end_ - begin_}; }
  [[nodiscard]] base::MutableBytes free_space() { return {memory_.get() + end_, capacity_ - end_}; }
  [[nodiscard]] bool is_empty() const { return begin_ == end_; }
  void commit(std::size_t bytes) { end_ += bytes; }
  void consume(std::size_t bytes) {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Like consume, but never moves `unread` to the front: views into consumed bytes stay valid.
  void consume_in_place(std::size_t bytes) { begin_ += bytes; }
  void rewind_if_empty() {
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Moves unread bytes to the front, making all free space contiguous.
  void compact();

  // Gives the memory back; unread bytes are lost.
  void release() {
    if (has_memory()) give_back();
  }

 private:
  friend class BufferPool;
  void give_back();

  BufferPool* pool_ = nullptr;
  std::unique_ptr<char[]> memory_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

class BufferPool {
 public:
  static constexpr std::size_t smallest = 16 * 1024;
  static constexpr std::size_t largest = 1024 * 1024;

  // An empty buffer of at least `bytes` (at most `largest`).
  [[nodiscard]] Buffer borrow(std::size_t bytes = smallest);
  // Replaces `buffer` by one of twice the capacity with the same unread bytes. False at `largest`.
  [[nodiscard]] bool grow(Buffer& buffer);
  [[nodiscard]] std::size_t bytes_in_use() const { return bytes_in_use_; }

 private:
  friend class Buffer;
  static constexpr std::size_t classes = 7;           // 16 KiB << 0 .. << 6
  static constexpr std::size_t kept_bytes = 4 << 20;  // of free buffers of one size

  static std::size_t class_of(std::size_t bytes);
  void take_back(std::unique_ptr<char[]> memory, std::size_t capacity);

  std::array<std::vector<std::unique_ptr<char[]>>, classes> free_;
  std::size_t bytes_in_use_ = 0;
};

}  // namespace sluice::net
