// Run once, at configure time, by CoawaitSelfTest.cmake.
//
// Some compilers (g++ 12.2 of Debian 12 is one) copy certain temporaries of an awaiting full
// expression bit by bit into the coroutine frame and then destroy both copies: a double free that
// no review of the source can see. This program makes each of the three known shapes and counts
// objects. It exits with 0 when every object made was destroyed once, where it was made; otherwise
// it names the shapes on standard output and exits with 1.
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace {

int faults = 0;
int alive = 0;

// Knows the address it was made at, so a bitwise copy betrays itself when it is destroyed.
class Probe {
 public:
  Probe() : self_(this) { ++alive; }
  Probe(const Probe&) : self_(this) { ++alive; }
  Probe(Probe&&) noexcept : self_(this) { ++alive; }
  Probe& operator=(const Probe&) = delete;
  Probe& operator=(Probe&&) = delete;
  ~Probe() {
    if (self_ != this) ++faults;
    --alive;
  }

 private:
  const Probe* self_;
};

// Lazily started; the awaiting coroutine is resumed when this one ends.
class Task {
 public:
  struct promise_type {
    struct FinalAwaiter {
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(
          std::coroutine_handle<promise_type> finished) const noexcept {
        const auto continuation = finished.promise().continuation;
        return continuation ? continuation : std::noop_coroutine();
      }
      void await_resume() const noexcept {}
    };

    Task get_return_object() {
      return Task(std::coroutine_handle<promise_type>::from_promise(*this));
    }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    FinalAwaiter final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::abort(); }

    std::coroutine_handle<> continuation;
  };

  explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task& operator=(Task&&) = delete;
  ~Task() {
    if (handle_) handle_.destroy();
  }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> continuation) const noexcept {
    handle_.promise().continuation = continuation;
    return handle_;
  }
  void await_resume() const noexcept {}

  void run() const { handle_.resume(); }

 private:
  std::coroutine_handle<promise_type> handle_;
};

struct Aggregate {
  Probe probe;
  int number = 0;
};

template <typename Argument>
Task consume([[maybe_unused]] Argument argument) {
  co_return;
}

Task lambda_with_value_capture() {
  Probe probe;
  co_await consume([probe] { static_cast<void>(probe); });
}

Task aggregate_in_braces() { co_await consume(Aggregate{Probe(), 1}); }

Task aggregate_with_designated_initialisers() {
  co_await consume(Aggregate{.probe = Probe(), .number = 1});
}

Task conditional_operator(bool first) {
  Probe one;
  Probe other;
  co_await consume(first ? one : Probe());
  co_await consume(first ? std::move(one) : std::move(other));
}

int failed_shapes = 0;

void expect_each_destroyed_once(const char* shape, const Task& task) {
  const int alive_before = alive;
  faults = 0;
  task.run();
  if (faults == 0 && alive == alive_before) return;
  std::printf("  %s\n", shape);
  ++failed_shapes;
}

}  // namespace

int main() {
  expect_each_destroyed_once("a lambda that captures by value", lambda_with_value_capture());
  expect_each_destroyed_once("an aggregate in braces", aggregate_in_braces());
  expect_each_destroyed_once("an aggregate with designated initialisers",
                             aggregate_with_designated_initialisers());
  expect_each_destroyed_once("the result of ?:", conditional_operator(true));
  return failed_shapes == 0 ? 0 : 1;
}
