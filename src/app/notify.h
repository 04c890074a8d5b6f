// The service manager's two conversations: state notification (sd_notify) and passed sockets.
#pragma once

#include <string_view>

#include "sluice/control/configurator.h"

namespace sluice::app {

// Sends e.g. "READY=1" to the socket named by NOTIFY_SOCKET; nothing without one. Never blocks.
void notify(std::string_view state);

// "RELOADING=1" with the time stamp that Type=notify-reload asks for.
void notify_reloading();

// The sockets of LISTEN_FDS, by their LISTEN_FDNAMES; only when LISTEN_PID is this process. The
// variables are unset, so that no child takes them for its own.
[[nodiscard]] control::PassedSockets passed_sockets();

}  // namespace sluice::app
