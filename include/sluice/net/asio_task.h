// Coroutines off the data path, over Asio's own operations (Beast, sockets, timers of the control
// thread).
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

namespace sluice::net {

namespace asio = boost::asio;

using Executor = asio::io_context::executor_type;

template <typename T = void>
using AsioTask = asio::awaitable<T, Executor>;

// Starts one. What it throws is logged: nothing ends unseen, as it would with asio::detached.
void spawn(asio::io_context& context, AsioTask<> task);

}  // namespace sluice::net
