// The running program: workers, the control thread's loop, signals, and the order of starting and
// ending.
//
// The calling thread becomes the control thread. Start: configuration, sockets, workers serving,
// READY. End: no new connections, exchanges finish, deadline, exit.
#pragma once

#include <memory>
#include <string>

namespace sluice::app {

// Runs the configuration in `path` until a signal ends it. Returns the exit status of the contract:
// 0 after a clean drain, 1 when it refused to start (each reason on standard error).
[[nodiscard]] int run_server(const std::string& path);

// The same with built-in targets and configuration.
[[nodiscard]] int run_demo();

}  // namespace sluice::app
