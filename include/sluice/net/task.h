// Coroutines of the data path: Task<T>, how one waits, and how one is started.
//
// A Task is a lazy coroutine that its caller awaits; control passes between the two without a trip
// through the event loop. Why not asio::awaitable here: with it, frames and the machinery around
// them were a quarter of all user-space instructions of a proxied request (docs/architecture.md).
// Frames are in base::BlockMemory, so a steady state allocates nothing. Rules of this project:
// coroutines are named functions with parameters by value or references to longer-lived objects;
// nothing with a destructor is created inside an awaiting expression; no I/O buffer is a local. One
// thread: a coroutine begins, goes on and ends on the thread of its loop.
#pragma once

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "sluice/base/block_memory.h"

namespace sluice::net {

template <typename T = void>
class Task;

namespace detail {

struct PromiseBase : base::InBlockMemory {
  struct Final {
    [[nodiscard]] bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      return ended.promise().caller;
    }
    void await_resume() const noexcept {}
  };
  [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
  [[nodiscard]] Final final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }

  std::coroutine_handle<> caller = std::noop_coroutine();
  std::exception_ptr error;
};

template <typename T>
struct Promise : PromiseBase {
  Task<T> get_return_object() noexcept;
  template <typename Value>
  void return_value(Value&& returned) {
    value.emplace(std::forward<Value>(returned));
  }
  T take() {
    if (error) std::rethrow_exception(error);
    return std::move(*value);
  }
  std::optional<T> value;
};

template <>
struct Promise<void> : PromiseBase {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (error) std::rethrow_exception(error);
  }
};

}  // namespace detail

template <typename T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  // Awaited once, by one caller: begins the coroutine and yields what it returns.
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
    handle_.promise().caller = caller;
    return handle_;
  }
  T await_resume() { return handle_.promise().take(); }

 private:
  Handle handle_;
};

namespace detail {

template <typename T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}

inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace detail

// Why a waiting coroutine goes on.
enum class Wake : std::uint8_t {
  ready,    // what it waited for is there
  expired,  // its deadline passed
  closed,   // the stream was closed under it
};

// Room for one coroutine, or one small callback, that waits for one event of its own thread. Stored
// inline (no allocation) and called directly by `fire`. A slot must outlive the coroutine that
// waits in it.
class WaitSlot {
 public:
  WaitSlot() = default;
  WaitSlot(const WaitSlot&) = delete;
  WaitSlot& operator=(const WaitSlot&) = delete;

  [[nodiscard]] bool armed() const { return operation_ != nullptr; }

  // `callback(Wake)` is called at most once.
  template <typename Callback>
  void arm(Callback callback) {
    static_assert(sizeof(Callback) <= sizeof storage_ && alignof(Callback) <= alignof(void*));
    static_assert(std::is_trivially_copyable_v<Callback>);
    ::new (static_cast<void*>(storage_)) Callback(callback);
    operation_ = [](std::byte* storage, Wake wake) {
      Callback stored = *std::launder(reinterpret_cast<Callback*>(storage));
      stored(wake);
    };
  }

  // Forgets a stored callback without calling it. Not for coroutines: they would wait for ever.
  void disarm() { operation_ = nullptr; }

  // Calls what waits; that may destroy this slot before `fire` returns. No-op when nothing waits.
  void fire(Wake wake) {
    if (operation_ == nullptr) return;
    std::exchange(operation_, nullptr)(storage_, wake);
  }

  struct Awaiter {
    WaitSlot& slot;
    Wake wake = Wake::ready;

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) noexcept {
      slot.arm([this, waiting](Wake with) {
        wake = with;
        waiting.resume();
      });
    }
    [[nodiscard]] Wake await_resume() const noexcept { return wake; }
  };

  // `const Wake wake = co_await slot.wait();`
  [[nodiscard]] Awaiter wait() { return Awaiter{*this}; }

 private:
  using Operation = void (*)(std::byte*, Wake);
  alignas(void*) std::byte storage_[2 * sizeof(void*)];
  Operation operation_ = nullptr;
};

// Starts a coroutine of its own; it runs at once, until it first waits. What it throws is logged as
// internal_error: the data path does not throw, so that is a fault of ours.
void spawn(Task<> task);

}  // namespace sluice::net
