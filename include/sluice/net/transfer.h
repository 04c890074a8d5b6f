// Moving bytes over a stream with a deadline: the two waiting loops that both sides of the proxy
// share.
#pragma once

#include <boost/container/static_vector.hpp>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <initializer_list>

#include "sluice/base/bytes.h"
#include "sluice/net/buffer.h"
#include "sluice/net/stream.h"
#include "sluice/net/task.h"

namespace sluice::net {

enum class Transfer : std::uint8_t {
  ok,
  closed,     // the peer's orderly end (reading)
  failed,     // reset, TLS error
  expired,    // the deadline passed
  cancelled,  // somebody fired the wait slot
};

// Writes a few pieces, first at once and without a coroutine; what the kernel does not take is
// written by awaiting `finish`. Awaiting it is the back-pressure. The pieces must stay valid until
// then.
//   Transfer sent = writer.start({head, body});
//   if (writer.is_unfinished()) sent = co_await writer.finish();
class Writer {
 public:
  static constexpr std::size_t pieces_max = 16;

  Writer(Stream& stream, std::chrono::milliseconds timeout) : stream_(stream), timeout_(timeout) {}

  Transfer start(std::initializer_list<base::Bytes> pieces);
  // For pieces gathered by the caller: `add` each, then `start`.
  void add(base::Bytes piece);
  Transfer start();
  [[nodiscard]] bool is_unfinished() const { return unfinished_; }
  // The timeout runs between two writes that made progress.
  [[nodiscard]] Task<Transfer> finish();
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  Transfer advance();
  void forget_pieces() {
    pieces_.clear();
    first_ = 0;
  }

  Stream& stream_;
  std::chrono::milliseconds timeout_;
  boost::container::static_vector<base::Bytes, pieces_max> pieces_;
  std::size_t first_ = 0;
  bool unfinished_ = false;
  std::uint64_t bytes_written_ = 0;
};

// Reads once into the free space of `buffer`; while there is nothing to read, an empty buffer goes
// back to the pool (and is borrowed again with `capacity` bytes). The deadline is the caller's:
// `stream.set_read_deadline` before, for it may span several reads. No coroutine of its own: one
// waits here for most of each request.
//   const Transfer read = co_await read_into(stream, buffer, capacity);
// `used_next`: memory that the caller will use when it goes on after a wait; it is fetched while
// the kernel hands the bytes out.
class [[nodiscard]] ReadInto {
 public:
  ReadInto(Stream& stream, Buffer& buffer, std::size_t capacity, base::Bytes used_next)
      : stream_(stream), buffer_(buffer), capacity_(capacity), used_next_(used_next) {}
  ReadInto(const ReadInto&) = delete;
  ReadInto& operator=(const ReadInto&) = delete;

  [[nodiscard]] bool await_ready() { return has_read(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    wait();
  }
  [[nodiscard]] Transfer await_resume() const { return result_; }

 private:
  [[nodiscard]] bool has_read();  // or learned that nothing will come
  void wait();
  void go_on(Wake wake);

  Stream& stream_;
  Buffer& buffer_;
  std::size_t capacity_;
  base::Bytes used_next_;
  std::coroutine_handle<> waiting_;
  Transfer result_ = Transfer::ok;
};

[[nodiscard]] inline ReadInto read_into(Stream& stream, Buffer& buffer, std::size_t capacity,
                                        base::Bytes used_next = {}) {
  return {stream, buffer, capacity, used_next};
}

// The same without waiting. Nothing read: IoStatus::would_block.
[[nodiscard]] IoStatus try_read_into(Stream& stream, Buffer& buffer, std::size_t capacity);

}  // namespace sluice::net
