// One worker's event loop and what is shared by everything that runs on it.
//
// Owned by app/worker; every object of the data path holds a reference. One thread.
#pragma once

#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <coroutine>
#include <functional>
#include <vector>

#include "sluice/base/clock.h"
#include "sluice/net/asio_task.h"
#include "sluice/net/buffer.h"
#include "sluice/net/deadline.h"
#include "sluice/net/poller.h"
#include "sluice/net/task.h"

namespace sluice::net {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until `stop`; the calling thread becomes the worker.
  void run();
  // From the loop's own thread: `run` returns after the handler under way.
  void stop();

  // Called on every tick (DeadlineWheel::tick), for what is done in batches.
  void on_tick(std::function<void()> callback) { tick_callbacks_.push_back(std::move(callback)); }

  struct NextTurn {
    asio::io_context& context;

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const {
      asio::post(context, [waiting] { waiting.resume(); });
    }
    void await_resume() const noexcept {}
  };
  // `co_await loop.next_turn();` lets everything else that is ready go first: for coroutines that
  // may find work for ever. Nothing cancels it; it goes on by itself.
  [[nodiscard]] NextTurn next_turn() { return NextTurn{context}; }

  asio::io_context context;
  base::Clock clock;
  DeadlineWheel deadlines;
  BufferPool buffers;
  Poller poller;

  // Scratch space for one call at a time, never held over an await: ciphertext on its way out.
  static constexpr std::size_t scratch_bytes = 160 * 1024;
  [[nodiscard]] base::MutableBytes scratch() { return {scratch_.get(), scratch_bytes}; }

 private:
  using Timer = asio::basic_waitable_timer<base::Steady, asio::wait_traits<base::Steady>, Executor>;
  void schedule_tick();

  Timer tick_timer_;
  std::vector<std::function<void()>> tick_callbacks_;
  std::unique_ptr<char[]> scratch_;
};

}  // namespace sluice::net
