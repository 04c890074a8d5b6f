#include "sluice/net/task.h"

#include <exception>
#include <string>

#include "sluice/observe/log.h"

namespace sluice::net {

namespace {

// A coroutine that nobody awaits: it destroys itself at its end.
struct Detached {
  struct promise_type : base::InBlockMemory {
    Detached get_return_object() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
    [[nodiscard]] std::suspend_never final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }  // `run` lets nothing out
  };
};

Detached run(Task<> task) {
  try {
    co_await std::move(task);
  } catch (const std::exception& exception) {
    observe::log(observe::Level::error, std::string("internal_error: a coroutine ended with: ") +
                                            observe::escaped(exception.what()));
  }
}

}  // namespace

void spawn(Task<> task) { run(std::move(task)); }

}  // namespace sluice::net
