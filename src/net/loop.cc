#include "sluice/net/loop.h"

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <string>

#include "sluice/observe/log.h"

namespace sluice::net {

// UNSAFE_IO: no lock around sockets, which only this thread touches; posting from other threads
// stays legal (the scheduler keeps its lock).
Loop::Loop()
    : context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO),
      deadlines(clock),
      poller(context, [this] { clock.refresh(); }),
      tick_timer_(context),
      scratch_(std::make_unique_for_overwrite<char[]>(scratch_bytes)) {}

Loop::~Loop() = default;

void Loop::run() {
  schedule_tick();
  context.run();
}

void Loop::stop() {
  poller.stop();
  context.stop();
}

void Loop::schedule_tick() {
  tick_timer_.expires_after(DeadlineWheel::tick);
  tick_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // stopped
    clock.refresh();
    deadlines.advance();
    for (const auto& callback : tick_callbacks_) callback();
    schedule_tick();
  });
}

void spawn(asio::io_context& context, AsioTask<> task) {
  asio::co_spawn(context, std::move(task), [](const std::exception_ptr& error) {
    if (error == nullptr) return;
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& exception) {
      observe::log(observe::Level::error, std::string("internal_error: a coroutine ended with: ") +
                                              observe::escaped(exception.what()));
    }
  });
}

}  // namespace sluice::net
