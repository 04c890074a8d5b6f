// One piece of work at a time, for whoever waits for its result: several groups that ask the same
// question are answered by one call. It goes on when those who waited have left. Control thread.
#pragma once

#include <boost/asio/post.hpp>
#include <coroutine>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sluice/net/loop.h"
#include "sluice/net/task.h"

namespace sluice::control::discovery::ec2 {

template <typename Result>
class Errand {
 public:
  using Shared = std::shared_ptr<const Result>;

  explicit Errand(net::Loop& loop) : state_(std::make_shared<State>(loop)) {}

  [[nodiscard]] bool is_running() const { return state_->is_running; }

  // Not while one is running. Its end is told with a turn of the loop of its own, so the one who is
  // told may begin the next.
  void begin(net::Task<Result> work) {
    state_->is_running = true;
    state_->task.emplace(run(*state_, std::move(work)));
    state_->task->await_suspend(std::noop_coroutine()).resume();
  }

  // Of the one that is running; the errand must live until then, or whoever awaits it not. Null:
  // memory was short.
  [[nodiscard]] net::Task<Shared> result() { return wait(state_); }

 private:
  struct Waiter {
    net::WaitSlot slot;
    Shared result;
  };
  struct Waiting {
    std::shared_ptr<Waiter> waiter;
    ~Waiting() { waiter->slot.disarm(); }
  };
  struct State : std::enable_shared_from_this<State> {
    explicit State(net::Loop& of) : loop(of) {}

    void finish(Shared result) {
      boost::asio::post(loop.context, [weak = this->weak_from_this(), result = std::move(result)] {
        if (const auto state = weak.lock()) state->tell(result);
      });
    }
    void tell(const Shared& result) {
      is_running = false;
      task.reset();
      const std::vector<std::shared_ptr<Waiter>> told = std::exchange(waiters, {});
      for (const auto& waiter : told) {
        waiter->result = result;
        waiter->slot.fire(net::Wake::ready);
      }
    }

    net::Loop& loop;
    bool is_running = false;
    std::vector<std::shared_ptr<Waiter>> waiters;
    std::optional<net::Task<>> task;
  };

  static net::Task<> run(State& state, net::Task<Result> work) {
    Shared result;
    try {
      Result value = co_await std::move(work);
      result = std::make_shared<const Result>(std::move(value));
    } catch (const std::exception&) {  // memory is short
      result = nullptr;
    }
    state.finish(std::move(result));
  }

  static net::Task<Shared> wait(std::shared_ptr<State> state) {
    const Waiting waiting{std::make_shared<Waiter>()};
    state->waiters.push_back(waiting.waiter);
    state.reset();
    (void)co_await waiting.waiter->slot.wait();
    co_return waiting.waiter->result;
  }

  std::shared_ptr<State> state_;
};

}  // namespace sluice::control::discovery::ec2
