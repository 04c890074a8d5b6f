#include "sluice/net/buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace sluice::net {

Buffer::Buffer(Buffer&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      memory_(std::move(other.memory_)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    release();
    pool_ = std::exchange(other.pool_, nullptr);
    memory_ = std::move(other.memory_);
    capacity_ = std::exchange(other.capacity_, 0);
    begin_ = std::exchange(other.begin_, 0);
    end_ = std::exchange(other.end_, 0);
  }
  return *this;
}

void Buffer::compact() {
  if (begin_ == 0) return;
  std::memmove(memory_.get(), memory_.get() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
}

void Buffer::give_back() {
  pool_->take_back(std::move(memory_), capacity_);
  pool_ = nullptr;
  capacity_ = begin_ = end_ = 0;
}

std::size_t BufferPool::class_of(std::size_t bytes) {
  std::size_t index = 0;
  while (index + 1 < classes && (smallest << index) < bytes) ++index;
  return index;
}

Buffer BufferPool::borrow(std::size_t bytes) {
  const std::size_t index = class_of(bytes);
  Buffer buffer;
  buffer.pool_ = this;
  buffer.capacity_ = smallest << index;
  if (free_[index].empty()) {
    buffer.memory_ = std::make_unique_for_overwrite<char[]>(buffer.capacity_);
  } else {
    buffer.memory_ = std::move(free_[index].back());
    free_[index].pop_back();
  }
  bytes_in_use_ += buffer.capacity_;
  return buffer;
}

bool BufferPool::grow(Buffer& buffer) {
  if (buffer.capacity_ >= largest) return false;
  Buffer larger = borrow(buffer.capacity_ * 2);
  const base::Bytes unread = buffer.unread();
  std::memcpy(larger.memory_.get(), unread.data(), unread.size());
  larger.end_ = unread.size();
  buffer = std::move(larger);
  return true;
}

void BufferPool::take_back(std::unique_ptr<char[]> memory, std::size_t capacity) {
  bytes_in_use_ -= capacity;
  std::vector<std::unique_ptr<char[]>>& free = free_[class_of(capacity)];
  if ((free.size() + 1) * capacity <= kept_bytes) free.push_back(std::move(memory));
}

}  // namespace sluice::net
